"""The models as a list for people: what each is, where it was published, what it learns from and its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triptych.display import Card, displayed
from triptych.errors import warn_of
from triptych.models.model import TrainedModel
from triptych.models.registry import CLASS, all_models, description_of
from triptych.models.requirements import ModelClass
from triptych.settings import Choices, Setting, describe


def _card(model: ModelInfo) -> Card:
    users = "; uses features of users" if model.uses_user_features else ""
    facts = [
        ("paper", model.paper),
        ("learns from", f"{model.learns_from}{users}; {model.kind}"),
        ("class", model.defined_in),
        ("settings", ", ".join(f"{each.name}={each.default}" for each in model.settings)),
    ]
    return Card(f"{model.name}: {model.summary}", [fact for fact in facts if fact[1]])


@displayed(_card)
@dataclass(frozen=True)
class ModelInfo:
    """A model: what `triptych models` prints.

    summary: one line. paper: its citation, or "". learns_from: the data that it needs. kind: "trained by gradient
    descent" or "closed form". settings: each with kind, default and meaning. search: setting -> the values that a
    search tries, as text. defined_in: the class of a model from another package, as `module:name`; "" for ours.
    """

    name: str
    summary: str
    paper: str
    learns_from: str
    kind: str
    uses_user_features: bool
    settings: Sequence[Setting]
    search: Mapping[str, str]
    defined_in: str = ""


def list_models() -> list[ModelInfo]:
    """List all models that `fit` knows by name: ours, and those of other packages that are registered.

    Warns of registered ones that cannot be used.
    """
    models, errors = all_models()
    warn_of(map(str, errors), UserWarning)
    return [model_info(name, kind) for name, kind in models.items()]


def model_info(name: str, model: ModelClass) -> ModelInfo:
    """Describe the class of a model."""
    return ModelInfo(
        name=name,
        summary=(model.__doc__ or "").partition("\n")[0],
        paper=model.paper,
        learns_from="interactions, and any number of modalities" if model.needs_features else "interactions",
        kind="trained by gradient descent" if issubclass(model, TrainedModel) else "closed form",
        uses_user_features=model.uses_user_features,
        settings=describe(model.Settings),
        search={
            name: ", ".join(map(str, each.values)) if isinstance(each, Choices) else f"{each.low:g}..{each.high:g}"
            for name, each in model.search.items()
        },
        defined_in=description_of(name, model).get(CLASS, ""),
    )
