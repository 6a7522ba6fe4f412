"""Example users of a report: some items of their history, their recommendations, and the reasons for the first ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triptych.data.dataset import open_dataset
from triptych.data.interactions import Interactions
from triptych.errors import TriptychError
from triptych.explaining.drawing import draw
from triptych.explaining.explainer import Explainer
from triptych.explaining.explanation import Explanation, components_text, evidence_lines
from triptych.explaining.item_display import ItemDisplay
from triptych.explaining.neighbourhood import neighbourhood_of
from triptych.ranking.protocol import EvaluationProtocol
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.ranking.topk import top_k

N_HISTORY, N_RECOMMENDED, N_EXPLAINED = 8, 12, 3  # items per user

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ReportedModel:
    """The model whose lists a report shows.

    train, relevant: the training and the held-out interactions. seen: those that are left out of the lists.
    explainer: None if the model cannot be explained; problem: the reason, as a sentence.
    """

    recommender: Recommender
    display: ItemDisplay
    train: Interactions
    relevant: Interactions
    seen: Interactions | None
    explainer: Explainer | None
    problem: str = ""

    def name_of(self, user: int) -> str:
        """The id of a user row."""
        return str(self.recommender.dataset.users.ids[user])


@dataclass(frozen=True)
class Item:
    """An item as the page shows it. picture: base64 JPEG or None. hit: it is recommended and was held out."""

    title: str
    picture: str | None
    hit: bool = False


@dataclass(frozen=True)
class TopReason:
    """A recommended item, and the item of the history with the largest contribution to its score.

    components, evidence: the components of that contribution, and the evidence, as text.
    """

    recommended: Item
    because_of: Item
    components: str
    evidence: Sequence[str]


@dataclass(frozen=True)
class ExampleUser:
    """name: the id. history: a random part of it. recommended: the first items of the list; reasons: for the first."""

    name: str
    history: Sequence[Item]
    recommended: Sequence[Item]
    reasons: Sequence[TopReason]


@dataclass(frozen=True)
class ExampleUsers:
    """statement: whether the reasons are exact, or why there are none. drawing: the graph around one user, as SVG."""

    users: Sequence[ExampleUser]
    statement: str
    drawing: str | None


def open_reported_model(
    run: Path, protocol: EvaluationProtocol, display: ItemDisplay, data: Path | None
) -> ReportedModel:
    """Open a run folder with its explainer.

    data: the data set folder that the model was trained on, which models with features need to be explained.
    Raises SettingsError if the item table lacks a column of `display`.
    """
    recommender = open_recommender(run)
    display.check(recommender.dataset)
    explainer, problem = None, ""
    try:
        dataset = open_dataset(data) if data is not None and data.is_dir() else None
        explainer = Explainer(recommender, dataset, display=display)
    except TriptychError as error:
        problem = _problem_text(error)
    task, train = recommender.evaluation_task(protocol), recommender.split.train.interactions
    return ReportedModel(recommender, display, train, task.relevant, task.seen, explainer, problem)


def example_users(model: ReportedModel, n: int, seed: int = 0) -> ExampleUsers:
    """Show n random users with held-out items, half of them from those with few training interactions."""
    generator = np.random.default_rng(seed)
    users = _draw_users(model, n, generator)
    histories = [generator.permutation(model.train.history(user))[:N_HISTORY] for user in users]
    lists = _recommend(model, users)
    explanations, statement = _explain(model, users, lists)
    examples = [_example_user(model, *each) for each in zip(users, histories, lists, explanations, strict=True)]
    return ExampleUsers(examples, statement, _draw_graph(model, explanations))


def _draw_users(model: ReportedModel, n: int, generator: np.random.Generator) -> list[int]:
    """Draw half of the users from the less active half of them, and half from the other."""
    users = np.flatnonzero(model.relevant.user_degrees)
    by_activity = users[np.argsort(model.train.user_degrees[users], kind="stable")]
    halves = [half for half in np.array_split(by_activity, 2) if len(half)]
    drawn = [generator.choice(half, min(len(half), -(-n // 2)), replace=False) for half in halves]
    return [int(user) for half in drawn for user in half][:n]


def _recommend(model: ReportedModel, users: Sequence[int]) -> list[IntArray]:
    """The first recommended item rows per user, int64 [n] each."""
    top, _ = top_k(model.recommender.scorer, np.array(users, dtype=np.int64), N_RECOMMENDED, model.seen)
    return [items[items >= 0] for items in top]


def _explain(
    model: ReportedModel, users: Sequence[int], lists: Sequence[IntArray]
) -> tuple[list[list[Explanation]], str]:
    """Return the explanations of the first items per user, and a statement about them. An error ends them."""
    explanations: list[list[Explanation]] = [[] for _ in users]
    statement = model.problem
    if model.explainer is None:
        return explanations, statement
    items = model.recommender.dataset.items
    try:
        for n, (user, rows) in enumerate(zip(users, lists, strict=True)):
            ids = items.names(rows[:N_EXPLAINED]).to_list()
            explanations[n] = model.explainer.explain(model.name_of(user), ids, n_evidence=1)
            statement = explanations[n][0].statement if ids else statement
    except TriptychError as error:
        statement = _problem_text(error)
    return explanations, statement


def _example_user(
    model: ReportedModel, user: int, history: IntArray, items: IntArray, explanations: Sequence[Explanation]
) -> ExampleUser:
    hits = model.relevant.contain(np.full(len(items), user), items)
    return ExampleUser(
        model.name_of(user),
        [_item(model, item) for item in history],
        [_item(model, item, hit=bool(hit)) for item, hit in zip(items, hits, strict=True)],
        _top_reasons(model, explanations),
    )


def _top_reasons(model: ReportedModel, explanations: Sequence[Explanation]) -> list[TopReason]:
    reasons = []
    for explanation in explanations:
        for reason in explanation.reasons[:1]:
            rows = model.recommender.dataset.items.rows([explanation.item, reason.item])
            recommended, because_of = (_item(model, row) for row in rows)
            evidence = evidence_lines(reason.evidence) if reason.evidence is not None else []
            reasons.append(TopReason(recommended, because_of, components_text(reason.components), evidence))
    return reasons


def _draw_graph(model: ReportedModel, explanations: Sequence[Sequence[Explanation]]) -> str | None:
    """The drawing of the first recommendation that has reasons."""
    first = next((each[0] for each in explanations if each and each[0].reasons), None)
    return draw(neighbourhood_of(model.explainer, first)) if model.explainer and first else None


def _item(model: ReportedModel, row: int, *, hit: bool = False) -> Item:
    dataset = model.recommender.dataset
    return Item(model.display.title_of(dataset, int(row)), model.display.picture_of(dataset, int(row)), hit)


def _problem_text(error: TriptychError) -> str:
    return f"No reasons are shown: {error.what}."
