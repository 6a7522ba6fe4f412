"""Connections to PostgreSQL. A password is never part of a message: neither of ours nor of the library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from triptych.databases.address import FORM, postgresql_parts
from triptych.errors import InputError

SECONDS = 15  # to connect
REASONS = {  # part of the library's message -> what we say: its messages may quote parts of a URL
    "password authentication failed": "the password is wrong",
    "no password supplied": "a password is needed",
    "Connection refused": "no server answers there",
    "No such file": "no server answers there",
    "timeout": "no server answers there in time",
    "translate host name": "the name of the host is unknown",
    "resolve host": "the name of the host is unknown",
    "does not exist": "the user or the database does not exist",
    "SSL": "the server and libpq do not agree about SSL",
}


def shown(url: str) -> str:
    """Return where a URL leads, without user and password. Raises SettingsError if it is no URL for PostgreSQL."""
    host, port, database = postgresql_parts(url)
    return f"pgvector:{host}{port}/{database}".rstrip("/")


@contextmanager
def connect(url: str) -> Iterator[tuple[Any, str]]:
    """Yield a connection and where it leads. Raises SettingsError for a bad URL, InputError if it cannot connect."""
    import psycopg

    where = shown(url)
    try:
        connection = psycopg.connect(url, connect_timeout=SECONDS)
    except (psycopg.Error, UnicodeError, ValueError) as error:
        text = str(error)
        reason = next((said for part, said in REASONS.items() if part in text), "the server refused")
        raise InputError(f"cannot connect: {reason}", where=where, hint=f"the address is {FORM}") from None
    with connection:
        yield connection, where
