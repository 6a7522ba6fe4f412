"""Format `movielens`: the folders of the MovieLens data sets, from 100k to 32M."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from triptych.data.formats.format import Format, Source, not_read
from triptych.data.formats.log import log_from_table
from triptych.data.formats.read_table import read_table
from triptych.data.formats.reading import Reading
from triptych.data.formats.tables import Table
from triptych.errors import InputError, location

RATINGS = ("user_id", "item_id", "rating", "timestamp")
MOVIES = ("movieId", "title", "genres")
LOGS = ("ratings.csv", "ratings.dat", "u.data")
GENRES = (  # of ml-100k, in the order of the columns of u.item
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
PEOPLE = ("userId", "gender", "age", "occupation", "zip")  # users.dat of ml-1m
MEMBERS = ("userId", "age", "gender", "occupation", "zip")  # u.user of ml-100k
FILMS = ("movieId", "title", "release_date", "video_release_date", "imdb_url")


def read_movielens(path: Path, reading: Reading) -> Source:
    """Read ml-latest, ml-20m to ml-32m (ratings.csv, movies.csv), ml-1m, ml-10m (ratings.dat, movies.dat) or ml-100k.

    Raises InputError.
    """
    if not path.is_dir():
        raise InputError(
            "is a file, and MovieLens is a folder",
            where=location(path),
            hint=f"name its folder, with {', '.join(LOGS[:-1])} or {LOGS[-1]}; or leave `format` out",
        )
    name = next((name for name in LOGS if (path / name).is_file()), None)
    if name is None:
        raise InputError(f"has none of {', '.join(LOGS)}", where=location(path), hint="check the path")
    log, users = path / name, path / {"ratings.dat": "users.dat", "u.data": "u.user"}.get(name, "users.csv")
    user_table: Table | None = None
    items = {"ratings.csv": path / "movies.csv", "ratings.dat": path / "movies.dat", "u.data": path / "u.item"}[name]
    if name == "ratings.csv":
        ratings, table = (
            read_table(log, reading),
            read_table(items, replace(reading, header=())) if items.is_file() else None,
        )
    elif name == "ratings.dat":
        ratings = _read_double_colon(log, RATINGS)
        table = _read_double_colon(items, MOVIES) if items.is_file() else None
        user_table = _read_double_colon(users, PEOPLE) if users.is_file() else None
    else:
        ratings = read_table(log, reading, header=RATINGS, separator="\t")
        table = _read_films(items, reading) if items.is_file() else None
        user_table = read_table(users, reading, header=MEMBERS, separator="|") if users.is_file() else None
    read = {log, items, users} if user_table is not None else {log, items}
    history = log_from_table(ratings, replace(reading, header=()))
    return Source(history, table, users=user_table, notes=not_read(path, read))


def _read_films(path: Path, reading: Reading) -> Table:
    """Read u.item: five columns and one per genre, which become a list of genres."""
    encoding = reading.encoding or ("latin-1" if _is_latin(path) else "")
    reading = replace(reading, encoding=encoding, quotes="none")
    table = read_table(path, reading, header=(*FILMS, *GENRES), separator="|")
    flags = [pl.when(pl.col(genre).str.strip_chars() == "1").then(pl.lit(genre)) for genre in GENRES]
    genres = pl.concat_list(flags).list.drop_nulls().alias("genres")
    return replace(table, frame=table.frame.select(*FILMS, genres))


def _read_double_colon(path: Path, header: tuple[str, ...]) -> Table:
    """Read a file whose fields are separated by `::`, in UTF-8 or Latin-1, without a header."""
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        content = path.read_text(encoding="latin-1")
    lines = content.split("\n")  # read_text makes every end of a line this one
    rows = [line.split("::") for line in lines if line]
    for number, fields in enumerate(rows, start=1):
        if len(fields) != len(header):
            raise InputError(
                f"{len(fields)} fields, expected {len(header)}",
                where=location(path, row=number),
                hint="correct that row",
            )
    return Table(pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row"), path)


def _is_latin(path: Path) -> bool:
    """Whether a file is not UTF-8; those of ml-100k and ml-1m are in Latin-1, those of ml-10m in UTF-8."""
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return True
    return False


MOVIELENS = Format(
    layout="a MovieLens folder (ratings.csv, ratings.dat or u.data)",
    recognises=lambda path: path.is_dir() and any((path / name).is_file() for name in LOGS),
    read=read_movielens,
)
