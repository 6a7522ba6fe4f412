"""MODELS: name -> class. A new model is a file, its test and one line here."""

from __future__ import annotations

from triptych.errors import SettingsError, did_you_mean
from triptych.models.bm3 import BM3
from triptych.models.lightgcn import LightGCN
from triptych.models.model import LearntModel, SolvedModel
from triptych.models.popularity import Popularity

MODELS: dict[str, type[LearntModel] | type[SolvedModel]] = {
    "bm3": BM3,
    "lightgcn": LightGCN,
    "popularity": Popularity,
}


def model_class(name: str) -> type[LearntModel] | type[SolvedModel]:
    """The class of a model. Raises SettingsError, with a suggestion, on an unknown name."""
    if name not in MODELS:
        raise SettingsError(f'unknown model "{name}"', mend=did_you_mean(name, MODELS))
    return MODELS[name]
