"""metrics.jsonl: one line of JSON per epoch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xxhash

from triptych.artefacts import damaged, parse_json, read_json, write_file
from triptych.errors import TrainingError, location
from triptych.training.run_context import RunFiles

METRICS_CHECKSUM = "metrics_xxh3"  # in cost.json: the checksum of metrics.jsonl
DAMAGED = "delete it with the checkpoint beside it and run the same command again: training then starts again"


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Append an epoch's line. Raises TrainingError if it cannot be written; what is there of it is cut off later."""
    try:
        with path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
    except OSError as error:
        raise TrainingError(
            f"cannot be written: {os.strerror(error.errno or 0)}",
            where=location(path),
            hint="correct the cause, then run the same command again",
        ) from None


def sync_lines(path: Path, n: int) -> str:
    """Flush the file to disk, if it exists. Returns the checksum of its first n lines."""
    if not path.exists():
        return ""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        return _checksum(file.readlines()[:n])


def truncate_lines(path: Path, n: int, checksum: str) -> None:
    """Keep the first n lines: epochs after the checkpoint are trained and recorded again.

    checksum: of these lines, or "" if it is not known. Raises ArtefactError if they are missing or damaged.
    """
    if read_lines(path, n) or path.exists():
        with path.open("rb") as file:
            kept = file.readlines()[:n]
        if checksum not in ("", _checksum(kept)):
            raise damaged(path, DAMAGED)
        write_file(path, b"".join(kept))


def read_lines(path: Path, n: int | None = None) -> list[dict[str, Any]]:
    """Return the first n lines (None: all). Raises ArtefactError if one is missing or is not the JSON of an epoch."""
    try:
        lines = [parse_json(line) for line in path.read_bytes().splitlines()[:n]]
    except FileNotFoundError:
        lines = []
    except (OSError, ValueError):
        raise damaged(path, DAMAGED) from None
    numbers = (int, float)
    for line in lines:
        if not isinstance(line, dict) or not all(
            isinstance(line.get(name), numbers) for name in ("epoch", "seconds", "peak_megabytes")
        ):
            raise damaged(path, DAMAGED)
    if n is not None and len(lines) < n:
        raise damaged(path, DAMAGED)
    return lines


def read_cost(files: RunFiles) -> dict[str, Any]:
    """Return what a finished run cost, as `fit` wrote it. Raises ArtefactError if it is missing or damaged."""
    return {name: value for name, value in read_json(files.cost).items() if name != METRICS_CHECKSUM}


def read_metrics(files: RunFiles) -> list[dict[str, Any]]:
    """Return the lines of a finished run. Raises ArtefactError if they are not those that it ended with."""
    expected = read_json(files.cost).get(METRICS_CHECKSUM)  # runs of earlier versions have none
    if expected is not None and expected != checksum_of_lines(files.metrics):
        raise damaged(files.metrics, "train again in another run folder", "it differs from the checksum in cost.json")
    return read_lines(files.metrics)


def checksum_of_lines(path: Path) -> str:
    """Return the checksum of all lines; "" if there is no file."""
    return _checksum([path.read_bytes()]) if path.is_file() else ""


def _checksum(lines: Sequence[bytes]) -> str:
    return str(xxhash.xxh3_128_hexdigest(b"".join(lines)))
