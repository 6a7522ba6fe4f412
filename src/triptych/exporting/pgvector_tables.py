"""Vectors as tables of PostgreSQL with pgvector: NAME_items and NAME_users, with columns id and vector.

All is done in one transaction. Readers see the old tables until it ends, and keep them if it fails.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.errors import ArtefactError, InputError, SettingsError
from triptych.exporting.database import connect
from triptych.exporting.recall import Search, recall
from triptych.exporting.search_index import Index, candidates
from triptych.exporting.vectors import Vectors
from triptych.progress import Listener, ignore_progress, track

WIDEST = 16_000  # dimensions of type vector
WIDEST_INDEX, WIDEST_HALF_INDEX = 2000, 4000  # of an index on type vector, and on halfvec
MARK = "triptych export"  # the comment on our tables begins with it: others are never replaced
CHUNK = 4096  # rows
USERS = 200  # whose lists are compared
COPY_HEADER, COPY_END = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0), struct.pack(">h", -1)


def write_pgvector(
    vectors: Vectors,
    url: str,
    name: str,
    *,
    index: Index = "exact",
    k: int = 50,
    comment: str = "",
    overwrite: bool = False,
    listener: Listener = ignore_progress,
) -> tuple[float, int]:
    """Write vectors to tables NAME_items and NAME_users, and return the recall of a search and the users compared.

    url: for libpq, or "" for its environment variables. name: begins the tables' names, as bm3 or shop.bm3, in schema
    shop. index: "exact" makes none, so that PostgreSQL compares with all items; "hnsw" makes one on the items.
    Raises SettingsError, InputError if there is no such database, no pgvector in it or no right to write, ArtefactError
    if a table exists and `overwrite` is false, or if it was not written by `write_pgvector`.
    """
    from psycopg import sql

    check_dimensions(vectors.dimensions, index)
    *schema, table = parse_table(name)
    names = {kind: f"{table}_{kind}" for kind in ("items", "users")}
    full = {kind: sql.Identifier(*schema, each) for kind, each in names.items()}
    suffix = secrets.token_hex(4)
    made = {kind: f"{kind}_{suffix}" for kind in names}
    with connect(url) as (connection, where), _database_errors(where), connection.transaction():
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        for kind in names:
            _check_replaceable(connection, full[kind], where, overwrite=overwrite)
        both = (
            ("items", vectors.item_ids, vectors.item_vectors),
            ("users", vectors.user_ids, vectors.user_vectors),
        )
        for kind, ids, values in both:
            new = sql.Identifier(*schema, made[kind])
            ids, id_type = _with_type(ids)
            statement = "CREATE TABLE {} (id {} CONSTRAINT {} PRIMARY KEY, vector vector({}) NOT NULL)"
            key = sql.Identifier(f"{made[kind]}_pkey")
            values_of_table = (new, sql.SQL(id_type), key, sql.Literal(vectors.dimensions))
            connection.execute(sql.SQL(statement).format(*values_of_table))
            _copy(connection, new, ids, values, kind, listener)
        items = sql.Identifier(*schema, made["items"])
        if index == "hnsw":
            for name_of_index in track("building the index", [f"{made['items']}_hnsw"], listener):
                connection.execute(_index_statement(items, name_of_index, vectors.dimensions))
        for kind in names:
            connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(*schema, made[kind])))
        search = _search(connection, items, vectors, index, k)
        measured = recall(search, vectors, k, n_users=USERS, listener=listener)
        text = f"{MARK}: {comment}" if comment else MARK
        for kind in names:
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(full[kind]))
            _rename(connection, "TABLE", schema, made[kind], names[kind])
            _rename(connection, "INDEX", schema, f"{made[kind]}_pkey", f"{names[kind]}_pkey")
            connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(full[kind], sql.Literal(text)))
        if index == "hnsw":
            _rename(connection, "INDEX", schema, f"{made['items']}_hnsw", f"{names['items']}_hnsw")
    return measured


def parse_table(name: str) -> list[str]:
    """Return the parts of a table name, with its schema if it has one. Raises SettingsError."""
    parts = name.split(".")
    if len(parts) > 2 or not all(part.isidentifier() and len(part.encode()) <= 50 for part in parts):
        hint = "use letters, digits and _, with a schema if need be, as bm3 or shop.bm3"
        raise SettingsError(f'"{name}" cannot begin the name of a table', hint=hint)
    return parts


def check_dimensions(dimensions: int, index: Index) -> None:
    """Raise InputError if pgvector has no type, or no index, for vectors of so many dimensions."""
    if dimensions > WIDEST:
        raise InputError(f"pgvector holds {WIDEST} dimensions, not {dimensions}", hint="export faiss:FILE")
    if index == "hnsw" and dimensions > WIDEST_HALF_INDEX:
        what = f"pgvector makes indices of at most {WIDEST_HALF_INDEX} dimensions, not {dimensions}"
        raise InputError(what, hint="leave the index out: searches are then exact, or export faiss:FILE")


def _check_replaceable(connection: Any, table: Any, where: str, *, overwrite: bool) -> None:
    from psycopg import sql

    text = table.as_string(connection)
    found = connection.execute("SELECT obj_description(to_regclass(%s)), to_regclass(%s)", (text, text)).fetchone()
    if found[1] is None:
        return
    shown = f"{where}, table {sql.SQL('{}').format(table).as_string(connection)}"
    if not overwrite:
        raise ArtefactError("already exists", where=shown, hint="choose another table name, or pass overwrite")
    if not (found[0] or "").startswith(MARK):
        what = "exists and was not written by triptych, so it will not be replaced"
        raise ArtefactError(what, where=shown, hint="choose another table name")


def _rename(connection: Any, kind: str, schema: list[str], old: str, new: str) -> None:
    from psycopg import sql

    statement = sql.SQL(f"ALTER {kind} {{}} RENAME TO {{}}")
    connection.execute(statement.format(sql.Identifier(*schema, old), sql.Identifier(new)))


def _copy(
    connection: Any, table: Any, ids: pl.Series, values: NDArray[np.float32], kind: str, listener: Listener
) -> None:
    """Copy rows in PostgreSQL's binary format: no float is written as text."""
    from psycopg import sql

    statement = sql.SQL("COPY {} (id, vector) FROM STDIN (FORMAT BINARY)").format(table)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(COPY_HEADER)
        for begin in track(f"writing {kind}", range(0, len(ids), CHUNK), listener):
            copy.write(b"".join(_rows(ids[begin : begin + CHUNK].to_list(), values[begin : begin + CHUNK])))
        copy.write(COPY_END)


def _with_type(ids: pl.Series) -> tuple[pl.Series, str]:
    """Return ids and their type in PostgreSQL, which has no unsigned integers."""
    if not ids.dtype.is_integer() or (ids.dtype == pl.UInt64 and int(cast(Any, ids.max()) or 0) >= 2**63):
        return ids.cast(pl.String), "text"
    return ids.cast(pl.Int64), "bigint"


def _rows(ids: list[str] | list[int], values: NDArray[np.float32]) -> Iterator[bytes]:
    d = values.shape[1]
    head = struct.pack(">ihh", 4 + 4 * d, d, 0)  # the length of the field, then of the vector, then a reserved 0
    for name, vector in zip(ids, values.astype(">f4"), strict=True):
        text = name.encode() if isinstance(name, str) else struct.pack(">q", name)
        if isinstance(name, str) and b"\0" in text:
            raise InputError("contains a NUL character, which PostgreSQL cannot hold", where=f"id {name!r}")
        yield b"".join((struct.pack(">hi", 2, len(text)), text, head, vector.tobytes()))


def _index_statement(table: Any, name: str, dimensions: int) -> Any:
    from psycopg import sql

    column = "vector vector_ip_ops" if dimensions <= WIDEST_INDEX else "(vector::halfvec({})) halfvec_ip_ops"
    statement = sql.SQL("CREATE INDEX {} ON {} USING hnsw (" + column + ") WITH (m = 32, ef_construction = 200)")
    return statement.format(sql.Identifier(name), table, sql.Literal(dimensions))


def _search(connection: Any, table: Any, vectors: Vectors, index: Index, k: int) -> Search:
    """Return a search as a client would do it; see docs/export.md."""
    from psycopg import sql

    row_of = dict(zip(_with_type(vectors.item_ids)[0].to_list(), range(len(vectors.item_ids)), strict=True))
    kind = f"halfvec({vectors.dimensions})" if index == "hnsw" and vectors.dimensions > WIDEST_INDEX else "vector"
    column = sql.SQL("vector" if kind == "vector" else f"vector::{kind}")
    statement = sql.SQL("SELECT id FROM {} ORDER BY {} <#> %s::{} LIMIT %s").format(table, column, sql.SQL(kind))
    if index == "hnsw":
        connection.execute(sql.SQL("SET LOCAL hnsw.ef_search = {}").format(sql.Literal(min(1000, candidates(k)))))

    def search(queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        found = np.full((len(queries), k), -1, dtype=np.int64)
        for row, query in enumerate(queries):
            text = "[" + ",".join(map(repr, query.tolist())) + "]"
            ids = connection.execute(statement, (text, k)).fetchall()
            found[row, : len(ids)] = [row_of[each] for (each,) in ids]
        return found

    return search


@contextmanager
def _database_errors(where: str) -> Iterator[None]:
    """Turn the errors of a database into InputError: what it says, without the statement or the connection."""
    import psycopg

    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        what = error.diag.message_primary or "permission denied"
        raise InputError(what, where=where, hint="ask its administrator for this right") from None
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
        hint = "install it: https://github.com/pgvector/pgvector"
        raise InputError("PostgreSQL has no pgvector", where=where, hint=hint) from None
    except psycopg.Error as error:
        what = (error.diag.message_primary or str(error) or type(error).__name__).splitlines()[0]
        raise InputError(what, where=where, hint=error.diag.message_hint or "see the log of the server") from None
