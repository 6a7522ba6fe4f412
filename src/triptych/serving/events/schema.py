"""The tables of the store, and the version of their layout."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    insert,
    inspect,
    select,
    text,
)

from triptych.errors import ArtefactError

VERSION = 1
LOCK = 0x7472_6970  # PostgreSQL's number for "who makes the tables": two at the same time would fail
TABLES = MetaData()

# One row. Who adds events or items changes it first, and so holds it until the transaction ends: positions become
# visible in their order, and a reader that has seen position n never misses a lower one.
STATE = Table(
    "triptych_store",
    TABLES,
    Column("version", Integer, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),  # of availability and new items
)
EVENTS = Table(
    "triptych_events",
    TABLES,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False, unique=True),
    Column("user_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("time", Double, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("weight", Double, nullable=False),
)
Index("triptych_events_of_a_user", EVENTS.c.user_id, EVENTS.c.position)
UNAVAILABLE = Table("triptych_unavailable_items", TABLES, Column("item_id", Text, primary_key=True))
NEW_ITEMS = Table(
    "triptych_new_items",
    TABLES,
    Column("item_id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("fields", Text, nullable=False),
)
CONTENT = Table(  # of new items
    "triptych_new_item_content",
    TABLES,
    Column("item_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),  # "file", or the type of the numbers of features
    Column("name", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)


def has_tables(connection: Connection) -> bool:
    """Return whether the tables exist."""
    return bool(inspect(connection).has_table(STATE.name))


def make_tables(connection: Connection) -> None:
    """Make the tables if they do not exist."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    if not has_tables(connection):
        TABLES.create_all(connection)
        connection.execute(insert(STATE).values(version=VERSION, last_position=0, revision=0))


def check_version(connection: Connection, where: str) -> None:
    """Raise ArtefactError if the tables have a layout that this version does not know."""
    version = connection.execute(select(STATE.c.version)).scalar_one()
    if version > VERSION:
        raise ArtefactError(
            f"was written by a newer version of Triptych: its layout is {version}, and this one knows {VERSION}",
            where=where,
            hint="update Triptych",
        )
