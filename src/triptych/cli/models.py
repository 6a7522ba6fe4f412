"""`triptych models`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.cli.options import Json
from triptych.cli.printing import print_error, print_json, print_result

if TYPE_CHECKING:
    from triptych.models.catalogue import ModelInfo


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
    from triptych.models.catalogue import model_info
    from triptych.models.registry import all_models, model_class

    if names:
        kinds = {name: model_class(name) for name in names}
    else:
        kinds, errors = all_models()
        for error in errors:
            print_error(error, "warning: ")
    models = [model_info(name, kind) for name, kind in kinds.items()]
    if json:
        print_json({model.name: _as_json(model) for model in models})
        return
    for model in models:
        print_result(f"{model.name}: {model.summary}")
        if model.paper:
            print_result(f"    paper: {model.paper}")
        users = "; uses features of users" if model.uses_user_features else ""
        print_result(f"    needs: {model.learns_from}{users}; {model.kind}")
        if model.defined_in:
            print_result(f"    from another package: {model.defined_in}")
        for setting in model.settings:
            print_result(f"    {setting.name} = {setting.default}  ({setting.kind})  {setting.meaning}")
        for name, values in model.search.items():
            print_result(f"    tune searches {name}: {values}")


def _as_json(model: ModelInfo) -> dict[str, Any]:
    return {
        "about": model.summary,
        "paper": model.paper or None,
        "needs": model.learns_from,
        "uses_user_features": model.uses_user_features,
        "kind": model.kind,
        "search": dict(model.search),
        "settings": [asdict(setting) for setting in model.settings],
        **({"class": model.defined_in} if model.defined_in else {}),
    }
