"""What an error of SQLite or PostgreSQL means, in our words. A library's message may quote a password: it is not used.

Only messages about statements are: `no such column: itm`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import exc

# away: no answer, or not now; refused: rights or passwords; statement: the SQL or its values; damaged: the file
Kind = Literal["away", "busy", "full", "refused", "missing", "damaged", "statement"]


@dataclass(frozen=True)
class Failure:
    """kind: what to do about it in code. what, hint: for an error."""

    kind: Kind
    what: str
    hint: str


AWAY_HINT = "check that the server runs and can be reached"
AWAY = Failure("away", "the connection was lost", AWAY_HINT)
BUSY = Failure("busy", "the database is busy: other connections hold what is needed", "try again in some seconds")
FULL = Failure("full", "the disk of the database is full: nothing was written", "free some space, then try again")
DEVICE = Failure("away", "a device has an error: nothing was written", "check the disks of the database")
READ_ONLY = Failure("refused", "the database cannot be written to", "give rights to write, or name the main server")
DAMAGED = Failure("damaged", "is no database, or is damaged", "restore it from a copy")
SQLITE = {  # the beginning of the name of an error -> what it means
    "SQLITE_FULL": FULL,
    "SQLITE_BUSY": BUSY,
    "SQLITE_LOCKED": BUSY,
    "SQLITE_PROTOCOL": BUSY,
    "SQLITE_CANTOPEN": Failure("away", "the file cannot be opened", "check its folder, and the rights there"),
    "SQLITE_IOERR": DEVICE,
    "SQLITE_READONLY": READ_ONLY,
    "SQLITE_PERM": READ_ONLY,
    "SQLITE_CORRUPT": DAMAGED,
    "SQLITE_NOTADB": DAMAGED,
    "SQLITE_NOMEM": Failure("busy", "there is no memory left", "try again in some seconds"),
}
POSTGRESQL = {  # the beginning of SQLSTATE -> what it means
    "08": AWAY,
    "28": Failure("refused", "the user or the password is wrong", "set PGUSER and PGPASSWORD, or use ~/.pgpass"),
    "3D000": Failure("refused", "there is no database of this name", "make it by createdb, or correct the address"),
    "25006": READ_ONLY,
    "42501": Failure("refused", "the user has no right to this", "GRANT the user what is needed"),
    "42P01": Failure("missing", "a table does not exist", "check the names of the tables"),
    "53100": FULL,
    "53": Failure("busy", "the server has no connections or memory left", "try again in some seconds"),
    "55P03": BUSY,
    "57014": BUSY,
    "57": Failure("away", "the server is stopping or starting", AWAY_HINT),
    "40": BUSY,
    "58": DEVICE,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}
CONNECTING = {  # a part of libpq's message when there is no SQLSTATE -> what we say
    "password authentication failed": POSTGRESQL["28"],
    "no password supplied": POSTGRESQL["28"],
    "role": POSTGRESQL["28"],
    "database": POSTGRESQL["3D000"],
    "too many clients": POSTGRESQL["53"],
    "remaining connection slots": POSTGRESQL["53"],
    "No space left": FULL,
}
LOST = Failure("away", "no server answers there", AWAY_HINT)


def failure_of(error: exc.SQLAlchemyError) -> Failure:
    """Return what an error of SQLAlchemy means."""
    if isinstance(error, exc.TimeoutError):
        return BUSY
    if not isinstance(error, exc.DBAPIError):
        return Failure("statement", _first_line(error), "correct the statement")
    original: Any = error.orig
    name, state = getattr(original, "sqlite_errorname", None), getattr(original, "sqlstate", None)
    found = _longest(SQLITE, name) or _longest(POSTGRESQL, state)
    if name is not None or state is not None:
        return found or Failure("statement", _message(original), "correct the statement")
    text = str(original)
    if type(original).__module__.startswith("sqlite3"):
        return Failure("statement", _first_line(original), "correct the statement, or the value")
    if isinstance(error, exc.OperationalError | exc.InterfaceError):
        by_text = next((failure for part, failure in CONNECTING.items() if f"{part}" in text), LOST)
        return LOST if "refused" in text or "No such file" in text else by_text
    return Failure("statement", _first_line(original), "correct the statement, or the value")


def _longest(known: dict[str, Failure], code: str | None) -> Failure | None:
    fitting = [begin for begin in known if code is not None and code.startswith(begin)]
    return known[max(fitting, key=len)] if fitting else None


def _message(original: Any) -> str:
    diagnosis = getattr(original, "diag", None)
    return (getattr(diagnosis, "message_primary", None) or _first_line(original))[:300]


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
