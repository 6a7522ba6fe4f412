"""Re-ranking on request: diversity, quotas and calibration, as what a caller writes and as what lists are chosen by.

    rerank=(Diversity(0.3), Quota("category", 3))

All steps act together: `ranking/greedy.py` fills a list rank by rank from a pool of the best items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
import polars as pl
from annotated_types import Interval
from numpy.typing import NDArray
from typing_extensions import Doc

from triptych.data.features import Features
from triptych.data.interactions import Interactions
from triptych.errors import SettingsError
from triptych.progress import Listener, ignore_progress
from triptych.ranking.candidates import ALL_ITEMS, Candidates
from triptych.ranking.greedy import CalibrationRule, DiversityRule, ListRules, QuotaRule, append_items, fill_lists
from triptych.ranking.item_groups import POPULARITY, ItemGroups, groups_by_column, groups_by_popularity
from triptych.ranking.item_vectors import MODEL, item_vectors
from triptych.ranking.scorer import Scorer
from triptych.ranking.topk import rank_all, top_k
from triptych.settings import checked

POOL, POOL_PER_RANK = 200, 4  # the pool holds at least so many items, and so many per rank
GROWTH = 4  # how much larger the pool is of a list that a quota leaves too short

Lists = tuple[NDArray[np.int64], NDArray[np.float32]]  # items [n, k] and scores [n, k]
Ranker = Callable[[NDArray[np.int64], int], Lists]  # positions of users, int64 [n], and k -> their best items


@dataclass(frozen=True)
@checked
class Diversity:
    """Maximal marginal relevance (Carbonell and Goldstein, 1998): items that are unlike those before them."""

    weight: Annotated[float, Interval(ge=0, le=1), Doc("of diversity, 1 - λ of the paper; 0: the plain order")] = 0.3
    similarity: Annotated[str, Doc("of items: model, interactions or a modality")] = MODEL


@dataclass(frozen=True)
@checked
class Quota:
    """At most so many items of each value of a column of the item table. Items without a value are not limited."""

    column: Annotated[str, Doc("column of the item table, with one value per item or several")]
    at_most: Annotated[int, Interval(ge=1), Doc("items per value")]
    separator: Annotated[str, Doc("between the values in a text")] = "|"


@dataclass(frozen=True)
@checked
class Calibration:
    """Calibrated lists (Steck, 2018): divided over groups of items as the history of the user is.

    A user without history gets a list without calibration.
    """

    by: Annotated[str, Doc("groups: popularity (head, middle, tail) or a column of the item table")] = POPULARITY
    weight: Annotated[float, Interval(ge=0, le=1), Doc("of calibration; 0: the plain order")] = 0.5
    separator: Annotated[str, Doc("between the values in a text")] = "|"


Step = Diversity | Quota | Calibration
Rerank = Step | Sequence[Step]


@dataclass(frozen=True)
class ItemKnowledge:
    """What the steps need to know about the items.

    interactions: of the users of the scorer. history: what calibration compares a list with; its rows are the users
    that lists are for, who differ from those of the scorer if they are new.
    """

    scorer: Scorer
    interactions: Interactions
    history: Interactions
    item_table: pl.DataFrame | None
    features: Mapping[str, Features]


def list_rules(steps: Rerank, known: ItemKnowledge) -> ListRules | None:
    """Return what a list is filled by, or None if nothing changes the plain order.

    Raises SettingsError for an unknown column or similarity, or if the weights have a sum of more than 1.
    """
    given = _checked(steps)
    active = [step for step in given if isinstance(step, Quota) or step.weight > 0]
    if not active:
        return None
    if sum(step.weight for step in active if not isinstance(step, Quota)) > 1 + 1e-9:
        raise SettingsError(
            "the weights of re-ranking have a sum of more than 1", hint="the rest is that of the scores"
        )

    def groups(name: str, separator: str) -> ItemGroups:
        return groups_by_column(known.item_table, name, separator)

    def calibrated(step: Calibration) -> ItemGroups:
        if step.by == POPULARITY:
            return groups_by_popularity(known.interactions.item_degrees)
        return groups(step.by, step.separator)

    return ListRules(
        tuple(
            DiversityRule(item_vectors(each.similarity, known.scorer, known.interactions, known.features), each.weight)
            for each in active
            if isinstance(each, Diversity)
        ),
        tuple(
            QuotaRule(groups(each.column, each.separator), each.at_most) for each in active if isinstance(each, Quota)
        ),
        tuple(
            CalibrationRule(calibrated(each), each.weight, known.history)
            for each in active
            if isinstance(each, Calibration)
        ),
    )


def _checked(steps: Any) -> tuple[Step, ...]:
    """Return the steps as a tuple. Raises SettingsError for anything else."""
    given = tuple(steps) if isinstance(steps, Sequence) and not isinstance(steps, str) else (steps,)
    for step in given:
        if not isinstance(step, Step):
            raise SettingsError(
                f"{step!r} is no Diversity, Quota or Calibration", hint="for example rerank=Diversity(0.3)"
            )
    return given


def pool_size(k: int, n_items: int) -> int:
    """The number of best items that lists of k are chosen from."""
    return min(max(POOL, POOL_PER_RANK * k), max(n_items, k))


def rerank(users: NDArray[np.int64], pool: Lists, k: int, rules: ListRules, rank: Ranker) -> Lists:
    """Fill lists of k from the best items of some users, int64 [n]; see `fill_lists`.

    pool: those items and their scores, -1 at the end. Where a quota leaves a list too short, items from beyond the pool
    follow by their scores. rank: more items, by position in `users`.
    """
    items, scores = fill_lists(users, *pool, k, rules)
    size, n_items = pool[0].shape[1], rules.n_items
    short = np.flatnonzero((items[:, -1] < 0) & (pool[0][:, -1] >= 0))
    while len(short) and size < n_items:
        size = min(GROWTH * size, n_items)
        larger = rank(short, size)
        items[short], scores[short] = append_items((items[short], scores[short]), larger, rules)
        short = short[(items[short, -1] < 0) & (larger[0][:, -1] >= 0)]
    return items, scores


def rank_all_by_rules(
    scorer: Scorer,
    users: NDArray[np.int64],
    k: int,
    seen: Interactions | None,
    rules: ListRules | None,
    listener: Listener = ignore_progress,
    stage: str = "ranking",
    candidates: Candidates = ALL_ITEMS,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """Yield (users, items, scores) chunk by chunk as `rank_all` does, with lists that follow the rules, if any."""
    size = k if rules is None else pool_size(k, scorer.n_items)
    for chunk, items, scores in rank_all(scorer, users, size, seen, listener, stage, candidates):
        lists = items, scores
        if rules is not None:
            lists = rerank(chunk, lists, k, rules, partial(_rank_some, scorer, chunk, seen, candidates))
        yield chunk, *lists


def _rank_some(
    scorer: Scorer,
    users: NDArray[np.int64],
    seen: Interactions | None,
    candidates: Candidates,
    positions: NDArray[np.int64],
    k: int,
) -> Lists:
    return top_k(scorer, users[positions], k, seen, candidates)
