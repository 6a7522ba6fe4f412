"""Write recommendation lists to files, whole or not at all: one row per recommendation, one row per user, or a run.

Submissions of competitions often have one row per user, with the items joined by spaces, and columns of other names.
"""

from __future__ import annotations

import gzip
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, get_args

import polars as pl

from triptych import forks
from triptych.artefacts import writing_file
from triptych.data.id_types import arrow_type
from triptych.data.recommendations import Recommendations
from triptych.data.run_files import RUN_JSON, TREC, json_pieces, trec_pieces
from triptych.errors import InputError, SettingsError, argument, did_you_mean, location
from triptych.outputs import check_file
from triptych.texts import FORMULA_STARTS

FORMULA = f"^([{re.escape(''.join(FORMULA_STARTS))}])"  # a cell that a spreadsheet computes
Layout = Literal["long", "wide"]
KINDS: dict[str, dict[str, str]] = {  # layout -> what a column holds -> its usual name
    "long": {"user": "user_id", "item": "item_id", "rank": "rank", "score": "score"},
    "wide": {"user": "user_id", "items": "item_ids"},
}
TEXT = (".csv", ".csv.gz")
ENDINGS = (".parquet", *TEXT, ".jsonl", ".jsonl.gz", *TREC, *RUN_JSON)


@dataclass(frozen=True)
class OutputForm:
    """The rows and columns of a file of recommendations. Raises SettingsError for what contradicts itself.

    layout: "long" has a row per recommendation: user, item, rank, score; "wide" a row per user: user, items.
    columns: what a column holds -> its name; others have their usual names, and those called "-" are left out.
    separator: between the items of a wide CSV file; elsewhere they are a list. "": a space.
    """

    layout: Layout = "long"
    columns: Mapping[str, str] = field(default_factory=dict)
    separator: str = ""

    def __post_init__(self) -> None:
        if self.layout not in get_args(Layout):
            raise SettingsError(f'unknown layout "{self.layout}"', hint=did_you_mean(self.layout, get_args(Layout)))
        for kind in self.columns:
            if kind not in KINDS[self.layout]:
                hint = f"columns of the {self.layout} layout: {', '.join(KINDS[self.layout])}"
                raise SettingsError(f'unknown column "{kind}"', hint=hint)
        names = list(self.names.values())
        if not names or len(set(names)) < len(names) or not all(names):
            raise SettingsError(f"columns {names} need names of their own", hint="for example user=customer_id")
        if self.separator and self.layout != "wide":
            raise SettingsError("a separator of items needs the wide layout", hint=f"pass {argument(layout='wide')}")
        if any(each in self.separator for each in "\r\n"):
            raise SettingsError("a separator cannot break lines", hint="for example a space")

    @property
    def is_chosen(self) -> bool:
        """Whether anything differs from the usual form."""
        return self != LONG

    @property
    def names(self) -> dict[str, str]:
        """What a column holds -> its name, without those that are left out."""
        usual = KINDS[self.layout]
        chosen = {kind: self.columns.get(kind, name) for kind, name in usual.items()}
        return {kind: name for kind, name in chosen.items() if name != "-"}


LONG = OutputForm()


def check_output(path: Path, *, overwrite: bool = True, escape_formulas: bool = False, form: OutputForm = LONG) -> None:
    """Raise the error that `write_recommendations` would raise for this file, before there is anything to write.

    Raises SettingsError for another file extension, ArtefactError if the file exists and `overwrite` is false, or if it
    cannot be written there.
    """
    check_file(path, ENDINGS, overwrite=overwrite)
    if escape_formulas and not path.name.endswith(TEXT):
        raise SettingsError("only .csv files are read as formulas", hint="leave out the escaping of formulas")
    if form.separator and not path.name.endswith(TEXT):
        raise SettingsError("only .csv files join items by a separator", hint="leave it out: the items are a list")
    if form.is_chosen and path.name.endswith((*TREC, *RUN_JSON)):
        raise SettingsError(
            f'the form of "{path.name}" is that of a run: it has no other', hint="leave out the form, or write .csv"
        )


def write_recommendations(
    chunks: Iterable[Recommendations],
    path: Path,
    *,
    overwrite: bool = True,
    escape_formulas: bool = False,
    form: OutputForm = LONG,
) -> int:
    """Stream recommendations to a .parquet, .csv or .jsonl file (or .csv.gz, .jsonl.gz), atomically.

    A .trec or .run file is a TREC run, and a .json file one object, user -> item -> score; see `run_files.py`.
    Returns the number of rows. escape_formulas: write ' before texts in a .csv file that a spreadsheet would compute:
    those that begin with =, +, -, @, a tab or a carriage return. Raises SettingsError and ArtefactError; see
    `check_output`. Raises InputError if an item id contains the separator of a wide file, or an id of a TREC run has
    white space.
    """
    check_output(path, overwrite=overwrite, escape_formulas=escape_formulas, form=form)
    if path.suffix != ".parquet":
        forks.require_polars("writing CSV or JSON")
    with writing_file(path, overwrite=overwrite) as temporary:
        if path.suffix == ".parquet":
            return _stream_parquet(chunks, temporary, form)
        joined = path.name.endswith(TEXT)
        frames = (_frame(chunk, form, joined=joined) for chunk in chunks)
        lines = 0
        with _opened(temporary, path.suffix == ".gz") as file:
            if path.name.endswith((*TREC, *RUN_JSON)):
                for piece, n in (trec_pieces if path.name.endswith(TREC) else json_pieces)(chunks):
                    file.write(piece)
                    lines += n
                return lines
            if joined:
                file.write(pl.DataFrame(schema=list(form.names.values())).write_csv().encode())
            for frame in frames:
                if joined:
                    shown = _escaped(frame) if escape_formulas else frame
                    file.write(shown.write_csv(include_header=False).encode())
                else:
                    file.write(frame.write_ndjson().encode())
                lines += len(frame)
        return lines


def _frame(chunk: Recommendations, form: OutputForm, *, joined: bool) -> pl.DataFrame:
    """Return the rows of a chunk. joined: whether the items of a user are one text instead of a list."""
    names = form.names
    if form.layout == "long":
        frame = chunk.to_polars()
        categorical = [column.cast(pl.String) for column in frame if column.dtype == pl.Categorical]
        frame = frame.with_columns(categorical) if categorical else frame
    else:
        frame = chunk.to_lists()
        if joined and "items" in names:
            separator = form.separator or " "
            frame = frame.cast({"item_ids": pl.List(pl.String)})
            _check_separator(frame["item_ids"], separator)
            frame = frame.with_columns(pl.col("item_ids").list.join(separator))
    return frame.select(pl.col(KINDS[form.layout][kind]).alias(name) for kind, name in names.items())


def _check_separator(lists: pl.Series, separator: str) -> None:
    ids = lists.explode().drop_nulls()
    found = ids.filter(ids.str.contains(separator, literal=True))
    if len(found):
        raise InputError(
            f'contains the separator "{separator}" of the items',
            where=location(f'item "{found[0]}"'),
            hint="choose another `separator`",
        )


def _escaped(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.String).str.replace(FORMULA, "'$1"))


@contextmanager
def _opened(path: Path, compressed: bool) -> Iterator[IO[bytes]]:
    """Open a file to write. Compressed files have no time in their header: equal lists are equal bytes."""
    with path.open("wb") as file:
        if not compressed:
            yield file
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as stream:
            yield stream  # type: ignore[misc]


def _stream_parquet(chunks: Iterable[Recommendations], path: Path, form: OutputForm) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    remaining = iter(chunks)
    first = next(remaining, None)
    user, item = (
        (pa.string(), pa.string()) if first is None else map(arrow_type, (first.user_type, first.catalogue.id_type))
    )
    types: dict[str, Any] = {
        "user": user,
        "item": item,
        "items": pa.list_(item),
        "rank": pa.int32(),
        "score": pa.float32(),
    }
    schema = pa.schema([(name, types[kind]) for kind, name in form.names.items()])
    lines = 0
    with path.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for chunk in () if first is None else itertools.chain([first], remaining):
            frame = _frame(chunk, form, joined=False)
            # column by column: this way polars needs none of its threads, which a forked process lacks
            table = pa.table({column.name: column.to_arrow() for column in frame}).cast(schema)
            writer.write_table(table)
            lines += table.num_rows
    return lines
