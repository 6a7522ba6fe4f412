"""The terms of a blend's score: those of its members, weighted and standardised as the blend does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from triptych.explaining.terms import MEAN, Attributor, Contributions
from triptych.ranking.scorer import SimpleScorer, standardised_scores


@dataclass(frozen=True)
class BlendedModel:
    """One model of a blend: its name in texts, its scorer and weight, and its attributor; None for given scores."""

    name: str
    scorer: SimpleScorer
    weight: float
    attribute: Attributor | None


def from_blended_models(models: Sequence[BlendedModel]) -> Attributor:
    """Attribute by each model's own method, then weight and standardise the results as the blend does."""

    def attribute(user: int, items: Sequence[int]) -> list[Contributions]:
        statement = "A weighted sum of models, each standardised over the user's scores."
        total = [Contributions({}, {MEAN: 0.0}, True, statement) for _ in items]
        for model in models:
            if model.attribute is None:
                terms = (model.weight * standardised_scores(model.scorer, np.array([user]))[0, list(items)]).tolist()
                total = [_add_given(each, term, model.name) for each, term in zip(total, terms, strict=True)]
                continue
            scores = model.scorer.score(np.array([user]))[0].double().cpu()
            scale, mean = model.weight / max(float(scores.std(correction=0)), 1e-12), float(scores.mean())
            contributions = model.attribute(user, items)
            total = [_add_model(*pair, scale, mean, model.name) for pair in zip(total, contributions, strict=True)]
        return total

    return attribute


def _add_given(total: Contributions, term: float, name: str) -> Contributions:
    """Add the standardised and weighted score that was given, as a whole: nothing says which items it comes from."""
    statement = f"{total.statement} {name}: given from outside as a whole, so no item of the history is credited."
    return replace(total, rest={**total.rest, name: term}, statement=statement)


def _add_model(total: Contributions, own: Contributions, scale: float, mean: float, name: str) -> Contributions:
    """Add one model of a blend: scale · (its score − mean)."""
    components = {key: scale * values for key, values in own.components.items()}
    for key, values in total.components.items():
        components[key] = values + components[key] if key in components else values
    rest = {**total.rest, **{f"{key} ({name})": scale * value for key, value in own.rest.items()}}
    rest[MEAN] -= scale * mean
    statement = f"{total.statement} {name}: {own.statement[0].lower()}{own.statement[1:]}"
    return Contributions(components, rest, total.exact and own.exact, statement)
