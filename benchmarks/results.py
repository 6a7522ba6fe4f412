"""What was measured so far: one JSON file, whole after every finished cell, so that an interrupted bench goes on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES, Case
from benchmarks.machine import Machine

DEFAULT = Path(__file__).with_name("results.json")


@dataclass
class Results:
    """about: what all cells have in common (share, batch size, threads). cells: name -> what came out, and when."""

    about: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)

    def cell(self, name: str) -> dict[str, Any] | None:
        """What came out, or None where nothing did: not measured, skipped, failed."""
        found = self.cells.get(name)
        return found if found is not None and "failed" not in found and "skipped" not in found else None

    def under(self, prefix: str) -> dict[str, dict[str, Any]]:
        """The finished cells whose names begin so, by the rest of their names."""
        found = {name.removeprefix(prefix): self.cell(name) for name in self.cells if name.startswith(prefix)}
        return {name: cell for name, cell in found.items() if cell is not None}

    def record(self, name: str, outcome: Mapping[str, Any], path: Path) -> None:
        """Add a cell and write the file."""
        self.cells[name] = {**outcome, "measured": time.strftime("%Y-%m-%dT%H:%M:%S")}
        self.save(path)

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.writing-{os.getpid()}")
        temporary.write_text(json.dumps({"about": self.about, "cells": self.cells}, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)


def read_results(path: Path = DEFAULT) -> Results:
    """The file's results; empty where there is none."""
    if not path.exists():
        return Results()
    told = json.loads(path.read_text(encoding="utf-8"))
    return Results(told["about"], told["cells"])


def machine_of(results: Results) -> Machine | None:
    """The machine that was measured."""
    cell = results.cell("machine")
    return Machine(**{key: value for key, value in cell.items() if key != "measured"}) if cell else None


def at_full_scale(results: Results) -> bool:
    """Whether the research code's figures and our goals are of this scale."""
    return bool(results.about.get("share") == 1.0 and results.about.get("batch_size") == 2048)


def both_sides(results: Results) -> list[tuple[Case, dict[str, Any] | None, dict[str, Any] | None]]:
    """(case, textbook, ours) of every case that has a side measured, once for every precision of ours."""
    found: list[tuple[Case, dict[str, Any] | None, dict[str, Any] | None]] = []
    for case in CASES:
        cells = results.under(f"steps/{case.name}/")
        textbook = cells.pop("textbook", None)
        if textbook is not None and not cells:
            found.append((case, textbook, None))
        for name, ours in cells.items():
            title = case.title + name.removeprefix("ours").replace(" in ", ", ")
            found.append((replace(case, title=title), textbook, ours))
    return found
