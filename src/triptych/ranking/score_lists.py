"""Measure recommendation lists that were made elsewhere, by the protocols that models are evaluated by.

What a protocol leaves out of the ranking (a user's seen items, and items that are no candidates) is taken out of a list
before the list is cut. So lists of all candidates, and lists that were made without these items, have the metrics of
`evaluate`. An unknown item keeps its rank and is a miss. A user with held-out items and without a list counts as zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.bars import shows_progress
from triptych.data.dataset import Dataset
from triptych.data.formats.given_lists import GivenLists, ListForm, read_given_lists
from triptych.data.formats.reading import GUESS, Reading
from triptych.data.interactions import concatenated_ranges
from triptych.data.recommendations import Recommendations
from triptych.data.split import Split
from triptych.data.vocabulary import Vocabulary, known_rows, unknown_note
from triptych.errors import InputError, SettingsError, warn_of
from triptych.progress import Listener, automatic_progress, track
from triptych.ranking.candidates import Candidates, GivenItems, candidates
from triptych.ranking.evaluate import STANDARD, Report, hits_of, parse_metrics, users_with_relevant_items
from triptych.ranking.metrics import Metric
from triptych.ranking.protocol import (
    EvaluationProtocol,
    Exclude,
    HeldOut,
    Items,
    MeasuredPairs,
    SeenItems,
    Users,
    measured_pairs,
)

CHUNK = 65_536  # users at a time


@dataclass(frozen=True)
class ListsReport:
    """The metrics of given lists, and what was in them.

    report: as of `evaluate`. n_lists: all lists. n_missing: measured users without a list. n_short: measured users
    whose list has fewer items than the largest cutoff k. n_left_out: items that the protocol left out of the lists of
    measured users. n_unknown_users, n_unknown_items: lists of users, and distinct items, that the data set lacks.
    """

    report: Report
    k: int
    n_lists: int
    n_missing: int
    n_short: int
    n_left_out: int
    n_unknown_users: int
    n_unknown_items: int

    @property
    def means(self) -> dict[str, float]:
        """metric -> mean over the users with relevant items."""
        return self.report.means

    def __getitem__(self, metric: str) -> float:
        return self.report[metric]

    def sentences(self) -> list[str]:
        """What is to be said about lists that are missing, short, or have items that were left out."""
        n = len(self.report.users)
        said = []
        if self.n_left_out:
            said.append(
                f"{self.n_left_out:,} listed items are not ranked by this protocol and were taken out of the lists "
                f"({self.report.excluded})"
            )
        if self.n_missing:
            said.append(f"{self.n_missing:,} of {n:,} measured users have no list: they count as 0")
        if self.n_short:
            said.append(f"{self.n_short:,} of {n:,} measured users have lists of fewer than {self.k} items")
        return said


@shows_progress
def score_lists(
    lists: Any,
    dataset: Dataset,
    split: HeldOut = "test",
    *,
    exclude: Exclude = "train",
    items: Items | GivenItems = "all",
    exclude_items: GivenItems | None = None,
    where: str | pl.Expr | None = None,
    seen: SeenItems = "auto",
    users: Users = "all",
    metrics: Sequence[str | Metric] = STANDARD,
    form: ListForm = ListForm(),
    reading: Reading = GUESS,
    listener: Listener = automatic_progress,
) -> ListsReport:
    """Measure lists against the held-out interactions of `split`, as `Recommender.evaluate` measures a model.

    lists: a file (see docs/submissions.md), a frame of pandas, polars or Arrow, `Recommendations`, user -> items, or
    user -> item -> score. form: the columns and the separator; both are guessed. The others are those of `evaluate`.
    Unknown users and items are counted with an InputWarning. Raises InputError for lists that cannot be read (see
    `read_given_lists`), if no user of the lists is known, or if nothing is held out; SettingsError.
    """
    kind: Any = items if isinstance(items, str) else "all"
    protocol = EvaluationProtocol(split, exclude, kind, seen, users)
    requested = parse_metrics(metrics)
    if not requested:
        raise SettingsError("no metric is asked for", hint="for example ndcg@50")
    given = read_given_lists(lists.to_polars() if isinstance(lists, Recommendations) else lists, form, reading)
    chosen = candidates(
        dataset.users,
        dataset.items,
        dataset.item_table,
        items=None if isinstance(items, str) else items,
        exclude_items=exclude_items,
        where=where,
    )
    pairs = measured_pairs(Split.from_dataset(dataset), protocol, chosen)
    rows = _Rows.of(given, dataset)
    warn_of((*given.notes, *rows.notes()))
    return _measure(rows, pairs, chosen, requested, listener)


@dataclass(frozen=True)
class _Rows:
    """Given lists by rows: list_of int64 [n_users], the list of a user row, or -1; items int64 [m], -1: unknown."""

    list_of: NDArray[np.int64]
    starts: NDArray[np.int64]
    items: NDArray[np.int64]
    unknown_users: pl.Series
    unknown_items: pl.Series

    @classmethod
    def of(cls, given: GivenLists, dataset: Dataset) -> _Rows:
        users, unknown_users = known_rows(dataset.users, given.users)
        if len(unknown_users) == len(users):
            raise _no_user_known(given.users, dataset.users)
        items, unknown_items = known_rows(dataset.items, given.items)
        list_of = np.full(dataset.n_users, -1, dtype=np.int64)
        list_of[users[users >= 0]] = np.flatnonzero(users >= 0)
        return cls(list_of, given.starts, items, unknown_users, unknown_items)

    def notes(self) -> list[str]:
        """What became of unknown users and items."""
        return [
            *unknown_note(self.unknown_users, "user", "their lists are passed over"),
            *unknown_note(self.unknown_items, "item", "they keep their ranks and count as misses"),
        ]


def _measure(
    rows: _Rows, pairs: MeasuredPairs, chosen: Candidates, metrics: dict[str, Metric], listener: Listener
) -> ListsReport:
    k = max(metric.k for metric in metrics.values())
    users = users_with_relevant_items(pairs.relevant)
    values: dict[str, list[NDArray[np.float64]]] = {name: [] for name in metrics}
    n_left_out = n_short = 0
    chunks = [users[begin : begin + CHUNK] for begin in range(0, len(users), CHUNK)]
    for chunk in track("measuring", chunks, listener):
        listed, lengths, left_out = _lists_of(chunk, k, rows, pairs, chosen)
        n_left_out += left_out
        n_short += int(((lengths < k) & (rows.list_of[chunk] >= 0)).sum())
        hits = hits_of(chunk, listed, pairs.relevant)
        for name, metric in metrics.items():
            values[name].append(metric.values(hits))
    per_user = {name: np.concatenate(each) for name, each in values.items()}
    report = Report(users, per_user, pairs.relevant.n_users - len(users), pairs.excluded)
    n_missing = int((rows.list_of[users] < 0).sum())
    n_lists = len(rows.starts) - 1
    return ListsReport(
        report, k, n_lists, n_missing, n_short, n_left_out, len(rows.unknown_users), len(rows.unknown_items)
    )


def _lists_of(
    users: NDArray[np.int64], k: int, rows: _Rows, pairs: MeasuredPairs, chosen: Candidates
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the first k items of users, int64 [n, k], -1 for none; the lengths of their lists; and what was left out.

    The items of the protocol are taken out first. Unknown items are -1 too, at their ranks.
    """
    lists = rows.list_of[users]
    begins = rows.starts[np.maximum(lists, 0)]
    lengths = np.where(lists >= 0, rows.starts[lists + 1] - begins, 0)
    positions, places = concatenated_ranges(begins, lengths)
    items = rows.items[places]
    known = np.maximum(items, 0)
    kept = chosen.contain(users[positions], known)
    if pairs.ranked is not None:
        kept &= pairs.ranked[known]
    if pairs.seen is not None:
        kept &= ~pairs.seen.contain(users[positions], known)
    kept |= items < 0
    positions, items = positions[kept], items[kept]
    ranks = np.arange(len(positions)) - np.searchsorted(positions, positions)
    first = ranks < k
    listed = np.full((len(users), k), -1, dtype=np.int64)
    listed[positions[first], ranks[first]] = items[first]
    return listed, np.bincount(positions, minlength=len(users)), int((~kept).sum())


def _no_user_known(users: pl.Series, known: Vocabulary) -> InputError:
    given, own = (", ".join(f'"{each}"' for each in ids.head(3).to_list()) for ids in (users, known.ids))
    return InputError(
        f"no user of the lists is known: they are for {given or 'no user'}, the data set has {own}",
        hint="name the column of users, or the data set that the lists were made for",
    )
