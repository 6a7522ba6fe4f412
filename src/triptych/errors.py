"""All errors that a user can correct, as one family: what is wrong, where, and a hint."""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

MAX_COMPARED = 20_000  # names for a "did you mean"


class TriptychError(Exception):
    """Base class of all errors of this package.

    what: what is wrong. where: the file, with row and column if known. hint: what the user can do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what, self.where, self.hint = what, where, hint
        sentence = f"{where}: {what}" if where else what
        super().__init__(f"{sentence}\n  hint: {hint}" if hint else sentence)


class InputError(TriptychError):
    """A given file or frame cannot be used as it is."""


class SettingsError(TriptychError):
    """A setting or option is unknown, has the wrong type or is out of its range."""


class UnknownIdError(TriptychError):
    """A requested user, item or modality is not in the data set."""


class ArtefactError(TriptychError):
    """A folder of this package is missing, damaged, of another kind, or would be overwritten."""


class TrainingError(TriptychError):
    """Training cannot continue: the loss is not finite, or the run folder has other settings."""


class StoreUnavailable(TriptychError):  # noqa: N818
    """The database of events does not answer, is busy or full: nothing was written; the same call works later."""


class InputWarning(UserWarning):
    """Something about given data that is no error, but that its owner should know: it was read, and this is how."""


class ForkError(TriptychError):
    """Something cannot be done in a forked process, because the threads that it needs did not survive the fork."""


def warn_of(notes: Iterable[str], category: type[Warning] = InputWarning) -> None:
    """Warn of each note, at the line outside this package that led here. The command line prints `warning: …`."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "triptych":
        frame, level = frame.f_back, level + 1
    for note in notes:
        warnings.warn(note, category, stacklevel=level)


def argument(**values: object) -> str:
    """Return arguments as a message names them: `nulls="drop"`, in backticks. A name alone is written `nulls`.

    The command line shows them as its options: --nulls drop (`cli/option_names.py`).
    """
    shown = ((name, f'"{value}"' if isinstance(value, str) else str(value)) for name, value in values.items())
    return " and ".join("`" + f"{name}={value}".replace("`", "'") + "`" for name, value in shown)


def location(path: Path | str, *, row: int | None = None, column: str | None = None) -> str:
    """Return a location for an error: `log.csv, row 17, column "rating"`. Rows count from 1, header included."""
    parts = [str(path)]
    if row is not None:
        parts.append(f"row {row}")
    if column is not None:
        parts.append(f'column "{column}"')
    return ", ".join(parts)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `did you mean "x"?` if a known name is close, else the list of known names."""
    choices = sorted(set(known))
    few = choices if len(choices) <= MAX_COMPARED else []  # comparing a name with more would take seconds
    close = difflib.get_close_matches(name, few, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    listed = ", ".join(choices[:20]) + (", …" if len(choices) > 20 else "")
    return f"known: {listed}" if choices else "none is known"
