"""Connections to one database, for many threads. They are never shared with a forked process."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.pool import QueuePool

from triptych.databases.address import Address

CONNECT_SECONDS = 5
BUSY_SECONDS = 20.0  # to wait for another process that writes
POOL_SECONDS = 20.0  # to wait for a free connection
AT_ONCE = 8  # connections
FORK_SECONDS = 60.0  # to wait at a fork for work that is under way
WRITES = "triptych_writes"  # an option of a connection: its transaction will write
DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
LIMITS = {  # of a transaction that writes: a process that stands still must not stop all others for ever
    "lock_timeout": f"{BUSY_SECONDS:.0f}s",
    "idle_in_transaction_session_timeout": "60s",
}


class Connections:
    """Connections to a database, made when they are needed.

    read_only: nothing can be written. Between `reading` and the end of its block a fork waits: connections of SQLite
    and PostgreSQL must not exist in two processes, so there is none at that moment.
    """

    def __init__(self, address: Address, *, read_only: bool = False) -> None:
        self.address = address
        self.engine = _engine(address, read_only=read_only)
        self._gate = threading.Condition(threading.Lock())
        self._users = 0
        self._forking = False
        _open.add(self)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let forks wait until the end of the block. Not to be nested."""
        with self._gate:
            self._gate.wait_for(lambda: not self._forking)
            self._users += 1
        try:
            yield
        finally:
            with self._gate:
                self._users -= 1
                self._gate.notify_all()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection for reading, in one transaction. Raises errors of SQLAlchemy."""
        with self.held(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self, *, held: bool = False) -> Iterator[Connection]:
        """Yield a connection in a transaction that is durable when the block ends. Raises errors of SQLAlchemy.

        held: whether the caller is within `held`.
        """
        if not held:
            with self.held(), self.writing(held=True) as connection:
                yield connection
            return
        with self.engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
            if self.address.kind == "postgresql":
                limits = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in LIMITS.items())
                connection.exec_driver_sql(f"SELECT {limits}")
            yield connection

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()

    def before_fork(self) -> None:
        self._gate.acquire()
        self._forking = True
        idle = self._gate.wait_for(lambda: not self._users, FORK_SECONDS)
        self.engine.dispose(close=idle)

    def after_fork_in_parent(self) -> None:
        self._forking = False
        self._gate.notify_all()
        self._gate.release()

    def after_fork_in_child(self) -> None:
        self._gate = threading.Condition(threading.Lock())
        self._users, self._forking = 0, False
        self.engine.dispose(close=False)


_open: weakref.WeakSet[Connections] = weakref.WeakSet()  # what a fork must not copy


def _at_fork(step: str) -> None:
    for connections in list(_open):
        getattr(connections, step)()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _at_fork("before_fork"),
        after_in_parent=lambda: _at_fork("after_fork_in_parent"),
        after_in_child=lambda: _at_fork("after_fork_in_child"),
    )


def _engine(address: Address, *, read_only: bool) -> Engine:
    connect = _connect_postgresql if address.kind == "postgresql" else _connect_sqlite
    engine = create_engine(
        "postgresql+psycopg://" if address.kind == "postgresql" else "sqlite://",
        creator=lambda: connect(address.target, read_only=read_only),
        poolclass=QueuePool,
        pool_size=AT_ONCE,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        pool_pre_ping=address.kind == "postgresql",
    )
    if address.kind == "sqlite":
        event.listen(engine, "begin", _begin_sqlite)
        event.listen(engine, "checkout", _require_same_file)
    return engine


def _begin_sqlite(connection: Connection) -> None:
    # a transaction that writes takes the lock at its begin: one that read before it writes would fail instead of wait
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITES) else "BEGIN")


def _require_same_file(connection: Any, record: Any, proxy: Any) -> None:
    """Let the pool connect again if another file has the name now: what is written to a removed file is lost."""
    path, opened = record.info.setdefault("file", (connection.path, connection.identity))
    if _identity(path) != opened:
        raise exc.DisconnectionError


class _File(sqlite3.Connection):
    """A connection to a file of SQLite that knows which file it opened."""

    path: str
    identity: tuple[int, int] | None


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _connect_sqlite(path: str, *, read_only: bool) -> sqlite3.Connection:
    uri = Path(path).absolute().as_uri() + ("?mode=ro" if read_only else "?mode=rw")
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, factory=_File
    )
    connection.path, connection.identity = path, _identity(path)
    try:
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            _write_ahead(connection)
            for pragma in ("synchronous = FULL", "fullfsync = ON", "checkpoint_fullfsync = ON"):
                connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Choose the write-ahead log; SQLite does not wait by itself for others that do the same at this moment."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _connect_postgresql(target: str, *, read_only: bool) -> Any:
    import psycopg

    connection = psycopg.connect(
        target, connect_timeout=CONNECT_SECONDS, keepalives_idle=10, keepalives_interval=5, keepalives_count=3
    )
    if read_only:
        connection.read_only = True
    else:
        connection.execute(DURABLE)
        connection.commit()
    return connection
