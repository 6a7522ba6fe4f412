"""A comparison as a file: comparison.json, with all rows, how they were evaluated, and where runs and data sets are."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from triptych.artefacts import checked_content, read_json, write_json
from triptych.data.dataset import open_dataset
from triptych.errors import ArtefactError, location
from triptych.ranking.item_vectors import MODEL
from triptych.ranking.protocol import EvaluationProtocol, Exclude, HeldOut, Items, SeenItems, Users
from triptych.settings import parse
from triptych.studies.experiment import RENAMED, Experiment
from triptych.studies.rows import Row

FILE, FORMAT = "comparison.json", 2  # files of format 1 are still read


@dataclass(frozen=True)
class Comparison:
    """The rows of a comparison and how they were evaluated. folders: data set name -> its folder.

    similarity: what items were compared by for the trade-off of diversity, if there is one.
    """

    rows: Sequence[Row]
    split: HeldOut
    exclude: Exclude
    modalities: str | None
    seeds: Sequence[int]
    items: Items = "all"
    folders: Mapping[str, str] = field(default_factory=dict)
    users: Users = "all"
    seen: SeenItems = "auto"
    similarity: str = MODEL

    @property
    def protocol(self) -> EvaluationProtocol:
        """How all rows were evaluated."""
        return EvaluationProtocol(self.split, self.exclude, self.items, self.seen, self.users)


def rows_to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain values."""
    tables = [{**asdict(row), "runs": [str(run) for run in row.runs]} for row in rows]
    return [{name: row[name] for name in row if name != "trade_off" or row[name]} for row in tables]


def write_comparison(rows: Sequence[Row], experiment: Experiment, folder: Path) -> None:
    """Write comparison.json, completely or not at all. Run folders are written relative to `folder`."""
    table = {
        "format": FORMAT,
        "split": experiment.split,
        "exclude": experiment.exclude,
        "items": experiment.items,
        "users": experiment.users,
        "seen": _seen(experiment),
        "modalities": experiment.modalities,
        "folders": {name: str(Path(source.folder).resolve()) for name, source in experiment.data.items()},
        "seeds": list(experiment.seeds),
        **({"similarity": experiment.similarity} if experiment.diversity else {}),
        "rows": [{**row, "runs": [os.path.relpath(run, folder) for run in row["runs"]]} for row in rows_to_json(rows)],
    }
    write_json(folder / FILE, table)


def _seen(experiment: Experiment) -> SeenItems:
    """Return how seen items were treated: "keep" too if all data sets were prepared so."""
    folders = [Path(source.folder) for source in experiment.data.values()]
    if experiment.seen == "auto" and all(each.is_dir() and open_dataset(each).keeps_seen for each in folders):
        return "keep"
    return experiment.seen


def read_comparison(folder: Path) -> Comparison:
    """Read the comparison in a folder. Raises ArtefactError if it is missing, damaged or of a newer format."""
    path = folder / FILE
    if not path.is_file():
        raise ArtefactError(
            "holds no comparison", where=location(folder), hint="name the output folder of `triptych compare`"
        )
    table = read_json(path)
    with checked_content(path, hint="run the same command again to write it"):
        version = table.pop("format", 1)
        if version == 1:
            table = _from_format_1(table)
        elif version != FORMAT:
            raise ArtefactError(
                f"was written by a newer triptych (format {version})", where=location(path), hint="upgrade triptych"
            )
        for row in table["rows"]:
            row["runs"] = [folder / run for run in row["runs"]]
        return parse(Comparison, table)


def _from_format_1(table: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a file of format 1 under today's names."""
    of_row = {"line": "entry", "bands": "groups"}
    table = {RENAMED.get(name, name): value for name, value in table.items()}
    if table["exclude"] == "known":
        table["exclude"] = "train+validation"
    table["rows"] = [{of_row.get(name, name): value for name, value in row.items()} for row in table["rows"]]
    for row in table["rows"]:
        row["groups"] = [{"label" if name == "what" else name: band[name] for name in band} for band in row["groups"]]
        if row["cost"] is not None:
            row["cost"] = {"n_parameters" if name == "numbers" else name: row["cost"][name] for name in row["cost"]}
    return table
