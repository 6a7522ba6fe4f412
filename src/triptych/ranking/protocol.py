"""Evaluation protocols: what is measured on, which items are ranked and which left out, and which users count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Doc

from triptych.data.interactions import Interactions
from triptych.data.split import Split
from triptych.errors import SettingsError
from triptych.ranking.candidates import ALL_ITEMS, Candidates
from triptych.ranking.scorer import RestrictedScorer, Scorer
from triptych.settings import checked

HeldOut = Literal["validation", "test"]
Exclude = Literal["train", "train+validation"]
Items = Literal["all", "warm", "cold"]
SeenItems = Literal["auto", "drop", "keep"]
Users = Literal["all", "warm", "cold"]


@dataclass(frozen=True)
@checked
class EvaluationProtocol:
    """How a recommender is evaluated. Raises SettingsError for an unknown value, or a combination without meaning."""

    split: Annotated[HeldOut, Doc("held-out interactions to measure on: validation or test")] = "test"
    exclude: Annotated[
        Exclude, Doc("a user's items that are left out of the ranking: train, as most papers do, or train+validation")
    ] = "train"
    items: Annotated[
        Items, Doc("items that are ranked and count: all, warm (with training interactions) or cold (without)")
    ] = "all"

    seen: Annotated[
        SeenItems,
        Doc(
            "excluded items: drop (neither ranked nor relevant), keep (nothing is left out, because people buy again), "
            "or auto: as the data set was prepared"
        ),
    ] = "auto"
    users: Annotated[
        Users, Doc("users that are measured: all, warm (with training interactions) or cold (without)")
    ] = "all"

    def __post_init__(self) -> None:
        if self.seen == "keep" and self.exclude != "train":
            raise SettingsError("seen items are kept and excluded", hint="leave exclude out, or drop seen items")
        if self.split == "validation" and self.exclude == "train+validation":
            raise SettingsError(
                "validation items cannot be measured on and excluded", hint="exclude train, or measure on test"
            )

    @property
    def excluded(self) -> str:
        """The items left out of the ranking, as text, if `seen` is not auto."""
        text = "training items" if self.exclude == "train" else "training and validation items"
        text = "nothing (people buy again)" if self.seen == "keep" else text
        return f"{text}, and all items with training interactions" if self.items == "cold" else text


@dataclass(frozen=True)
class EvaluationTask:
    """A protocol applied to a scorer and a split.

    relevant: what should be found, all of it among the candidates. seen: left out per user, or None.
    """

    scorer: Scorer
    relevant: Interactions
    seen: Interactions | None
    excluded: str
    candidates: Candidates = ALL_ITEMS


@dataclass(frozen=True)
class MeasuredPairs:
    """A protocol applied to a split.

    relevant: what should be found, all of it among the candidates. seen: left out per user, or None. ranked: bool
    [n_items], the items that are ranked by the protocol, or None for all.
    """

    relevant: Interactions
    seen: Interactions | None
    ranked: NDArray[np.bool_] | None
    excluded: str


def measured_pairs(split: Split, protocol: EvaluationProtocol, candidates: Candidates = ALL_ITEMS) -> MeasuredPairs:
    """Apply a protocol: choose the relevant and the seen interactions, and the ranked items.

    candidates: further limits to the items that are ranked and count.
    Raises SettingsError if items are to be excluded from data that keep seen items.
    """
    if protocol.seen == "auto":
        protocol = replace(protocol, seen="keep" if split.train.keeps_seen else "drop")
    relevant = split.test if protocol.split == "test" else split.validation
    seen: Interactions | None = None
    ranked: NDArray[np.bool_] | None = None
    if protocol.seen == "drop":
        seen = split.train.interactions
        if protocol.exclude == "train+validation":
            seen = seen.union(split.validation)
        relevant = relevant.select(~seen.contain(relevant.users, relevant.items))
    if protocol.items != "all":
        ranked = (split.train.interactions.item_degrees == 0) == (protocol.items == "cold")
        relevant = relevant.select(ranked[relevant.items])
    if protocol.users != "all":
        measured = (split.train.interactions.user_degrees == 0) == (protocol.users == "cold")
        relevant = relevant.select(measured[relevant.users])
    relevant = relevant.select(candidates.contain(relevant.users, relevant.items))
    return MeasuredPairs(relevant, seen, ranked, protocol.excluded)


def evaluation_task(
    scorer: Scorer, split: Split, protocol: EvaluationProtocol, candidates: Candidates = ALL_ITEMS
) -> EvaluationTask:
    """Apply a protocol to a scorer: see `measured_pairs`; the scorer is restricted to the ranked items."""
    pairs = measured_pairs(split, protocol, candidates)
    scorer = scorer if pairs.ranked is None else RestrictedScorer(scorer, pairs.ranked)
    return EvaluationTask(scorer, pairs.relevant, pairs.seen, pairs.excluded, candidates)
