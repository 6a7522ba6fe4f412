"""MODELS: model name -> class. A new model of ours is a file and one line here; see CONTRIBUTING.md.

Classes from outside the package are given to `fit`, or found by name among the plug-ins; see docs/your-own.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from triptych.errors import InputError, SettingsError, did_you_mean
from triptych.models.bm3 import BM3
from triptych.models.bpr import BPR
from triptych.models.content_ease import ContentEASE
from triptych.models.ease import EASE
from triptych.models.freedom import FREEDOM
from triptych.models.grcn import GRCN
from triptych.models.item_knn import ItemKNN
from triptych.models.lightgcn import LightGCN
from triptych.models.mmgcn import MMGCN
from triptych.models.popularity import Popularity
from triptych.models.random_order import RandomOrder
from triptych.models.requirements import ModelClass, check_model_class
from triptych.models.vbpr import VBPR
from triptych.plugins import Plugin, find_plugins
from triptych.ranking.given_scores import GIVEN

CLASS = "class"  # in the description of a model from outside: where its class is defined

MODELS: dict[str, ModelClass] = {
    "bm3": BM3,
    "grcn": GRCN,
    "mmgcn": MMGCN,
    "freedom": FREEDOM,
    "vbpr": VBPR,
    "lightgcn": LightGCN,
    "bpr": BPR,
    "content-ease": ContentEASE,
    "ease": EASE,
    "item-knn": ItemKNN,
    "popularity": Popularity,
    "random": RandomOrder,
}


def model_class(name: str) -> ModelClass:
    """Return the class of a model, one of ours or a plug-in. Raises SettingsError, with a suggestion, if unknown."""
    if name in MODELS:
        return MODELS[name]
    plugins = find_plugins("model", MODELS)
    plugin = plugins.get(name)
    if plugin is None:
        raise SettingsError(f'unknown model "{name}"', hint=did_you_mean(name, [*MODELS, *plugins.usable]))
    return _load(plugin)


def all_models() -> tuple[dict[str, ModelClass], list[SettingsError]]:
    """Return all models by name, ours first, and what is wrong with plug-ins that cannot be used."""
    plugins = find_plugins("model", MODELS)
    models, errors = dict(MODELS), list(plugins.refused.values())
    for name, plugin in plugins.usable.items():
        try:
            models[name] = _load(plugin)
        except SettingsError as error:
            errors.append(error)
    return models, errors


def named_class(model: str | ModelClass) -> tuple[str, ModelClass]:
    """Return the name and the class of a model that is given by one of the two. Raises SettingsError.

    The name of a class is the one that it is registered by, else that of the class itself.
    """
    if isinstance(model, str):
        return model, model_class(model)
    kind = check_model_class(model)
    ours = next((name for name, each in MODELS.items() if each is kind), None)
    if ours is not None:
        return ours, kind
    registered = find_plugins("model", MODELS).usable.values()
    name = next((plugin.name for plugin in registered if plugin.reference == reference(kind)), kind.__name__)
    if name in MODELS:
        raise SettingsError(f'the model class {reference(kind)} has the name of our model "{name}"', hint="rename it")
    return name, kind


def reference(kind: ModelClass) -> str:
    """Return where a class is defined: `module:name`."""
    return f"{kind.__module__}:{kind.__qualname__}"


def description_of(name: str, kind: ModelClass) -> dict[str, str]:
    """Return what a recommender's `about` says of its model: the name, and where a class from outside is defined."""
    return {"model": name} if MODELS.get(name) is kind else {"model": name, CLASS: reference(kind)}


def class_of(about: Mapping[str, Any]) -> ModelClass:
    """Return the class of a fitted model from its description.

    A class from outside must be imported already, or be registered by an installed package: a stored model never
    decides which code is imported. Raises InputError if it is neither.
    """
    name, where = str(about["model"]), about.get(CLASS)
    if name == GIVEN:
        raise InputError("scores that were given from outside have no model", hint="name the run of a model")
    if where is None:
        return model_class(name)
    kind = _imported(str(where))
    plugins = {} if kind is not None else find_plugins("model", MODELS).usable
    for plugin in plugins.values():
        if plugin.reference == where or plugin.name == name:
            kind = _load(plugin)
    if kind is None:
        raise InputError(
            f'the class of model "{name}" is not known here: {where}',
            hint=f"import the module {str(where).partition(':')[0]} before, or install the package that registers "
            f'"{name}" as an entry point. Without it the model ranks, but nothing else',
        )
    return kind


def _imported(where: str) -> ModelClass | None:
    """Return a class of an imported module by its reference; None if there is none."""
    module, _, name = where.partition(":")
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return check_model_class(found) if isinstance(found, type) else None


def _load(plugin: Plugin) -> ModelClass:
    kind = plugin.load()
    try:
        return check_model_class(kind)
    except SettingsError as error:
        raise plugin.error(f"cannot be used: {error.what}", error.hint or "") from None
