"""Every error that a user can mend, as one family: what went wrong, where, and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class TriptychError(Exception):
    """What all errors of this package are: a sentence a user can act on.

    `what` says what is wrong, `where` the file (row, column), `mend` what to do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        self.what, self.where, self.mend = what, where, mend
        sentence = f"{where}: {what}" if where else what
        super().__init__(f"{sentence}\n  mend: {mend}" if mend else sentence)


class InputError(TriptychError):
    """A file or frame handed in cannot be used as it is."""


class SettingsError(TriptychError):
    """A setting or option is unknown, has the wrong type or is out of its range."""


class UnknownIdError(TriptychError):
    """A user, item or modality was asked for that the data set does not hold."""


class ArtefactError(TriptychError):
    """A folder that this package wrote is missing, damaged, of another kind, or would be overwritten."""


class TrainingError(TriptychError):
    """Training cannot go on (a loss that is not finite, a run folder of other settings)."""


def place(path: Path | str, *, row: int | None = None, column: str | None = None) -> str:
    """Where something is, for an error: `log.csv, row 17, column "rating"`. Rows count from 1, the header included."""
    parts = [str(path)]
    if row is not None:
        parts.append(f"row {row}")
    if column is not None:
        parts.append(f'column "{column}"')
    return ", ".join(parts)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean "x"?` when a known name is close, else the list of what is known."""
    choices = sorted(set(known))
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    listed = ", ".join(choices[:20]) + (", …" if len(choices) > 20 else "")
    return f"known: {listed}" if choices else "none is known"
