"""Results in one JSON file, complete after every cell, so that an interrupted benchmark can resume."""

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
    """about: options of all cells (share, batch size, threads). cells: name -> result and time of measurement."""

    about: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)

    def cell(self, name: str) -> dict[str, Any] | None:
        """Return the result of a cell, or None if it is not measured, skipped or failed."""
        cell = self.cells.get(name)
        return cell if cell is not None and "failed" not in cell and "skipped" not in cell else None

    def under(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Return the finished cells whose names begin with `prefix`, by the rest of their names."""
        cells = {name.removeprefix(prefix): self.cell(name) for name in self.cells if name.startswith(prefix)}
        return {name: cell for name, cell in cells.items() if cell is not None}

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
    """Return the results in a file; no results if it does not exist."""
    if not path.exists():
        return Results()
    content = json.loads(path.read_text(encoding="utf-8"))
    return Results(content["about"], content["cells"])


def machine_of(results: Results) -> Machine | None:
    """Return the measured machine, if any."""
    cell = results.cell("machine")
    return Machine(**{key: value for key, value in cell.items() if key != "measured"}) if cell else None


def at_full_scale(results: Results) -> bool:
    """Return whether the figures of the research code and the goals hold for this scale."""
    return bool(results.about.get("share") == 1.0 and results.about.get("batch_size") == 2048)


def both_sides(results: Results) -> list[tuple[Case, dict[str, Any] | None, dict[str, Any] | None]]:
    """Return (case, textbook, triptych) of every case with a measured side, once per precision of Triptych."""
    pairs: list[tuple[Case, dict[str, Any] | None, dict[str, Any] | None]] = []
    for case in CASES:
        cells = results.under(f"steps/{case.name}/")
        textbook = cells.pop("textbook", None)
        if textbook is not None and not cells:
            pairs.append((case, textbook, None))
        for name, triptych in cells.items():
            title = case.title + name.removeprefix("triptych").replace(" in ", ", ")
            pairs.append((replace(case, title=title), textbook, triptych))
    return pairs
