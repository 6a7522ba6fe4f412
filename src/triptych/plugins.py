"""Plug-ins: what other installed packages register by an entry point, found by name and loaded when it is used.

[project.entry-points."triptych.models"]        # in the pyproject.toml of the other package
mine = "their_package.module:Mine"
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from triptych.errors import SettingsError

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")  # a name is also a part of file names, and metrics are written in lower case
HINT = "correct it, update it or uninstall it"


@dataclass(frozen=True)
class Plugin:
    """A registered object that is not loaded yet. kind: "model" or "metric". package: who registers it, for errors."""

    kind: str
    name: str
    package: str
    entry: EntryPoint

    @property
    def reference(self) -> str:
        """Where the object is: `module:name`."""
        return self.entry.value.partition("[")[0].replace(" ", "")

    def load(self) -> Any:
        """Import the object. Raises SettingsError that names the package if its code cannot be imported."""
        try:
            return self.entry.load()
        except Exception as error:  # code of other people: anything can be wrong with it
            raise self.error(f"cannot be imported: {type(error).__name__}: {error}") from error

    def error(self, what: str, hint: str = HINT) -> SettingsError:
        """Return an error about this plug-in."""
        return SettingsError(f'{self.kind} "{self.name}" of the package {self.package} {what}', hint=hint)


@dataclass(frozen=True)
class Plugins:
    """The plug-ins of a group by name. refused: name -> why a plug-in of this name cannot be used."""

    usable: dict[str, Plugin]
    refused: dict[str, SettingsError]

    def get(self, name: str) -> Plugin | None:
        """Return the plug-in of a name, None if there is none. Raises SettingsError if it is refused."""
        if name in self.refused:
            raise self.refused[name]
        return self.usable.get(name)


def find_plugins(kind: str, reserved: Collection[str]) -> Plugins:
    """Find the plug-ins of group `triptych.models` or `triptych.metrics`; none of them is imported.

    kind: "model" or "metric". reserved: names of this package, which a plug-in cannot have.
    """
    found: dict[str, list[Plugin]] = {}
    for entry in sorted(entry_points(group=f"triptych.{kind}s"), key=lambda entry: entry.name):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "that has no name"
        found.setdefault(entry.name, []).append(Plugin(kind, entry.name, package, entry))
    usable, refused = {}, {}
    for name, plugins in found.items():
        first, others = plugins[0], sorted({each.package for each in plugins[1:]} - {plugins[0].package})
        if name in reserved:
            refused[name] = first.error("has the name of one of ours, so it is not used", "give it another name")
        elif not NAME.fullmatch(name):
            refused[name] = first.error("has a name that cannot be used", "use a-z, 0-9, - and _, for example my-model")
        elif others:
            refused[name] = first.error(f"is also registered by {', '.join(others)}", "uninstall one of them")
        else:
            usable[name] = first
    return Plugins(usable, refused)
