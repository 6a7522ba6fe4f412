"""`triptych models`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from triptych.cli.options import Json
from triptych.cli.printing import print_json, print_result


def command(
    names: Annotated[list[str] | None, typer.Argument(metavar="MODEL", help="Models to list [default: all].")] = None,
    json: Json = False,
) -> None:
    """List the models with papers and settings.

    For each model: its paper, the data it needs, its settings with ranges, defaults and meanings, and the values that
    `tune` searches.

    Example:
        triptych models bm3 content-ease
    """
    from triptych.models.registry import MODELS, model_class

    models = {name: _describe_model(model_class(name)) for name in names or MODELS}
    if json:
        print_json(models)
        return
    for name, model in models.items():
        print_result(f"{name}: {model['about']}")
        if model["paper"]:
            print_result(f"    paper: {model['paper']}")
        users = "; uses features of users" if model["uses_user_features"] else ""
        print_result(f"    needs: {model['needs']}{users}; {model['kind']}")
        for setting in model["settings"]:
            print_result(f"    {setting['name']} = {setting['default']}  ({setting['kind']})  {setting['meaning']}")
        for setting, values in model["search"].items():
            print_result(f"    tune searches {setting}: {values}")


def _describe_model(model: type[Any]) -> dict[str, Any]:
    from triptych.models.model import TrainedModel
    from triptych.settings import Choices, describe

    return {
        "about": (model.__doc__ or "").partition("\n")[0],
        "paper": model.paper or None,
        "needs": "interactions, and any number of modalities" if model.needs_features else "interactions",
        "uses_user_features": model.uses_user_features,
        "kind": "trained by gradient descent" if issubclass(model, TrainedModel) else "closed form",
        "search": {
            name: ", ".join(map(str, each.values)) if isinstance(each, Choices) else f"{each.low:g}..{each.high:g}"
            for name, each in model.search.items()
        },
        "settings": [asdict(setting) for setting in describe(model.Settings)],
    }
