"""New interactions without training: the lists of users follow what they chose since the model was trained.

Item weights score any history, so the result is exact: they get the longer history. For factors, with M the map from
histories to user vectors of `ranking/new_users.py`:

    h_u ← h_u + M_w(history with the new interactions) − M(history at training)

M_w counts a new interaction `NEW_WEIGHT` times as much as an old one, since the latest items say more about the next
ones (docs/going-on.md). The vector keeps what training found beyond the map. A user without history at training, of
whom the model knows no features either, gets M(history). The members of a blend are updated one by one; given scores
stay as they are. Items do not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.data.dataset import Dataset
from triptych.data.formats.frames import table_from_frame
from triptych.data.formats.tables import ITEM_IDS, USER_IDS, Table, usual_column
from triptych.data.ids import id_series
from triptych.data.interactions import Interactions
from triptych.data.split import Split
from triptych.data.split_codes import TRAIN, bits_of, codes_of
from triptych.errors import InputError
from triptych.ranking.fallback import HAS_FEATURES, users_without_knowledge
from triptych.ranking.given_scores import GivenScores
from triptych.ranking.histories import UnknownItems, history_rows
from triptych.ranking.new_users import HistoryMap, parts_of
from triptych.ranking.own_scorer import require_ours
from triptych.ranking.scorer import Blend, Factors, ItemWeights, OurScorer

if TYPE_CHECKING:
    from triptych.ranking.recommender import Recommender

NEW_INTERACTIONS, NEW_USERS = "new_interactions", "new_users"  # in `about`: how many were added since training
NEW_WEIGHT = 3.0  # of a new interaction, in units of an old one
WHERE = "interactions"  # for errors
IntArray = NDArray[np.int64]


def add_interactions(recommender: Recommender, interactions: Any, unknown_items: UnknownItems = "raise") -> Recommender:
    """Return the recommender with new interactions; see `Recommender.update`."""
    users, items = _id_pairs(interactions)
    rows = history_rows(recommender.dataset.items, items, unknown_items)
    known = rows >= 0
    dataset, user_rows = _with_users(recommender.dataset, users.filter(pl.Series(known)))
    dataset, n_new = _with_interactions(dataset, user_rows, rows[known])
    trained = recommender.before_updates or recommender
    scorer = require_ours(trained.scorer, "updated")
    about = dict(recommender.about)
    for name, n in ((NEW_INTERACTIONS, n_new), (NEW_USERS, dataset.n_users - recommender.dataset.n_users)):
        if n:
            about[name] = about.get(name, 0) + n
    return replace(
        trained, scorer=_scorer(trained, scorer, dataset), dataset=dataset, about=about, before_updates=trained
    )


def check_not_updated(recommender: Recommender) -> None:
    """Raise InputError if vectors of users were moved by updates: the model's parameters then give others."""
    scorer = recommender.scorer
    parts = scorer.scorers if isinstance(scorer, Blend) else (scorer,)
    if recommender.about.get(NEW_INTERACTIONS) and any(isinstance(each, Factors) for each in parts):
        raise InputError(
            "the model got new interactions by `update`, which its parameters do not know",
            hint="ask the recommender as it was before (`before_updates`), or train again",
        )


def _scorer(trained: Recommender, scorer: OurScorer, dataset: Dataset) -> OurScorer:
    """Return the scorer for what is known now. trained: the recommender before all updates, with its scorer."""
    before, now = trained.split.train.interactions, Split.from_dataset(dataset).train.interactions
    changed = np.flatnonzero(now.user_degrees != np.pad(before.user_degrees, (0, now.n_users - before.n_users)))
    known = changed[changed < before.n_users]
    unlearned = users_without_knowledge(before, trained.dataset.user_table)[known]
    change = _Change(before, now, changed, known, unlearned, _weights(before, now, changed))
    scorers = tuple(
        _updated(each, one, change) for each, one in zip(parts_of(scorer), trained.history_maps, strict=True)
    )
    return Blend(scorers, scorer.weights) if isinstance(scorer, Blend) else scorers[0]


@dataclass(frozen=True)
class _Change:
    """before, now: histories at training, and with the new interactions. changed: the users with new interactions.

    known: those of them that training knew; unlearned: bool [n], which of these it had nothing to learn from.
    weights: of the items of changed users, see `HistoryMap.vectors`.
    """

    before: Interactions
    now: Interactions
    changed: IntArray
    known: IntArray
    unlearned: NDArray[np.bool_]
    weights: NDArray[np.float64]


def _updated(
    part: Factors | ItemWeights | GivenScores, one: HistoryMap | None, change: _Change
) -> Factors | ItemWeights | GivenScores:
    if isinstance(part, ItemWeights):
        return replace(part, history=change.now)
    if isinstance(part, GivenScores):
        return part.with_users(change.now.n_users)
    return _moved(part, one, change)


def _weights(before: Interactions, now: Interactions, users: IntArray) -> NDArray[np.float64]:
    """float64 [n]: `NEW_WEIGHT` for new items and 1 for others of these users, scaled to mean 1 per user."""
    positions, items = now.items_of(users)
    weights = np.where(before.contain(users[positions], items), 1.0, NEW_WEIGHT)
    mean = np.bincount(positions, weights, len(users)) / np.maximum(1, now.user_degrees[users])
    return np.asarray(weights / mean[positions])


def _moved(factors: Factors, one: HistoryMap | None, change: _Change) -> Factors:
    """Return the factors with the vectors of the changed users moved, and those of new users."""
    assert one is not None  # only item weights have no map
    vectors = one.vectors(change.now, change.changed, change.weights)
    offsets = factors.users[torch.from_numpy(change.known)].cpu() - one.vectors(change.before, change.known)
    offsets[torch.from_numpy(change.unlearned)] = 0
    vectors[: len(offsets)] += offsets  # new users come last
    n_new = change.now.n_users - factors.n_users
    users: Tensor = torch.cat([factors.users, factors.users.new_zeros(n_new, factors.users.shape[1])])
    users[torch.from_numpy(change.changed)] = vectors.to(users)
    return Factors(users, factors.items)


def _id_pairs(interactions: Any) -> tuple[pl.Series, pl.Series]:
    """Return the ids of users and items, String [n] each. Raises InputError."""
    if isinstance(interactions, np.ndarray) and interactions.ndim == 2:
        interactions = interactions.tolist()
    if isinstance(interactions, Sequence) and not isinstance(interactions, str | bytes):
        if not all(
            isinstance(each, Sequence) and not isinstance(each, str) and len(each) == 2 for each in interactions
        ):
            hint = 'write [("anna", "item 7"), …], or give a frame with columns user_id and item_id'
            raise InputError("are not pairs of a user and an item", where=WHERE, hint=hint)
        return id_series([user for user, _ in interactions], "user"), id_series([item for _, item in interactions])
    table = table_from_frame(interactions, WHERE)
    return _column(table, USER_IDS, "user"), _column(table, ITEM_IDS, "item")


def _column(table: Table, usual: Sequence[str], noun: str) -> pl.Series:
    column = usual_column(table.frame.columns, usual)
    if column is None:
        raise InputError(f"have no column of {noun}s", where=WHERE, hint=f"name it {noun}_id")
    return table.required_ids(column, noun)[0]


def _with_users(dataset: Dataset, users: pl.Series) -> tuple[Dataset, IntArray]:
    """Return the data set with the users that it lacks after its own, and the row of each user."""
    rows = dataset.users.find(users)
    if (rows >= 0).all():
        return dataset, rows
    new = users.filter(pl.Series(rows < 0)).str.strip_chars().unique(maintain_order=True)
    vocabulary = dataset.users.extended_by(new)
    table, interactions = dataset.user_table, dataset.interactions
    if table is not None:
        known = [pl.lit(value=False).alias(HAS_FEATURES)] if HAS_FEATURES in table.columns else []
        added = new.alias(table.columns[0]).to_frame().with_columns(known)
        table = pl.concat([table, added], how="diagonal")
    wider = Interactions(interactions.users, interactions.items, len(vocabulary), interactions.n_items)
    return replace(dataset, users=vocabulary, interactions=wider, user_features={}, user_table=table), vocabulary.find(
        users
    )


def _with_interactions(dataset: Dataset, users: IntArray, items: IntArray) -> tuple[Dataset, int]:
    """Return the data set with new training interactions, and the number of pairs that were not in train before.

    A held-out pair becomes a training pair; where people buy again, it is held out too.
    """
    before, n_items = dataset.interactions, dataset.n_items
    codes = np.full(len(before), TRAIN, np.int8) if dataset.split_codes is None else dataset.split_codes.copy()
    given = np.unique(users * n_items + items)
    positions = np.searchsorted(before.keys, given)
    found = before.contain(given // max(1, n_items), given % max(1, n_items))
    at = positions[found]
    became = codes_of(bits_of(codes[at]) | 1 << TRAIN) if dataset.keeps_seen else np.full(len(at), TRAIN, np.int8)
    n_new = int((~found).sum() + ((bits_of(codes[at]) & 1 << TRAIN) == 0).sum())
    codes[at] = became
    keys = np.insert(before.keys, positions[~found], given[~found])
    codes = np.insert(codes, positions[~found], np.int8(TRAIN))
    interactions = Interactions(keys // max(1, n_items), keys % max(1, n_items), before.n_users, n_items)
    added = replace(dataset, interactions=interactions, split_codes=codes, times=None, weights=None, fingerprint=None)
    return added, n_new
