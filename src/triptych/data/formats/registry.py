"""FORMATS: which reader understands a path. A new format is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from triptych.data.formats.features import FeatureSource
from triptych.data.formats.log import Columns, Log, log_from_table
from triptych.data.formats.tables import Table, no_such, read_table
from triptych.errors import InputError, SettingsError, did_you_mean, location


@dataclass(frozen=True)
class Source:
    """What a path gave: the log, and for folder layouts the item table and the features that lie beside it.

    n_items: where a layout numbers its items from 0, how many there are at least.
    """

    log: Log
    items: Table | None = None
    features: tuple[FeatureSource, ...] = ()
    n_items: int | None = None


@dataclass(frozen=True)
class Format:
    """One way to lay out interactions: what its paths look like, and how they are read."""

    recognises: Callable[[Path], bool]
    read: Callable[[Path, Columns], Source]


def read_plain(path: Path, columns: Columns) -> Source:
    """A CSV, TSV or Parquet table with a header."""
    return Source(log_from_table(read_table(path), columns))


def read_recbole(path: Path, columns: Columns) -> Source:
    """A RecBole atomic file: tab-separated, the header `user_id:token  item_id:token  rating:float  …`."""
    table = read_table(path, separator="\t")
    plain = {name: name.partition(":")[0] for name in table.frame.columns}
    if len(set(plain.values())) < len(plain):
        raise InputError("names a column twice", where=location(path, row=1), hint="give each column its own name")
    return Source(log_from_table(Table(table.frame.rename(plain), path, table.first_row), columns))


def read_mmrec(path: Path, columns: Columns) -> Source:
    """The multimodal literature's folder: NAME.inter with x_label, and MODALITY_feat.npy in item-id order."""
    logs = sorted(path.glob("*.inter"))
    if len(logs) != 1:
        hint = "name the one to read" if logs else "check the path, or name another format"
        raise InputError(f"holds {len(logs) or 'no'} .inter files", where=location(path), hint=hint)
    features = tuple(
        FeatureSource(file.name.removesuffix("_feat.npy"), file) for file in sorted(path.glob("*_feat.npy"))
    )
    source = read_recbole(logs[0], columns)
    ids = source.log.frame["item_id"].drop_nulls()
    numbers = ids.cast(pl.Int64, strict=False)
    if features and (numbers.null_count() or (len(numbers) and int(numbers.min() or 0) < 0)):  # type: ignore[arg-type]
        raise InputError(
            "item ids must be whole numbers from 0 where features are in item-id order",
            where=location(logs[0]),
            hint="number the items, or give the features with an id file",
        )
    n_items = int(numbers.max()) + 1 if features and len(numbers) else None  # type: ignore[arg-type]
    return Source(source.log, features=features, n_items=n_items)


def read_movielens(path: Path, columns: Columns) -> Source:
    """MovieLens: ml-latest (ratings.csv, movies.csv), ml-1m (ratings.dat, movies.dat), ml-100k (u.data, u.item)."""
    if (path / "ratings.csv").is_file():
        items = read_table(path / "movies.csv") if (path / "movies.csv").is_file() else None
        return Source(log_from_table(read_table(path / "ratings.csv"), columns), items)
    if (path / "ratings.dat").is_file():
        log = _double_colon(path / "ratings.dat", ("user_id", "item_id", "rating", "timestamp"))
        movies = path / "movies.dat"
        return Source(
            log_from_table(log, columns),
            _double_colon(movies, ("movieId", "title", "genres")) if movies.exists() else None,
        )
    log = read_table(path / "u.data", header=("user_id", "item_id", "rating", "timestamp"), separator="\t")
    return Source(log_from_table(log, columns))


def _double_colon(path: Path, header: tuple[str, ...]) -> Table:
    lines = path.read_text(encoding="latin-1").splitlines()
    rows = [line.split("::") for line in lines if line]
    for number, fields in enumerate(rows, start=1):
        if len(fields) != len(header):
            raise InputError(
                f"{len(fields)} fields, expected {len(header)}", where=location(path, row=number), hint="mend that row"
            )
    return Table(pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row"), path)


FORMATS: dict[str, Format] = {
    "movielens": Format(
        lambda p: p.is_dir() and any((p / name).is_file() for name in ("ratings.csv", "ratings.dat", "u.data")),
        read_movielens,
    ),
    "mmrec": Format(lambda p: p.is_dir() and any(p.glob("*.inter")), read_mmrec),
    "recbole": Format(lambda p: p.suffix == ".inter", read_recbole),
    "table": Format(lambda p: p.suffix in (".csv", ".tsv", ".txt", ".parquet"), read_plain),
}


def read_source(path: Path, columns: Columns, name: str = "auto") -> Source:
    """Read interactions in the format called `name`; "auto" goes by the path. Raises InputError, SettingsError."""
    if name != "auto" and name not in FORMATS:
        raise SettingsError(f'unknown format "{name}"', hint=did_you_mean(name, [*FORMATS, "auto"]))
    if not path.exists():
        raise no_such(path, "file or folder")
    if name != "auto":
        return FORMATS[name].read(path, columns)
    for each in FORMATS.values():
        if each.recognises(path):
            return each.read(path, columns)
    raise InputError(
        "no known layout of interactions",
        where=location(path),
        hint="give a .csv, .tsv, .parquet or .inter file, or a folder with an .inter file or MovieLens ratings",
    )
