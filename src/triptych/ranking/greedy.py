"""Fill lists greedily from a pool of each user's best items: relevance, minus what the rules count against an item.

    value(i) = (1 - Σ w) r(i) - Σ w_d max over chosen j of cos(v_i, v_j) - Σ w_c KL(p ‖ q of the list with i)

r: the score, scaled over the pool to 0 for its last and 1 for its first item. w: the weights of the rules. p: how the
user's history is divided over groups. q: how the list is, smoothed by p: (1 - α) q + α p. Items beyond a quota cannot
be chosen. Equal values are decided by the plain order. Each list depends on its user alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from triptych.data.interactions import Interactions
from triptych.ranking.item_groups import ItemGroups
from triptych.ranking.topk import empty_lists

SMOOTHING = 0.01  # α
CHUNK_VALUES = 1 << 19  # vectors and groups of so many values at a time: they stay in the cache
TINY = np.float32(1e-30)

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class DiversityRule:
    """Counts the largest cosine to an item before it. vectors: float32 [n_items, d], of length 1 or 0."""

    vectors: FloatArray
    weight: float


@dataclass(frozen=True)
class QuotaRule:
    """Allows so many items per group."""

    groups: ItemGroups
    at_most: int


@dataclass(frozen=True)
class CalibrationRule:
    """Counts the divergence of the list from the user's history."""

    groups: ItemGroups
    weight: float
    history: Interactions


@dataclass(frozen=True)
class ListRules:
    """What lists are filled by. There is at least one rule."""

    diversity: tuple[DiversityRule, ...] = ()
    quotas: tuple[QuotaRule, ...] = ()
    calibration: tuple[CalibrationRule, ...] = ()

    @property
    def relevance_weight(self) -> float:
        """The weight of the scores: what the rules leave of 1."""
        weights = [rule.weight for rule in self.diversity] + [rule.weight for rule in self.calibration]
        return max(0.0, 1 - sum(weights))

    @property
    def groups(self) -> list[ItemGroups]:
        """The groups that the rules count."""
        return [rule.groups for rule in self.quotas] + [rule.groups for rule in self.calibration]

    @property
    def n_items(self) -> int:
        """The number of items of the catalogue."""
        return len(self.diversity[0].vectors if self.diversity else self.groups[0].slots)


class _State(Protocol):
    """What one rule knows about the lists so far."""

    def lower(self, values: FloatArray, n_chosen: int) -> None:
        """Lower the values [n, pool] of what the rule counts against, in place."""
        ...

    def add(self, choice: IntArray) -> None:
        """Add an item to each list. choice: int64 [n], its position in the pool."""
        ...


def fill_lists(
    users: IntArray, items: IntArray, scores: FloatArray, k: int, rules: ListRules
) -> tuple[IntArray, FloatArray]:
    """Return lists int64 [n, k] from pools int64 [n, pool], best first and -1 at the end, with their scores.

    users: int64 [n], rows of the histories; -1 has none. scores: float32 [n, pool]; those that are returned are the
    same, so they need not descend. If a quota allows fewer than k, the rest of a list is -1 (score -inf).
    """
    best_items, best_scores = empty_lists(len(users), k)
    for rows in _chunks(len(users), items.shape[1], rules):
        chosen = _choose(users[rows], items[rows], scores[rows], k, rules)
        found, at = chosen >= 0, np.maximum(chosen, 0)
        width = chosen.shape[1]
        best_items[rows, :width] = np.where(found, np.take_along_axis(items[rows], at, axis=1), -1)
        best_scores[rows, :width] = np.where(found, np.take_along_axis(scores[rows], at, axis=1), -np.inf)
    return best_items, best_scores


def append_items(
    lists: tuple[IntArray, FloatArray], pool: tuple[IntArray, FloatArray], rules: ListRules
) -> tuple[IntArray, FloatArray]:
    """Return lists [n, k] with further items of a pool [n, m] in its order, as far as the quotas allow."""
    items, scores = lists[0].copy(), lists[1].copy()
    for row in range(len(items)):
        filled = int((items[row] >= 0).sum())
        found = _allowed(items[row, :filled], pool[0][row], items.shape[1] - filled, rules.quotas)
        items[row, filled : filled + len(found)] = pool[0][row, found]
        scores[row, filled : filled + len(found)] = pool[1][row, found]
    return items, scores


def _allowed(chosen: IntArray, pool: IntArray, n: int, quotas: Sequence[QuotaRule]) -> list[int]:
    """Return the positions of the first n items of a pool that may follow after the chosen ones."""
    positions = np.flatnonzero((pool >= 0) & ~np.isin(pool, chosen))
    slots = [rule.groups.slots for rule in quotas]
    counts = [
        np.bincount(each[chosen].reshape(-1), minlength=rule.groups.n_groups + 1)
        for rule, each in zip(quotas, slots, strict=True)
    ]
    found: list[int] = []
    while True:
        for rule, each, count in zip(quotas, slots, counts, strict=True):
            count[-1] = 0
            full = count >= rule.at_most
            positions = positions[~full[each[pool[positions]]].any(axis=1)]
        if not len(positions) or len(found) == n:
            return found
        best, positions = int(positions[0]), positions[1:]
        found.append(best)
        for each, count in zip(slots, counts, strict=True):
            count[each[pool[best]]] += 1


def _chunks(n: int, pool: int, rules: ListRules) -> Iterator[slice]:
    """Yield users whose values fit into the cache."""
    of_item = 1 + sum(rule.vectors.shape[1] for rule in rules.diversity)
    of_item += sum(4 * groups.slots.shape[1] for groups in rules.groups)
    size = max(1, CHUNK_VALUES // (pool * of_item + sum(groups.n_groups for groups in rules.groups)))
    yield from (slice(begin, begin + size) for begin in range(0, n, size))


def _choose(users: IntArray, items: IntArray, scores: FloatArray, k: int, rules: ListRules) -> IntArray:
    """int64 [n, min(k, pool)]: the chosen positions in the pool, in the order of the list; -1 where there are none."""
    rows, is_item = np.arange(len(users)), items >= 0
    relevance = np.where(is_item, rules.relevance_weight * _scaled(scores, is_item), -np.inf).astype(np.float32)
    states = _states(users, np.maximum(items, 0), rules)
    chosen = np.full((len(users), min(k, items.shape[1])), -1, dtype=np.int64)
    for rank in range(chosen.shape[1]):
        values = relevance.copy()
        for state in states:
            state.lower(values, rank)
        choice = values.argmax(axis=1)
        possible = values[rows, choice] > -np.inf
        if not possible.any():
            break
        chosen[:, rank] = np.where(possible, choice, -1)
        relevance[rows, choice] = -np.inf
        for state in states:
            state.add(choice)
    return chosen


def _scaled(scores: FloatArray, is_item: NDArray[np.bool_]) -> NDArray[np.float64]:
    """float64 [n, pool]: the scores of each row, scaled to [0, 1]; 0 where all are equal."""
    values = scores.astype(np.float64)
    low = np.where(is_item, values, np.inf).min(axis=1, keepdims=True)
    high = np.where(is_item, values, -np.inf).max(axis=1, keepdims=True)
    span = np.where(high > low, high - low, 1)
    return np.where(is_item, values - low, 0) / span


def _states(users: IntArray, items: IntArray, rules: ListRules) -> list[_State]:
    return [
        *(_Quota(rule, items) for rule in rules.quotas),
        *(_Diversity(rule, items) for rule in rules.diversity),
        *(_Calibration(rule, users, items) for rule in rules.calibration),
    ]


class _Diversity:
    """The largest cosine of each item of the pool to the list: float32 [n, pool]."""

    def __init__(self, rule: DiversityRule, items: IntArray) -> None:
        self.weight, self.vectors = np.float32(rule.weight), rule.vectors[items]
        self.largest = np.full(items.shape, -np.inf, dtype=np.float32)
        self.rows = np.arange(len(items))

    def lower(self, values: FloatArray, n_chosen: int) -> None:
        if n_chosen:
            values -= self.weight * self.largest

    def add(self, choice: IntArray) -> None:
        cosines = np.matmul(self.vectors, self.vectors[self.rows, choice][:, :, None])[:, :, 0]
        np.maximum(self.largest, cosines, out=self.largest)


class _Quota:
    """The number of items of each group in the list: int64 [n, n_groups + 1]; nothing counts in the last column."""

    def __init__(self, rule: QuotaRule, items: IntArray) -> None:
        self.at_most, self.slots = rule.at_most, rule.groups.slots[items]
        self.counts = np.zeros((len(items), rule.groups.n_groups + 1), dtype=np.int64)
        self.rows = np.arange(len(items))

    def lower(self, values: FloatArray, n_chosen: int) -> None:
        if n_chosen >= self.at_most:
            counts = self.counts[self.rows[:, None, None], self.slots]
            values[(counts >= self.at_most).any(axis=2)] = -np.inf

    def add(self, choice: IntArray) -> None:
        self.counts[self.rows[:, None], self.slots[self.rows, choice]] += 1
        self.counts[:, -1] = 0


class _Calibration:
    """The items of each group in the list, float32 [n, n_groups + 1], and how the history is divided over them."""

    def __init__(self, rule: CalibrationRule, users: IntArray, items: IntArray) -> None:
        groups = rule.groups
        self.weight, self.slots, self.shares = np.float32(rule.weight), groups.slots[items], groups.shares[items]
        self.rows = np.arange(len(items))
        self.at = (self.rows[:, None, None], self.slots)
        self.counts = np.zeros((len(items), groups.n_groups + 1), dtype=np.float32)
        self.history = groups.distributions(users, rule.history)[self.at]

    def lower(self, values: FloatArray, n_chosen: int) -> None:
        # what an item changes of KL, which else is the same for all:
        # -p log(((1 - α) (c + share) / n + α p) / ((1 - α) c / n + α p)) for each of its groups
        smoothing = np.float32(SMOOTHING / (1 - SMOOTHING) * (n_chosen + 1)) * self.history
        before = np.maximum(self.counts[self.at] + smoothing, TINY)
        values += self.weight * (self.history * np.log1p(self.shares / before)).sum(axis=2)

    def add(self, choice: IntArray) -> None:
        self.counts[self.rows[:, None], self.slots[self.rows, choice]] += self.shares[self.rows, choice]
