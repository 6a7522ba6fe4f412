"""Messages of the packages name Python's arguments, as `nulls="drop"`; in the shell they name options: --nulls drop."""

from __future__ import annotations

import ast
import re

ARGUMENT = re.compile(r"`([a-z][a-z0-9_]*)(?:=([^`]*))?`")
PLAIN = re.compile(r"[\w./,:=%…+-]+")  # a value that a shell takes without quotes
OPTIONS = {  # argument -> option, beside those of `prepare`, whose settings have the names of their options
    "dataset": "--data",
    "epochs": "--set epochs",
    "exclude_items": "--exclude-items",
    "fit_on": "--fit-on",
    "items": "--items",
    "layout": "--format",
    "max_pixels": "--max-pixels",
    "neighbours": "--neighbours",
    "output": "--output",
    "overwrite": "--overwrite",
    "picture_column": "--picture-column",
    "picture_folder": "--pictures",
    "precision": "--precision",
    "refit": "--refit",
    "separator": "--separator",
    "text_encoder": "--text-encoder",
    "threads": "--threads",
    "title_column": "--title-column",
    "unknown": "--unknown",
    "user_features": "--user-features",
    "users": "--users",
    "where": "--where",
}
PLACEHOLDERS = {"epochs=N": "--set epochs=N, or --like RUN with a tuned or trained run", "dataset=…": "--data FOLDER"}


def as_options(text: str) -> str:
    """Return a message with options in place of the arguments that it names; other words between ` stay."""
    return ARGUMENT.sub(_option, text)


def _option(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    option = OPTIONS.get(name) or _setting_of_prepare(name)
    if match[0][1:-1] in PLACEHOLDERS:
        return PLACEHOLDERS[match[0][1:-1]]
    if option is None:
        return match[0]
    joint = "=" if option.startswith("--set") else " "
    return " ".join(option if each is None else f"{option}{joint}{each}" for each in _values(value))


def _setting_of_prepare(name: str) -> str | None:
    from triptych.preparing.settings import PrepareSettings

    return f"--{name.replace('_', '-')}" if name in PrepareSettings.__dataclass_fields__ else None


def _values(text: str | None) -> list[str | None]:
    """Return the values of an option, one per repetition; None for a flag, and where none is named."""
    if text is None or text == "True":
        return [None]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text  # a placeholder, or an excerpt of a file that has quotes
    if isinstance(value, list | tuple) and all(isinstance(each, int | float) for each in value):
        return [",".join(f"{each:g}" for each in value)]
    return [_quoted(str(each)) for each in (value if isinstance(value, list | tuple) else [value])]


def _quoted(value: str) -> str:
    return value if PLAIN.fullmatch(value) else f'"{value}"'
