"""What an explanation is: plain values, and the words that say them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from triptych.models.decomposition import COLLABORATIVE

WORDS = {
    COLLABORATIVE: "like-minded users",
    "image": "looks",
    "text": "words",
}  # other modalities are called what they are
ALIKE = 0.9  # nearer than this share of items: worth a word where there is room for one
CERTAIN = 0.005  # a share below it is not worth a word


@dataclass(frozen=True)
class Alike:
    """How alike two items are by one modality. nearer_than: the share of the other items that are less alike.

    nearest: k, where neighbours came with the data and one item is among the k nearest of the other; the cosine is then
    theirs. None otherwise.
    """

    cosine: float
    nearer_than: float
    nearest: int | None = None


@dataclass(frozen=True)
class Evidence:
    """What a person can check about an item taken and the one recommended; none of it is the model's word.

    n_both: how many other users took both, in training. both: up to three of them, those who share most with the user.
    alike: by modality, where both items have it. shared: column of the item table -> the values that both have.
    """

    n_both: int
    both: Sequence[str] = ()
    alike: Mapping[str, Alike] = field(default_factory=dict)
    shared: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reason:
    """One item of the user's history: what it adds to the score (less than 0: takes away), and through what."""

    item: str
    title: str
    contribution: float
    through: Mapping[str, float]
    evidence: Evidence | None = None

    def shares(self) -> dict[str, float]:
        """What speaks for the item, in shares of 1, the largest first; what speaks against it is left out."""
        return shares(self.through)


@dataclass(frozen=True)
class Explanation:
    """Why a user has an item: Σ of the reasons' contributions + Σ of the rest = the score, to float tolerance.

    user, item: ids. rank: its place in the user's list, from 1; None if it is not a candidate (taken already).
    reasons: all of the user's training items, the largest contribution first; evidence is there for the first few.
    rest: what no item accounts for, by name. exact: whether an item's contribution is what the model's equations say;
    statement says so in words.
    """

    user: str
    item: str
    title: str
    score: float
    rank: int | None
    model: str
    reasons: Sequence[Reason]
    rest: Mapping[str, float]
    exact: bool
    statement: str

    def through(self) -> dict[str, float]:
        """What the items add together, by what they add it through."""
        total: dict[str, float] = {}
        for reason in self.reasons:
            for name, value in reason.through.items():
                total[name] = total.get(name, 0.0) + value
        return total

    def to_dict(self, k: int | None = None) -> dict[str, Any]:
        """Plain values, for JSON: the first k reasons (None: all), and what the others add together."""
        shown = self.reasons if k is None else self.reasons[:k]
        return {
            "user": self.user,
            "item": self.item,
            "title": self.title,
            "score": self.score,
            "rank": self.rank,
            "model": self.model,
            "exact": self.exact,
            "statement": self.statement,
            "reasons": [_plain(reason) for reason in shown],
            "other_items": sum(reason.contribution for reason in self.reasons[len(shown) :]),
            "rest": dict(self.rest),
        }


def shares(through: Mapping[str, float]) -> dict[str, float]:
    """Positive parts as shares of 1, the largest first; {} where nothing is positive."""
    positive = {name: value for name, value in through.items() if value > 0}
    total = sum(positive.values())
    ordered = sorted(positive, key=lambda name: -positive[name])
    return {name: positive[name] / total for name in ordered if positive[name] / total >= CERTAIN}


def in_words(through: Mapping[str, float]) -> str:
    """As "looks 60 %, like-minded users 40 %", of what speaks for an item; "" where nothing does."""
    return ", ".join(
        f"{WORDS.get(name, name)} {share:.0%}".replace("%", " %") for name, share in shares(through).items()
    )


def evidence_briefly(evidence: Evidence) -> str:
    """How many took both, and the modality by which the two are most alike, if they are."""
    told = [f"{evidence.n_both:,} other{'s' if evidence.n_both != 1 else ''} took both"] if evidence.n_both else []
    name = max(evidence.alike, key=lambda each: evidence.alike[each].nearer_than, default=None)
    if name is not None and evidence.alike[name].nearer_than >= ALIKE:
        told.append(_nearness(name, evidence.alike[name]))
    return "; ".join(told)


def evidence_in_words(evidence: Evidence) -> list[str]:
    """Sentences' parts: who took both, what is alike, what is shared."""
    told = []
    if evidence.n_both:
        named = ", ".join(evidence.both)
        more = f" ({named}{', …' if evidence.n_both > len(evidence.both) else ''})" if named else ""
        told.append(f"{evidence.n_both:,} other {'user' if evidence.n_both == 1 else 'users'} took both{more}")
    if evidence.alike:
        near = (f"{_nearness(name, alike)} (cosine {alike.cosine:.2f})" for name, alike in evidence.alike.items())
        told.append(f"alike: {', '.join(near)}")
    if evidence.shared:
        common = (f"{column} {', '.join(values)}" for column, values in evidence.shared.items())
        told.append(f"in common: {'; '.join(common)}")
    return told


def _nearness(name: str, alike: Alike) -> str:
    word = WORDS.get(name, name)
    if alike.nearest is not None:
        return f"{word} among the {alike.nearest} nearest"
    return f"{word} nearer than {_percent(alike.nearer_than)} of items"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share < 0.99 else f"{min(100 * share, 99.9):.1f} %"


def _plain(reason: Reason) -> dict[str, Any]:
    evidence = reason.evidence
    return {
        "item": reason.item,
        "title": reason.title,
        "contribution": reason.contribution,
        "through": dict(reason.through),
        "evidence": None
        if evidence is None
        else {
            "n_both": evidence.n_both,
            "both": list(evidence.both),
            "alike": {m: asdict(alike) for m, alike in evidence.alike.items()},
            "shared": {column: list(values) for column, values in evidence.shared.items()},
        },
    }
