"""`triptych models`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from triptych.cli import show


def command(
    names: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Which ones [default: all].")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """List the models: paper, what they need, settings with their ranges, defaults and meanings, what `tune` searches.

    Example:  triptych models bm3 content-ease
    """
    from triptych.models.registry import MODELS, model_class

    listed = {name: _described(model_class(name)) for name in names or MODELS}
    if json:
        show.show_json(listed)
        return
    for name, model in listed.items():
        show.show(f"{name}: {model['about']}")
        if model["paper"]:
            show.show(f"    paper: {model['paper']}")
        show.show(f"    needs: {model['needs']}; {model['kind']}")
        for setting in model["settings"]:
            show.show(f"    {setting['name']} = {setting['default']}  ({setting['kind']})  {setting['meaning']}")
        for setting, values in model["search"].items():
            show.show(f"    tune searches {setting}: {values}")


def _described(model: type[Any]) -> dict[str, Any]:
    from sys import modules

    from triptych.models.model import TrainedModel
    from triptych.settings import Choices, describe

    return {
        "about": (modules[model.__module__].__doc__ or "").splitlines()[0],
        "paper": model.paper or None,
        "needs": "interactions; learns from any number of modalities too" if model.needs_features else "interactions",
        "kind": "trained by gradients" if issubclass(model, TrainedModel) else "solved at once",
        "search": {
            name: ", ".join(map(str, each.values)) if isinstance(each, Choices) else f"{each.low:g}..{each.high:g}"
            for name, each in model.search.items()
        },
        "settings": [asdict(setting) for setting in describe(model.Settings)],
    }
