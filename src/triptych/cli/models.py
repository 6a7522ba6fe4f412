"""`triptych models`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from triptych.cli.options import Json
from triptych.cli.printing import print_error, print_json, print_result


def command(
    names: Annotated[list[str] | None, typer.Argument(metavar="MODEL", help="Models to list [default: all].")] = None,
    json: Json = False,
) -> None:
    """List the models with papers and settings.

    For each model: its paper, the data it needs, its settings with ranges, defaults and meanings, and the values that
    `tune` searches. Models that other installed packages register are listed too (docs/your-own.md).

    Example:
        triptych models bm3 content-ease
    """
    from triptych.models.registry import all_models, model_class

    if names:
        kinds = {name: model_class(name) for name in names}
    else:
        kinds, errors = all_models()
        for error in errors:
            print_error(error, "warning: ")
    models = {name: _describe_model(name, kind) for name, kind in kinds.items()}
    if json:
        print_json(models)
        return
    for name, model in models.items():
        print_result(f"{name}: {model['about']}")
        if model["paper"]:
            print_result(f"    paper: {model['paper']}")
        users = "; uses features of users" if model["uses_user_features"] else ""
        print_result(f"    needs: {model['needs']}{users}; {model['kind']}")
        if "class" in model:
            print_result(f"    from another package: {model['class']}")
        for setting in model["settings"]:
            print_result(f"    {setting['name']} = {setting['default']}  ({setting['kind']})  {setting['meaning']}")
        for setting, values in model["search"].items():
            print_result(f"    tune searches {setting}: {values}")


def _describe_model(name: str, model: Any) -> dict[str, Any]:
    from triptych.models.model import TrainedModel
    from triptych.models.registry import CLASS, description_of
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
        **{key: value for key, value in description_of(name, model).items() if key == CLASS},
    }
