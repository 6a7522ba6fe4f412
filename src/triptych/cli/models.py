"""`triptych models`."""

from __future__ import annotations

from typing import Annotated

import typer

from triptych.cli import show


def command(json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False) -> None:
    """List the models: paper, what they need, settings with their ranges, defaults and meanings."""
    from sys import modules

    from triptych.models.model import LearntModel
    from triptych.models.registry import MODELS
    from triptych.settings import describe

    listed = {
        name: {
            "about": (modules[kind.__module__].__doc__ or "").splitlines()[0],
            "needs": "interactions, and features if there are any" if kind.needs_features else "interactions",
            "kind": "trained by gradients" if issubclass(kind, LearntModel) else "solved at once",
            "settings": [
                {"name": s.name, "kind": s.kind, "default": s.default, "meaning": s.meaning}
                for s in describe(kind.Settings)
            ],
        }
        for name, kind in MODELS.items()
    }
    if json:
        show.show_json(listed)
        return
    for name, model in listed.items():
        show.show(f"{name}: {model['about']}")
        show.show(f"    needs {model['needs']}; {model['kind']}")
        for setting in model["settings"]:
            assert isinstance(setting, dict)
            show.show(f"    {setting['name']} = {setting['default']}  ({setting['kind']})  {setting['meaning']}")
