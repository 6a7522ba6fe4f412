"""Recommender: a fitted model with ids in and ids out. `fit` returns one; `save` and `open_recommender` store it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from triptych.artefacts import write_tensors, writing_folder
from triptych.bars import shows_progress
from triptych.data.dataset import Dataset, id_types_of, save_tables
from triptych.data.id_types import type_of_values
from triptych.data.ids import Id, Ids
from triptych.data.interactions import Interactions
from triptych.data.recommendations import Recommendations
from triptych.data.split import Split, fitted_on
from triptych.data.vocabulary import Vocabulary
from triptych.display import displayed
from triptych.errors import InputError
from triptych.progress import Listener, automatic_progress, ignore_progress
from triptych.ranking.candidates import ALL_ITEMS, Candidates, GivenItems, candidates
from triptych.ranking.cards import card_of_recommender
from triptych.ranking.evaluate import STANDARD, Report, evaluate_task
from triptych.ranking.fallback import users_with_given_scores, users_without_knowledge
from triptych.ranking.given_pairs import UnknownPairs, score_pairs
from triptych.ranking.greedy import ListRules
from triptych.ranking.histories import UnknownItems, read_histories
from triptych.ranking.left_out import check_exclude, known_interactions, left_out
from triptych.ranking.lists import K, ListRequest, joined, lengths_of, rank_lists
from triptych.ranking.metrics import Metric
from triptych.ranking.new_users import USED_FOR, HistoryMaps, history_maps, scorer_of_histories
from triptych.ranking.own_scorer import checked_scorer, require_ours
from triptych.ranking.protocol import (
    EvaluationProtocol,
    EvaluationTask,
    Exclude,
    HeldOut,
    Items,
    SeenItems,
    Users,
    evaluation_task,
)
from triptych.ranking.requested_users import RequestedUsers, Unknown, requested_users
from triptych.ranking.reranking import ItemKnowledge, Rerank, list_rules
from triptych.ranking.scorer import Factors, Scorer
from triptych.ranking.similar import similar_items, similar_users, users_of_item
from triptych.ranking.stored import PARAMETERS, write_scorer
from triptych.ranking.updates import add_interactions

KIND = "recommender"


@displayed(card_of_recommender)
@dataclass(frozen=True)
class Recommender:
    """A scorer with the ids, the interactions and a description of how it was fitted.

    dataset: users, items and interactions with their split; features are not needed and may be absent.
    parameters: the trained parameters by name; empty for closed-form models.
    about: model, settings and training, in plain values.
    before_updates: the recommender as it was trained, if `update` made this one of it.
    A scorer may also be of the caller's own: any object with n_users, n_items and score. Raises InputError if it lacks
    one of these or is for other users and items.
    """

    scorer: Scorer
    dataset: Dataset
    parameters: Mapping[str, Tensor] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    before_updates: Recommender | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scorer", checked_scorer(self.scorer, self.dataset))

    @property
    def model_name(self) -> str:
        """The name of the model. Raises InputError if the recommender does not say it."""
        if "model" not in self.about:
            raise InputError("does not say which model it is", hint='put its name into `about` as "model"')
        return str(self.about["model"])

    @property
    def factors(self) -> Factors:
        """The two matrices whose inner product ranks. Raises InputError for a model without factors."""
        if isinstance(self.scorer, Factors):
            return self.scorer
        model = self.about.get("model", "this model")
        raise InputError(f"{model} has no factors", hint="use `scorer`")

    @cached_property
    def split(self) -> Split:
        """The data set as train, validation and test; made once, because every list asks for it."""
        return Split.from_dataset(self.dataset)

    @cached_property
    def history_maps(self) -> HistoryMaps:
        """The maps from histories to user vectors, as training left them; computed once. See `ranking/new_users.py`."""
        if self.before_updates is not None:
            return self.before_updates.history_maps
        return history_maps(require_ours(self.scorer, USED_FOR), self.split.train.interactions)

    @shows_progress
    def evaluate(
        self,
        split: HeldOut = "test",
        *,
        exclude: Exclude = "train",
        items: Items | GivenItems = "all",
        exclude_items: GivenItems | None = None,
        where: str | pl.Expr | None = None,
        seen: SeenItems = "auto",
        users: Users = "all",
        rerank: Rerank = (),
        metrics: Sequence[str | Metric] = STANDARD,
        listener: Listener = automatic_progress,
    ) -> Report:
        """Measure by full ranking against the held-out interactions of `split`; see `EvaluationProtocol`.

        exclude: a user's items that are left out of the ranking: "train", as most papers do, or "train+validation".
        items: the items that are ranked and count: "all", "warm" (with training interactions), "cold" (without), or
        given ones as in `recommend`; likewise exclude_items and where.
        seen: "keep" leaves nothing out, for people who buy again; "auto": as the data set was prepared.
        users: the users that are measured: "all", "warm" or "cold". rerank: as in `recommend`.
        Raises SettingsError for an unknown split, exclude, items, seen or users, or an unknown metric; InputError if
        nothing is held out.
        """
        kind: Any = items if isinstance(items, str) else "all"
        given = self._candidates(self.dataset.users, None if isinstance(items, str) else items, exclude_items, where)
        task = self.evaluation_task(EvaluationProtocol(split, exclude, kind, seen, users), given)
        rules = self.list_rules(rerank, self.split.train.interactions, task.seen)
        return evaluate_task(task, metrics, rules, listener)

    def evaluation_task(self, protocol: EvaluationProtocol, candidates: Candidates = ALL_ITEMS) -> EvaluationTask:
        """Return what ranks, what should be found and what is left out, by a protocol, among the candidates.

        Raises InputError if the model was fitted on what it should be measured on.
        """
        fit_on = fitted_on(self.about)
        if fit_on == "all" or (fit_on == "train+validation" and protocol.split == "validation"):
            raise InputError(
                f"the model was fitted on {fit_on}, so its {protocol.split} metrics would say nothing",
                hint="evaluate the run that its settings are from, which was fitted on train alone",
            )
        return evaluation_task(self.scorer, self.split, protocol, candidates)

    @shows_progress
    def recommend(
        self,
        users: Ids | None = None,
        k: K = 50,
        *,
        items: GivenItems | None = None,
        exclude_items: GivenItems | None = None,
        where: str | pl.Expr | None = None,
        rerank: Rerank = (),
        unknown: Unknown = "raise",
        exclude: Exclude | None = None,
        include_seen: bool | None = None,
        listener: Listener = automatic_progress,
    ) -> Recommendations:
        """Recommend the best k items to some users (None: all), without the items of their history.

        Users of whom the model knows neither training interactions nor features get the popular items.
        k: of all users, or user id -> k; then only these users get lists if `users` is None. items: only these may be
        ranked; exclude_items: these not. Both are ids, or a frame of item_id; with user_id it counts per user, and a
        user without rows in `items` gets an empty list. where: a condition over the item table, such as
        `"price < 50 and 'shoes' in category"`, or an expression of polars. rerank: one or several of Diversity, Quota
        and Calibration; the scores stay those of the model, so they need not descend. unknown: what to do about unknown
        users: "raise", "warn" (and leave them out), or "popular" (recommend the popular items). include_seen: recommend
        items of the history too; None: if the data set keeps them, because people buy again. exclude: leave out only
        the items of "train" or "train+validation", as `evaluate` does, so that known test items can be in the lists.
        Then all known users are ranked by the model, and test interactions make no item popular.
        Raises UnknownIdError, SettingsError, InputError.
        """
        stream = self.stream(
            users,
            k,
            items=items,
            exclude_items=exclude_items,
            where=where,
            rerank=rerank,
            unknown=unknown,
            exclude=exclude,
            include_seen=include_seen,
            listener=listener,
        )
        return joined(list(stream), lengths_of(k)[0], self.dataset.items)

    def stream(
        self,
        users: Ids | None = None,
        k: K = 50,
        *,
        items: GivenItems | None = None,
        exclude_items: GivenItems | None = None,
        where: str | pl.Expr | None = None,
        rerank: Rerank = (),
        unknown: Unknown = "raise",
        exclude: Exclude | None = None,
        include_seen: bool | None = None,
        listener: Listener = ignore_progress,
    ) -> Iterator[Recommendations]:
        """Yield the recommendations for one chunk of users at a time, in bounded memory; see `recommend`.

        They are in the order of `users`, unknown ones included.
        """
        largest, lengths = lengths_of(k)
        dataset = self.dataset
        requested = requested_users(dataset.users, list(lengths) if users is None and lengths else users, unknown)
        chosen = self._candidates(dataset.users, items, exclude_items, where)
        check_exclude(exclude, include_seen)
        known = known_interactions(dataset, self.about, exclude)
        seen = left_out(dataset, known, exclude, include_seen)
        unknown_users = self.users_of_whom_nothing_is_known() & (exclude is None)
        rules = self.list_rules(rerank, known)
        request = ListRequest(largest, lengths, seen, chosen, known.item_degrees, unknown_users, rules)
        return rank_lists(self.scorer, requested, dataset.items, request, listener)

    @shows_progress
    def recommend_from_history(
        self,
        histories: Mapping[Any, Ids],
        k: K = 50,
        *,
        items: GivenItems | None = None,
        exclude_items: GivenItems | None = None,
        where: str | pl.Expr | None = None,
        rerank: Rerank = (),
        unknown_items: UnknownItems = "raise",
        include_seen: bool | None = None,
        listener: Listener = automatic_progress,
    ) -> Recommendations:
        """Recommend the best k items to users the model was not trained on, from their histories, without training.

        histories: a name per user -> item ids. The names are labels only: a known user id has no meaning here. A user
        without any known item gets the popular items. unknown_items: "raise" or "ignore". Others as in `recommend`. See
        `ranking/new_users.py` for the method. Raises UnknownIdError, SettingsError, InputError.
        """
        largest, lengths = lengths_of(k)
        names, known = read_histories(histories, self.dataset.items, unknown_items)
        scorer = scorer_of_histories(require_ours(self.scorer, USED_FOR), self.history_maps, known)
        chosen = self._candidates(Vocabulary(names, noun="user"), items, exclude_items, where)
        seen = None if self._includes_seen(include_seen) else known
        degrees = self.dataset.interactions.item_degrees
        rules = self.list_rules(rerank, self.dataset.interactions, known)
        request = ListRequest(largest, lengths, seen, chosen, degrees, known.user_degrees == 0, rules)
        requested = RequestedUsers(names, np.arange(len(names)), type_of_values(histories))
        lists = rank_lists(scorer, requested, self.dataset.items, request, listener)
        return joined(list(lists), largest, self.dataset.items)

    def update(self, interactions: Any, *, unknown_items: UnknownItems = "raise") -> Recommender:
        """Return a recommender that knows new interactions too: lists change at once, without training.

        interactions: a pandas, polars or Arrow frame with columns for users and items, or pairs (user id, item id).
        Users that are unknown are added. unknown_items: "raise" or "ignore". Updates may follow each other: the result
        is that of one update with all interactions. See `ranking/updates.py` for the method. Raises UnknownIdError,
        InputError, SettingsError.
        """
        return add_interactions(self, interactions, unknown_items)

    @shows_progress
    def score(
        self,
        pairs: Any,
        items: Ids | None = None,
        *,
        unknown: UnknownPairs = "raise",
        column: str = "score",
        listener: Listener = automatic_progress,
    ) -> Any:
        """Score given pairs: a frame with columns of users and items gets a column of scores; or two lists of ids.

        pairs: a pandas, polars or Arrow frame, such as user_id, item_id; with `items`, the users, as many as items.
        Then returns float32 [n]. unknown: "raise", or "nan" for pairs of an unknown user or item, or without one.
        These are the scores of `recommend` up to the rounding of float32: about 1e-6 of what is added up. Users who get
        popular items have their numbers of interactions. Raises InputError, UnknownIdError, SettingsError.
        """
        lacking = self.users_of_whom_nothing_is_known()
        given = (self.scorer, self.dataset, lacking, pairs, items)
        return score_pairs(*given, unknown=unknown, column=column, listener=listener)

    @shows_progress
    def recommend_users(
        self,
        item: Id,
        k: int = 50,
        *,
        include_seen: bool | None = None,
        listener: Listener = automatic_progress,
    ) -> pl.DataFrame:
        """Return the k users who would most likely want an item: user_id, rank, score, the highest score first.

        Users who have it already are left out, as in `recommend`, and users of whom the model knows nothing. Scores are
        compared as they are: models of item weights give higher ones to users with long histories. Blends score all
        items for all users. Raises UnknownIdError, InputError, SettingsError.
        """
        lacking, seen = self.users_of_whom_nothing_is_known(), self._includes_seen(include_seen)
        return users_of_item(self.scorer, self.dataset, lacking, item, k, include_seen=seen, listener=listener)

    def similar_items(self, items: Id | Ids, k: int = 10) -> pl.DataFrame:
        """Return the k items most similar to one, or to several: item_id, rank, similarity (the scorer's own).

        Several items, such as a history: the similarity is the mean of those to each of them, and they are left out.
        The similarities of a random order are as random as its lists. Raises UnknownIdError, SettingsError; InputError
        if the model finds all items equally similar, as popularity does: their order would say nothing.
        """
        return similar_items(self.scorer, self.dataset, items, k, str(self.about.get("model", "this model")))

    def similar_users(self, user: Id, k: int = 10) -> pl.DataFrame:
        """Return the k users most similar to one: user_id, rank, similarity; see `ranking/similar.py` for what it is.

        Users of whom the model knows nothing are left out. Raises UnknownIdError, SettingsError; InputError if the
        model knows nothing of the user, or finds all users equally similar.
        """
        lacking, name = self.users_of_whom_nothing_is_known(), str(self.about.get("model", "this model"))
        return similar_users(self.scorer, self.dataset, lacking, user, k, name)

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write a folder for `open_recommender`, whole or not at all. Raises ArtefactError if it exists."""
        scorer = require_ours(self.scorer, "saved")
        about = {**self.about, **({"seen": "keep"} if self.dataset.keeps_seen else {}), **id_types_of(self.dataset)}
        with writing_folder(Path(path), KIND, about, overwrite=overwrite) as folder:
            save_tables(self.dataset, folder)
            write_scorer(scorer, folder)
            parameters = {name: value.detach().cpu().numpy() for name, value in self.parameters.items()}
            write_tensors(folder / PARAMETERS, parameters)

    def list_rules(
        self, rerank: Rerank, interactions: Interactions, history: Interactions | None = None
    ) -> ListRules | None:
        """Return what lists are re-ranked by, or None if nothing changes the plain order.

        interactions: what items are similar and popular by. history: of the users that lists are for, None: the same.
        Raises SettingsError for an unknown column or similarity.
        """
        dataset, history = self.dataset, interactions if history is None else history
        return list_rules(
            rerank, ItemKnowledge(self.scorer, interactions, history, dataset.item_table, dataset.features)
        )

    def _candidates(
        self,
        users: Vocabulary,
        items: GivenItems | None,
        exclude_items: GivenItems | None,
        where: str | pl.Expr | None,
    ) -> Candidates:
        dataset = self.dataset
        return candidates(
            users, dataset.items, dataset.item_table, items=items, exclude_items=exclude_items, where=where
        )

    def users_of_whom_nothing_is_known(self) -> NDArray[np.bool_]:
        """bool [n_users]: who gets the popular items, see `ranking/fallback.py`.

        A scorer that does not name its model is taken to know all users.
        """
        if "model" not in self.about:
            return np.zeros(self.dataset.n_users, dtype=np.bool_)
        unknown = users_without_knowledge(self.split.train.interactions, self.dataset.user_table)
        return unknown & ~users_with_given_scores(self.scorer)

    def _includes_seen(self, include_seen: bool | None) -> bool:
        return self.dataset.keeps_seen if include_seen is None else include_seen
