"""A few users as a person would look at them: what they took, what they are recommended, with titles and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triptych.data.dataset import open_dataset
from triptych.data.interactions import Interactions
from triptych.errors import TriptychError
from triptych.explaining.drawing import draw
from triptych.explaining.explainer import Explainer
from triptych.explaining.explanation import evidence_in_words, in_words
from triptych.explaining.item_display import ItemDisplay
from triptych.explaining.neighbourhood import neighbourhood_of
from triptych.ranking.recommender import Recommender
from triptych.ranking.topk import top_k

TAKEN, LISTED, EXPLAINED = 8, 12, 3  # items shown of each kind, and those that get a reason


@dataclass(frozen=True)
class Item:
    """title, and the picture as base64 of a JPEG or None; hit: it was held out, and the list found it."""

    title: str
    picture: str | None
    hit: bool


@dataclass(frozen=True)
class TopReason:
    """A recommended item, the item taken that adds most to its score, through what, and what can be checked."""

    listed: Item
    taken: Item
    through: str
    evidence: Sequence[str]


@dataclass(frozen=True)
class ExampleUser:
    """A user's id, some items that they took, the first that they are recommended, and why the first of these."""

    name: str
    taken: Sequence[Item]
    listed: Sequence[Item]
    reasons: Sequence[TopReason]


@dataclass(frozen=True)
class ExampleUsers:
    """Some users; statement: what their reasons are worth, or why there are none; drawing: the first one's
    neighbourhood in the graph, as SVG."""

    users: Sequence[ExampleUser]
    statement: str
    drawing: str | None


def example_users(
    recommender: Recommender,
    held_out: Interactions,
    seen: Interactions,
    n: int,
    look: ItemDisplay,
    data: Path | None = None,
    seed: int = 0,
) -> ExampleUsers:
    """n users who have held-out items, drawn by chance: half of them from those with few training interactions.

    data: the folder that the model was trained on; reasons need it where the model looks at features. Raises
    SettingsError on a column that the item table lacks.
    """
    look.check(recommender.dataset)
    explainer, statement = _explainer(recommender, look, data)
    drawing: str | None = None
    train = recommender.split.train.interactions
    users, generator = np.flatnonzero(held_out.user_degrees), np.random.default_rng(seed)
    by_activity = users[np.argsort(train.user_degrees[users], kind="stable")]
    halves = [half for half in np.array_split(by_activity, 2) if len(half)]
    chosen = [generator.choice(half, min(len(half), -(-n // 2)), replace=False) for half in halves]
    rows = np.concatenate(chosen)[:n] if chosen else users[:0]
    lists, _ = top_k(recommender.scorer, rows, LISTED, seen)
    made = []
    for user, listed in zip(rows, lists, strict=True):
        taken = train.items_of(np.array([user]))[1]
        taken = generator.permutation(taken)[:TAKEN]
        hits = held_out.contain(np.full(len(listed), user), np.maximum(listed, 0)) & (listed >= 0)
        shown = [
            _item(recommender, int(item), look, hit=bool(hit))
            for item, hit in zip(listed, hits, strict=True)
            if item >= 0
        ]
        own = [_item(recommender, int(item), look, hit=False) for item in taken]
        name = str(recommender.dataset.users.ids[int(user)])
        first = [int(item) for item in listed[:EXPLAINED] if item >= 0]
        reasons: list[TopReason] = []
        if explainer is not None and first:
            try:
                reasons = _reasons(explainer, name, first, look)
                told = explainer.explain(name, [str(recommender.dataset.items.ids[first[0]])])[0]
                statement = told.statement
                if told.reasons and drawing is None:
                    drawing = draw(neighbourhood_of(explainer, told))
            except TriptychError as error:
                explainer, statement = None, _without_reasons(error)
        made.append(ExampleUser(name, own, shown, reasons))
    return ExampleUsers(made, statement, drawing)


def _explainer(recommender: Recommender, look: ItemDisplay, data: Path | None) -> tuple[Explainer | None, str]:
    """What explains, or None and why."""
    try:
        dataset = open_dataset(data) if data is not None and data.is_dir() else None
        return Explainer(recommender, dataset, look=look), ""
    except TriptychError as error:
        return None, _without_reasons(error)


def _without_reasons(error: TriptychError) -> str:
    return f"There are no reasons here: {error.what}."


def _item(recommender: Recommender, row: int, look: ItemDisplay, *, hit: bool) -> Item:
    return Item(look.title_of(recommender.dataset, row), look.picture_of(recommender.dataset, row), hit)


def _reasons(explainer: Explainer, user: str, items: Sequence[int], look: ItemDisplay) -> list[TopReason]:
    dataset, made = explainer.recommender.dataset, []
    told = explainer.explain(user, dataset.items.names(np.array(items, dtype=np.int64)).to_list(), n_evidence=1)
    for item, one in zip(items, told, strict=True):
        for reason in one.reasons[:1]:
            taken = int(dataset.items.rows([reason.item])[0])
            evidence = evidence_in_words(reason.evidence) if reason.evidence is not None else []
            made.append(
                TopReason(
                    _item(explainer.recommender, item, look, hit=False),
                    _item(explainer.recommender, taken, look, hit=False),
                    in_words(reason.through),
                    evidence,
                )
            )
    return made
