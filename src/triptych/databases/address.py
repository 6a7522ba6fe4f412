"""Addresses of databases: sqlite:///shop.db and postgresql://USER@HOST/DATABASE, with #TABLE where one table is meant.

A password is never part of what is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from triptych.errors import SettingsError

Kind = Literal["sqlite", "postgresql"]
BEGIN = re.compile(r"(sqlite|postgres(?:ql)?)(\+\w+)?:/")
TABLE = re.compile(r"(?P<rest>.+)#(?P<table>[^\W\d][\w$ -]*(\.[^\W\d][\w$ -]*)?)")
MAGIC = b"SQLite format 3\0"  # how a file of SQLite begins
FORM = "postgresql://USER@HOST:PORT/DATABASE, with the password in PGPASSWORD or ~/.pgpass"
SQLITE_FORM = "write sqlite:///shop.db, or sqlite:////full/path/shop.db"


@dataclass(frozen=True)
class Address:
    """Where a database is. target: the file of SQLite, or what libpq reads. shown: without user and password."""

    kind: Kind
    target: str = field(repr=False)
    shown: str
    table: str = ""

    @property
    def name(self) -> Path:
        """The address, with its table, as the path of a table: its last part is what notes and manifests name."""
        return Path(f"{self.shown}#{self.table}" if self.table else self.shown)

    def with_table(self, table: str) -> Address:
        """Return the address of a table of this database."""
        return replace(self, table=table)


def is_address(text: str | Path) -> bool:
    """Return whether a text is the address of a database, not the path of a file."""
    return BEGIN.match(str(text)) is not None


def is_sqlite_file(path: Path) -> bool:
    """Return whether a file is a database of SQLite, by its first bytes."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def given_source(text: str | Path) -> Path | Address:
    """Return the address of a database, also for a file of SQLite and FILE#TABLE; the path for everything else."""
    if is_address(text):
        return parse_address(text)
    path = Path(text)
    if path.exists():
        return sqlite_file(path) if is_sqlite_file(path) else path
    file, table = _split(str(text))
    return sqlite_file(Path(file), table) if table and is_sqlite_file(Path(file)) else path


def sqlite_file(path: Path, table: str = "") -> Address:
    """Return the address of a file of SQLite. Raises SettingsError if SQLAlchemy is missing."""
    _require("sqlalchemy")
    return Address("sqlite", str(path), str(path), table)


def parse_address(text: str | Path) -> Address:
    """Parse the address of a database. Raises SettingsError, also where a package for it is missing."""
    if isinstance(text, Path):
        raise SettingsError("the address of a database is given as a path", hint="give it as text")
    begin = BEGIN.match(text)
    if begin is None:
        hint = f"{SQLITE_FORM}; or {FORM}"
        raise SettingsError("the address of the database cannot be read", hint=hint)
    kind = begin[1]
    _require(*(("sqlalchemy",) if kind == "sqlite" else ("sqlalchemy", "psycopg")))
    return _sqlite(text) if kind == "sqlite" else _postgresql(f"postgresql:{text.partition(':')[2]}")


def _sqlite(text: str) -> Address:
    path = text.partition("://")[2]
    if not path.startswith("/") or path == "/":
        raise SettingsError(f'"{text}" names no file of SQLite', hint=SQLITE_FORM)
    file, table = _split(path[1:])
    return sqlite_file(Path(file), table)


def _postgresql(text: str) -> Address:
    url, table = _split(text)
    host, port, database = postgresql_parts(url)
    server = "" if host.startswith("/") else host + port
    shown = f"postgresql:{server}/{database}".rstrip("/")
    return Address("postgresql", url, shown.replace(":/", ":"), table)


def postgresql_parts(url: str) -> tuple[str, str, str]:
    """Return host, port as ":5432" and database of what libpq reads, each "" where it is not said: all may be shown.

    Raises SettingsError if it cannot be read, or if a part of the password would be taken for the host or the port.
    """
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    hint = f"write {FORM}; special characters of a password as %40 for @"
    try:
        parts = conninfo_to_dict(url)
    except (Error, UnicodeError, ValueError):
        raise SettingsError("the address of the database cannot be read", hint=hint) from None
    host, port = str(parts.get("host") or ""), str(parts.get("port") or "")
    if "@" in host or (port and not port.replace(",", "").isdigit()):
        raise SettingsError("the address of the database cannot be read", hint=hint)
    return host, f":{port}" if port else "", str(parts.get("dbname") or "")


def _split(text: str) -> tuple[str, str]:
    """Return a text without its #TABLE, and the table."""
    found = TABLE.fullmatch(text)
    if found is None or "password=" in text or Path(text).exists():
        return text, ""
    return found["rest"], found["table"]


def _require(*packages: str) -> None:
    for package in packages:
        if find_spec(package) is None:
            what = f"databases need {package}, which is not installed"
            raise SettingsError(what, hint='pip install "triptych[databases]"')
