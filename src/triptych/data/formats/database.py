"""Format `database`: a table of SQLite or PostgreSQL, or the rows of a query, streamed in a read-only transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import polars as pl

from triptych.data.formats.database_values import column_of, joined
from triptych.data.formats.format import Format, Source
from triptych.data.formats.log import log_columns, log_from_table
from triptych.data.formats.read_table import read_table
from triptych.data.formats.reading import GUESS, Reading
from triptych.data.formats.tables import ITEM_IDS, USER_IDS, Table, usual_column
from triptych.databases.address import Address, is_sqlite_file, sqlite_file
from triptych.errors import InputError, did_you_mean
from triptych.progress import Listener, Progress

if TYPE_CHECKING:
    from sqlalchemy.exc import SQLAlchemyError

    from triptych.databases.connections import Connections

ROWS = 20_000  # that are Python objects at the same time
MOST_TABLES = 500  # that are looked at, to find the one that is meant
STAGE = "reading the database"

Fits = Callable[[Sequence[str]], bool]  # columns -> whether a table with them can be the one that is meant


def read_log(address: Address, reading: Reading = GUESS) -> Source:
    """Read interactions: the rows of the query of `reading`, or of a table. Raises InputError, SettingsError.

    Without a query and a table, it is the only table with columns of users and items, or the only table at all. Of a
    table, only the columns that are used are read.
    """
    connections = _connections(address)
    try:
        if reading.query:
            rows = _rows(connections, reading.query, replace(address, table="query"), reading.listener)
            return Source(log_from_table(rows, reading))

        def fits(columns: Sequence[str]) -> bool:
            found = log_columns(columns, reading.columns)
            return "user" in found and "item" in found

        address = _with_table(connections, address, fits, "with columns of users and items", "`query` or #TABLE")
        columns = _columns(connections, address)
        used = set(log_columns(columns, reading.columns).values()) if fits(columns) else set(columns)
        kept = [name for name in columns if name in used]
        log = log_from_table(_table(connections, address, kept, reading.listener), reading)
        return Source(replace(log, unused=tuple(name for name in columns if name not in log.columns.values())))
    finally:
        connections.close()


def read_any_table(given: Path | Address, reading: Reading = GUESS) -> Table:
    """Read a table of items or users from a file or a database. Raises InputError."""
    if isinstance(given, Path):
        return read_table(given, reading)
    connections = _connections(given)
    try:
        address = _with_table(connections, given, _has_ids_only, "with ids of items or users", "#TABLE")
        return _table(connections, address, _columns(connections, address), reading.listener)
    finally:
        connections.close()


def _has_ids_only(columns: Sequence[str]) -> bool:
    """Return whether a table can be of items, or of users, and not a log of both."""
    item, user = usual_column(columns, ITEM_IDS), usual_column(columns, USER_IDS)
    return (item is None) != (user is None) or (item is not None and item.lower() == "id")


def _connections(address: Address) -> Connections:
    from triptych.databases.connections import Connections

    if address.kind == "sqlite" and not Path(address.target).is_file():
        folder = Path(address.target).parent
        names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        hint = did_you_mean(Path(address.target).name, names) if names else "check the path"
        raise InputError("no such file", where=address.shown, hint=hint)
    return Connections(address, read_only=True)


def _with_table(connections: Connections, address: Address, fits: Fits, which: str, option: str) -> Address:
    """Return the address with the name of a table that exists. Raises InputError that lists the tables."""
    names = _tables(connections, address)
    if address.table:
        known = [*names, *(f"{_schema(connections)}.{name}" for name in names)]
        if address.table not in known and "." not in address.table:
            hint = did_you_mean(address.table, names)
            raise InputError(f'has no table "{address.table}"', where=address.shown, hint=hint)
        return address
    fitting = [
        name for name in names[:MOST_TABLES] if fits(_columns(connections, address.with_table(name), strict=False))
    ]
    if not fitting and len(names) == 1:
        fitting = names
    if len(fitting) == 1:
        return address.with_table(fitting[0])
    listed = ", ".join((fitting or names)[:20]) + (", …" if len(fitting or names) > 20 else "")
    what = f"has {len(fitting)} tables {which}" if fitting else f"has no table {which}"
    hint = f"name it by {option}: {listed}" if names else "check that this is the right database: it has no tables"
    raise InputError(what, where=address.shown, hint=hint)


def _schema(connections: Connections) -> str:
    return "main" if connections.address.kind == "sqlite" else "public"


def _tables(connections: Connections, address: Address) -> list[str]:
    from sqlalchemy import inspect
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with connections.reading() as connection:
            inspector = inspect(connection)
            names = [*inspector.get_table_names(), *inspector.get_view_names()]
            if connections.address.kind == "postgresql":
                names += inspector.get_materialized_view_names()
    except SQLAlchemyError as error:
        _raise(error, address)
    return sorted(set(names))


def _columns(connections: Connections, address: Address, *, strict: bool = True) -> list[str]:
    """Return the columns of a table. strict: False returns none where it cannot be read, as a view that is broken."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with connections.reading() as connection:
            statement = f"SELECT * FROM {_quoted(connections, address.table)} LIMIT 0"
            return list(connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).keys())
    except SQLAlchemyError as error:
        if strict:
            _raise(error, address)
        return []


def _quoted(connections: Connections, name: str) -> str:
    quote = connections.engine.dialect.identifier_preparer.quote_identifier
    return ".".join(quote(part) for part in name.split("."))


def _table(connections: Connections, address: Address, columns: Sequence[str], listener: Listener) -> Table:
    quote = connections.engine.dialect.identifier_preparer.quote_identifier
    chosen = ", ".join(map(quote, columns))
    return _rows(connections, f"SELECT {chosen} FROM {_quoted(connections, address.table)}", address, listener)


def _rows(connections: Connections, statement: str, address: Address, listener: Listener) -> Table:
    """Return the rows of a query. address: for errors and notes. Raises InputError."""
    from sqlalchemy.exc import SQLAlchemyError

    where = str(address.name)
    options = {"stream_results": True, "no_parameters": True, "max_row_buffer": ROWS}
    try:
        with (
            connections.reading() as connection,
            connection.exec_driver_sql(statement.strip().rstrip(";"), execution_options=options) as result,
        ):
            if not result.returns_rows:
                raise InputError("the query returns no rows", where=where, hint="write SELECT …")
            parts = [(name, list[pl.Series]()) for name in _distinct(list(result.keys()), where)]
            n_rows = 0
            for rows in result.partitions(ROWS):
                for (name, part), values in zip(parts, zip(*rows, strict=True), strict=True):
                    part.append(column_of(name, values))
                n_rows += len(rows)
                listener(Progress(STAGE, n_rows, n_rows + (len(rows) if len(rows) == ROWS else 0)))
    except SQLAlchemyError as error:
        _raise(error, address)
    if not n_rows:
        raise InputError("has no rows", where=where, hint="check the table, or the conditions of the query")
    return Table(pl.DataFrame([joined(part) for _, part in parts]), address.name)


def _distinct(names: list[str], where: str) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            hint = f"write SELECT … AS {name}_2"
            raise InputError(f'the query has two columns "{name}"', where=where, hint=hint)
    return names


def _raise(error: SQLAlchemyError, address: Address) -> NoReturn:
    from triptych.databases.failures import READ_ONLY, Failure, failure_of

    failure = failure_of(error)
    if failure is READ_ONLY:
        failure = Failure("statement", "the query would change the database", "write SELECT …")
    raise InputError(f"cannot be read: {failure.what}", where=str(address.name), hint=failure.hint) from None


def _read_file(path: Path, reading: Reading) -> Source:
    return read_log(sqlite_file(path), reading)


DATABASE = Format(
    layout="a file of SQLite, or an address: sqlite:///FILE or postgresql://…, with #TABLE or a query",
    recognises=is_sqlite_file,
    read=_read_file,
)
