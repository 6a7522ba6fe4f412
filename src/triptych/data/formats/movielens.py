"""Format `movielens`: the folders of the MovieLens data sets."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from triptych.data.formats.format import Format, Source
from triptych.data.formats.log import Columns, log_from_table
from triptych.data.formats.tables import Table, read_table
from triptych.errors import InputError, location

RATINGS = ("user_id", "item_id", "rating", "timestamp")
MOVIES = ("movieId", "title", "genres")


def read_movielens(path: Path, columns: Columns) -> Source:
    """Read ml-latest (ratings.csv, movies.csv), ml-1m (ratings.dat, movies.dat) or ml-100k (u.data).

    Raises InputError.
    """
    if (path / "ratings.csv").is_file():
        items = read_table(path / "movies.csv") if (path / "movies.csv").is_file() else None
        return Source(log_from_table(read_table(path / "ratings.csv"), columns), items)
    if (path / "ratings.dat").is_file():
        log = _read_double_colon(path / "ratings.dat", RATINGS)
        movies = path / "movies.dat"
        return Source(log_from_table(log, columns), _read_double_colon(movies, MOVIES) if movies.exists() else None)
    log = read_table(path / "u.data", header=RATINGS, separator="\t")
    return Source(log_from_table(log, columns))


def _read_double_colon(path: Path, header: tuple[str, ...]) -> Table:
    """Read a file whose fields are separated by `::`, in Latin-1, without a header."""
    lines = path.read_text(encoding="latin-1").split("\n")  # read_text makes every end of a line this one
    rows = [line.split("::") for line in lines if line]
    for number, fields in enumerate(rows, start=1):
        if len(fields) != len(header):
            raise InputError(
                f"{len(fields)} fields, expected {len(header)}",
                where=location(path, row=number),
                hint="correct that row",
            )
    return Table(pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row"), path)


MOVIELENS = Format(
    layout="a MovieLens folder (ratings.csv, ratings.dat or u.data)",
    recognises=lambda path: (
        path.is_dir() and any((path / name).is_file() for name in ("ratings.csv", "ratings.dat", "u.data"))
    ),
    read=read_movielens,
)
