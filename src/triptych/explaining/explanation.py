"""Explanations as plain values, and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from triptych.display import displayed
from triptych.explaining.cards import card_of_explanation
from triptych.models.decomposition import COLLABORATIVE

DISPLAY_NAMES = {COLLABORATIVE: "like-minded users"}  # other components are shown by their own name
NOTABLE = 0.9  # a summary mentions a similarity that is above those of at least this share of items
SMALLEST_SHARE = 0.005  # smaller shares are not shown


@dataclass(frozen=True)
class Similarity:
    """The similarity of two items in one modality.

    share_less_similar: the share of the other items that are less similar to the recommended item.
    among_k_nearest: k, if the data set came with neighbours and one of the items is among the k nearest of the other.
    The cosine is then the one that came with them. None otherwise.
    """

    cosine: float
    share_less_similar: float
    among_k_nearest: int | None = None


@dataclass(frozen=True)
class Evidence:
    """Facts from the data about an item of the history and the recommended item. They do not come from the model.

    n_shared_users: the number of other users with training interactions with both items. shared_users: the ids of up to
    three of them, those with most items in common with the user. similarity: per modality that both items have.
    shared_values: column of the item table -> the values that both items have.
    """

    n_shared_users: int
    shared_users: Sequence[str] = ()
    similarity: Mapping[str, Similarity] = field(default_factory=dict)
    shared_values: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reason:
    """One item of the user's history and its contribution to the score, which may be negative.

    components: the contribution by component, see `triptych.models.decomposition`; they add up to it.
    """

    item: str
    title: str
    contribution: float
    components: Mapping[str, float]
    evidence: Evidence | None = None

    def shares(self) -> dict[str, float]:
        """The positive components as shares of their sum, the largest first."""
        return positive_shares(self.components)


@displayed(card_of_explanation)
@dataclass(frozen=True)
class Explanation:
    """Why an item is recommended: Σ contributions of the reasons + Σ rest = score, to float tolerance.

    user, item: ids. rank: the rank among the user's candidates, from 1; None if the user already has the item.
    reasons: all of the user's training items, the largest contribution first. The first few of them have evidence.
    rest: the terms of the score that do not come from an item, by name.
    exact: whether the contributions follow from the model's equations; statement: the same as text, with conditions.
    picture_files: the pictures of the item and of the reasons with evidence, by item id, if they are known.
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
    picture_files: Mapping[str, Path] = field(default_factory=dict)

    def total_components(self) -> dict[str, float]:
        """The sum of all contributions, by component."""
        total: dict[str, float] = {}
        for reason in self.reasons:
            for name, value in reason.components.items():
                total[name] = total.get(name, 0.0) + value
        return total

    def to_dict(self, k: int | None = None) -> dict[str, Any]:
        """Plain values, for JSON: the first k reasons (None: all), and the sum of the other contributions."""
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
            "reasons": [_reason_to_dict(reason) for reason in shown],
            "other_contributions": sum(reason.contribution for reason in self.reasons[len(shown) :]),
            "rest": dict(self.rest),
        }


def positive_shares(components: Mapping[str, float]) -> dict[str, float]:
    """The positive components as shares of their sum, the largest first; {} if none is positive."""
    positive = {name: value for name, value in components.items() if value > 0}
    total = sum(positive.values())
    ordered = sorted(positive, key=lambda name: -positive[name])
    return {name: positive[name] / total for name in ordered if positive[name] / total >= SMALLEST_SHARE}


def components_text(components: Mapping[str, float]) -> str:
    """The positive shares as text, for example "image 60 %, like-minded users 40 %"; "" if none is positive."""
    return ", ".join(f"{display_name(name)} {100 * share:.0f} %" for name, share in positive_shares(components).items())


def display_name(component: str) -> str:
    """The name of a component in text."""
    return DISPLAY_NAMES.get(component, component)


def evidence_summary(evidence: Evidence) -> str:
    """One line: the number of shared users, and the modality with the highest similarity if it is notable."""
    facts = [_users_text(evidence.n_shared_users)] if evidence.n_shared_users else []
    name = max(evidence.similarity, key=lambda each: evidence.similarity[each].share_less_similar, default=None)
    if name is not None and evidence.similarity[name].share_less_similar >= NOTABLE:
        facts.append(_similarity_text(name, evidence.similarity[name]))
    return "; ".join(facts)


def evidence_lines(evidence: Evidence) -> list[str]:
    """One line each for shared users, similarity and shared values, where there are any."""
    lines = []
    if evidence.n_shared_users:
        ids = ", ".join(evidence.shared_users)
        more = ", …" if evidence.n_shared_users > len(evidence.shared_users) else ""
        lines.append(_users_text(evidence.n_shared_users) + (f" ({ids}{more})" if ids else ""))
    if evidence.similarity:
        texts = (
            f"{_similarity_text(name, each)} (cosine {each.cosine:.2f})" for name, each in evidence.similarity.items()
        )
        lines.append(f"similarity: {', '.join(texts)}")
    if evidence.shared_values:
        columns = (f"{column} {', '.join(values)}" for column, values in evidence.shared_values.items())
        lines.append(f"in common: {'; '.join(columns)}")
    return lines


def _users_text(n: int) -> str:
    return "1 other user has both" if n == 1 else f"{n:,} other users have both"


def _similarity_text(modality: str, similarity: Similarity) -> str:
    if similarity.among_k_nearest is not None:
        return f"{modality} among the {similarity.among_k_nearest} nearest"
    return f"{modality} closer than {_percent(similarity.share_less_similar)} of items"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share < 0.99 else f"{min(100 * share, 99.9):.1f} %"


def _reason_to_dict(reason: Reason) -> dict[str, Any]:
    evidence = reason.evidence
    return {
        "item": reason.item,
        "title": reason.title,
        "contribution": reason.contribution,
        "components": dict(reason.components),
        "evidence": None
        if evidence is None
        else {
            "n_shared_users": evidence.n_shared_users,
            "shared_users": list(evidence.shared_users),
            "similarity": {name: asdict(each) for name, each in evidence.similarity.items()},
            "shared_values": {column: list(values) for column, values in evidence.shared_values.items()},
        },
    }
