"""The main reason for each item of a user's list."""

from __future__ import annotations

from dataclasses import dataclass

from triptych.explaining.explainer import Explainer
from triptych.explaining.explanation import components_text, evidence_summary


@dataclass(frozen=True)
class TopReason:
    """A recommended item and the item of the user's history that adds most to its score, both by title.

    components: what the contribution consists of. evidence: facts about the two items, "" if there are none.
    """

    recommended: str
    because_of: str
    components: str
    evidence: str


def top_reasons(explainer: Explainer, user_id: str, k: int = 3) -> list[TopReason]:
    """Return the user's best k items, each with its largest reason. Raises UnknownIdError."""
    found = []
    for explanation in explainer.explain(user_id, k=k, n_evidence=1):
        for reason in explanation.reasons[:1]:
            evidence = evidence_summary(reason.evidence) if reason.evidence is not None else ""
            found.append(TopReason(explanation.title, reason.title, components_text(reason.components), evidence))
    return found
