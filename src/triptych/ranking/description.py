"""The description of a stored model: what it must say, and how earlier versions said it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from triptych.data.split import FIT_ON, FitOn
from triptych.data.stored import require


def check_description(about: Mapping[str, Any], n_models: int = 0) -> None:
    """Raise ValueError unless the description of a model that says its name is whole. n_models: of a blend, else 0."""
    if "model" not in about:  # a scorer of the user's own
        return
    kinds = {"model": str, "models": list} if n_models else {"model": str, "settings": dict, "modalities": dict}
    require(about.get("seen", "keep") == "keep", '"seen" is unknown')
    require(about.get(FIT_ON, "train") in get_args(FitOn), f'"{FIT_ON}" is unknown')
    require(isinstance(about.get("user_modalities", {}), dict), '"user_modalities" is of the wrong kind')
    for name, kind in kinds.items():
        require(isinstance(about.get(name), kind), f'"{name}" is missing or of the wrong kind')
    if n_models:
        require(len(about["models"]) == n_models, f"{len(about['models'])} descriptions of {n_models} models")
        for each in about["models"]:
            require(isinstance(each, dict), "the description of a model is of the wrong kind")
            check_description(each)


def description_of_format_1(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description by today's names; format 1 called a blend's models and candidates otherwise."""
    names = {"of": "models", "tried": "candidates", "weights chosen": "weights_chosen"}
    return {names.get(name, name): value for name, value in about.items()}
