"""JSON files of runs and studies, read so that a damaged one is an error that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from triptych.artefacts import parse_json
from triptych.errors import ArtefactError, location


def read_record(path: Path, kind: type, hint: str) -> Any:
    """Return the value in a JSON file, which must be a `kind`: dict or list. hint: what to do if it is damaged.

    Raises ArtefactError if the file is missing or damaged.
    """
    try:
        value = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise ArtefactError("is missing", where=location(path), hint=hint) from None
    except (OSError, ValueError):
        raise damaged(path, hint) from None
    if not isinstance(value, kind):
        raise damaged(path, hint)
    return value


def damaged(path: Path, hint: str) -> ArtefactError:
    """Return the error for a damaged file."""
    return ArtefactError("is damaged", where=location(path), hint=hint)
