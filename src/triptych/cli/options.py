"""Arguments and options that several commands share, and the panels of the help pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.printing import silence_progress
from triptych.errors import SettingsError, did_you_mean

FILES, COLUMNS, OUTPUT, COMPUTING = "Files", "Columns", "Output", "Computing"
MODEL, EVALUATION = "Model and settings", "Evaluation"


def _silence_if(quiet: bool) -> None:
    if quiet:
        silence_progress()


Quiet = Annotated[  # its callback does all the work: commands declare it and do not read it
    bool, typer.Option("--quiet", "-q", callback=_silence_if, help="Do not report progress.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result, or the error, as JSON.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel=OUTPUT, help="Replace what is at the output path.")
]
EscapeFormulas = Annotated[
    bool,
    typer.Option(
        "--escape-formulas",
        rich_help_panel=OUTPUT,
        help="In .csv files, write ' before texts that a spreadsheet would compute (they begin with =, +, - or @).",
    ),
]
Data = Annotated[Path, typer.Argument(metavar="DATA", help="Data set folder written by `triptych prepare`.")]
Run = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="Run folder of `triptych train`, or output of `blend` or `add-items`."),
]
Model = Annotated[
    str,
    typer.Option("--model", "-m", metavar="NAME", rich_help_panel=MODEL, help="Model; see `triptych models`."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="NAME=VALUE",
        rich_help_panel=MODEL,
        help="Setting of the model or of training. Repeatable.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", rich_help_panel=COMPUTING, help="Processor threads [default: all]."),
]
Modalities = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        rich_help_panel=MODEL,
        help="Modalities to use, separated by commas; 'none' for no modality [default: all].",
    ),
]
Encoding = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        rich_help_panel=FILES,
        help="Encoding of text files, as cp949, latin-1 or utf-16 [default: by the byte-order mark, else UTF-8].",
    ),
]
ItemIdColumn = Annotated[
    str,
    typer.Option(metavar="COLUMN", rich_help_panel=COLUMNS, help="Ids in the item table [default: guessed]."),
]
DuplicateItemRows = Annotated[
    str,
    typer.Option(
        metavar="CHOICE",
        rich_help_panel=FILES,
        help="Rows of one item that differ: error, first, last, or lists (all values of a column).",
    ),
]
TitleColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        rich_help_panel=COLUMNS,
        help="Titles in the item table [default: title or name, else the id].",
    ),
]
PictureColumn = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", rich_help_panel=COLUMNS, help="Picture files in the item table."),
]
Pictures = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", rich_help_panel=COLUMNS, help="Folder of the picture files."),
]


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Raise SettingsError unless the value of an option is one of its choices."""
    if value not in choices:
        near = did_you_mean(value, choices)
        raise SettingsError(f'unknown choice "{value}" of {option}', hint=near)


def parse_columns(text: str | None) -> dict[str, str]:
    """Return KIND=NAME, by commas, as kind -> name. Raises SettingsError."""
    names: dict[str, str] = {}
    for each in (text or "").split(",") if text is not None else ():
        kind, equals, name = each.partition("=")
        if not equals or kind.strip() in names:
            raise SettingsError(f'"{each}" is not KIND=NAME, once each', hint="for example user=customer_id")
        names[kind.strip()] = name.strip()
    return names
