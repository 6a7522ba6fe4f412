"""Because you took this, you may like that: what a list says to a person."""

from __future__ import annotations

from dataclasses import dataclass

from triptych.explaining.explainer import Explainer
from triptych.explaining.explanation import evidence_briefly, in_words


@dataclass(frozen=True)
class Reason:
    """One recommended item, the item of the user's own that adds most to its score, through what, and the evidence."""

    taken: str
    recommended: str
    through: str
    evidence: str


def reasons(explainer: Explainer, user_id: str, k: int = 3) -> list[Reason]:
    """The user's best k items, each with its largest reason. Raises UnknownIdError."""
    made = []
    for told in explainer.explain(user_id, k=k, n_evidence=1):
        for reason in told.reasons[:1]:
            evidence = evidence_briefly(reason.evidence) if reason.evidence is not None else ""
            made.append(Reason(reason.title, told.title, in_words(reason.through), evidence))
    return made
