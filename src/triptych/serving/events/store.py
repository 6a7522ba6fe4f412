"""The store of what happens while a shop runs. What a call wrote is durable when the call returns."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, exc, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from triptych.databases.address import Address, is_address, parse_address, sqlite_file
from triptych.databases.connections import Connections
from triptych.databases.failures import failure_of
from triptych.errors import ArtefactError, InputError, StoreUnavailable
from triptych.serving.events.event import Event, NewItem, check_text
from triptych.serving.events.grouping import GroupedWrites
from triptych.serving.events.inserting import insert_events
from triptych.serving.events.items import content_rows, fields_text, item_from
from triptych.serving.events.schema import (
    CONTENT,
    EVENTS,
    NEW_ITEMS,
    STATE,
    UNAVAILABLE,
    check_version,
    has_tables,
    make_tables,
)

MOST_EVENTS = 10_000  # of several calls that are written together
MOST_IDS = 5_000  # in one statement


@dataclass(frozen=True)
class Health:
    """The store answers. where: without user and password. last_position: of the newest event. seconds: of the answer.

    revision: goes up with every change of availability, and with every new item.
    """

    where: str
    version: int
    last_position: int
    revision: int
    seconds: float


class EventStore:
    """Events, availability of items and new items, in SQLite or PostgreSQL. For many threads and processes.

    All methods raise StoreUnavailable while the database does not answer, is busy or full. Nothing was written then,
    unless the connection was lost at the very end: send the same events again, and they count once. When the database
    is back, the methods work again. Forked processes make connections of their own.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._connections = Connections(address)
        self._append = GroupedWrites(self._write_events, MOST_EVENTS)
        self._is_checked = False

    def append(self, events: Sequence[Event]) -> list[bool]:
        """Write events, all or none. Returns whether each is new; False: its event id was known, and it is ignored."""
        with self._connections.held():
            return self._append(events) if events else []

    def since(self, position: int, limit: int) -> tuple[list[Event], int]:
        """Return the events after a position, at most `limit`, in order of arrival; and the position of the last one.

        The first position is 0. Who goes on from the returned position gets every event exactly once.
        """
        chosen = select(EVENTS).where(EVENTS.c.position > position).order_by(EVENTS.c.position).limit(limit)
        with self._reading() as connection:
            rows = connection.execute(chosen).all()
        return [_event(row) for row in rows], rows[-1].position if rows else position

    def history(self, user_id: str) -> list[Event]:
        """Return the events of a user, in order of arrival."""
        chosen = select(EVENTS).where(EVENTS.c.user_id == user_id).order_by(EVENTS.c.position)
        with self._reading() as connection:
            return [_event(row) for row in connection.execute(chosen)]

    def set_availability(self, item_ids: Sequence[str], available: bool) -> None:
        """Say that items are, or are not, available. All are until something else is said."""
        ids = list(dict.fromkeys(item_ids))
        for each in ids:
            check_text(each, "item_id")
        with self._writing() as connection:
            _advance(connection, "revision", 1)
            for begin in range(0, len(ids), MOST_IDS):
                part = ids[begin : begin + MOST_IDS]
                if available:
                    connection.execute(delete(UNAVAILABLE).where(UNAVAILABLE.c.item_id.in_(part)))
                else:
                    rows = [{"item_id": each} for each in part]
                    connection.execute(_insert_new(connection, UNAVAILABLE, "item_id"), rows)

    def unavailable(self) -> set[str]:
        """Return the items that are not available."""
        with self._reading() as connection:
            return set(connection.execute(select(UNAVAILABLE.c.item_id)).scalars())

    def add_item(self, item: NewItem) -> None:
        """Write an item that training did not know. If it was added before, this replaces it."""
        fields, content = fields_text(item), content_rows(item)
        with self._writing() as connection:
            revision = _advance(connection, "revision", 1)
            for table in (NEW_ITEMS, CONTENT):
                connection.execute(delete(table).where(table.c.item_id == item.item_id))
            connection.execute(insert(NEW_ITEMS).values(item_id=item.item_id, revision=revision, fields=fields))
            if content:
                connection.execute(insert(CONTENT), content)

    def new_items(self, since: int = 0) -> list[NewItem]:
        """Return the items that were added or replaced after a revision (see `Health`), in their order."""
        chosen = select(NEW_ITEMS).where(NEW_ITEMS.c.revision > since).order_by(NEW_ITEMS.c.revision)
        with self._reading() as connection:
            items = connection.execute(chosen).all()
            ids = [each.item_id for each in items]
            content: dict[str, list[Row[Any]]] = {}
            for begin in range(0, len(ids), MOST_IDS):
                part = CONTENT.c.item_id.in_(ids[begin : begin + MOST_IDS])
                for row in connection.execute(select(CONTENT).where(part).order_by(CONTENT.c.name)):
                    content.setdefault(row.item_id, []).append(row)
        return [item_from(each.item_id, each.fields, content.get(each.item_id, [])) for each in items]

    def health(self) -> Health:
        """Ask the database. Raises StoreUnavailable if it does not answer."""
        began = time.perf_counter()
        with self._reading() as connection:
            state = connection.execute(select(STATE)).one()
        seconds = time.perf_counter() - began
        return Health(self.address.shown, state.version, state.last_position, state.revision, seconds)

    def close(self) -> None:
        """Close the connections. The next call opens new ones."""
        self._connections.close()

    def _write_events(self, events: Sequence[Event]) -> list[bool]:
        first: dict[str, Event] = {}
        for event in events:
            first.setdefault(event.event_id, event)
        distinct = list(first.values())
        with self._writing(held=True) as connection:
            begin = _advance(connection, "last_position", len(distinct)) - len(distinct)
            new = insert_events(connection, distinct, begin)
        is_new = []
        for event in events:
            is_new.append(event.event_id in new)
            new.discard(event.event_id)  # a second one in the same batch was known
        return is_new

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._errors(), self._connections.reading() as connection:
            self._check(connection)
            yield connection

    @contextmanager
    def _writing(self, *, held: bool = False) -> Iterator[Connection]:
        with self._errors(), self._connections.writing(held=held) as connection:
            self._check(connection)
            yield connection

    def _check(self, connection: Connection) -> None:
        if not self._is_checked:
            check_version(connection, self.address.shown)
            self._is_checked = True

    def _make(self) -> None:
        with self._errors():
            with self._connections.reading() as connection:
                exists = has_tables(connection)
            if not exists:
                with self._connections.writing() as connection:
                    make_tables(connection)
        with self._reading():
            pass

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            failure, where = failure_of(error), self.address.shown
            if failure.kind == "damaged":
                raise ArtefactError(failure.what, where=where, hint=failure.hint) from None
            if failure.kind == "statement" and isinstance(error, exc.DataError):
                raise InputError(f"cannot be stored: {failure.what}", where=where, hint="correct it") from None
            raise StoreUnavailable(failure.what, where=where, hint=failure.hint) from None


def open_store(address: str | Path, *, wait: bool = False) -> EventStore:
    """Open the store at sqlite:///FILE, the path of a file, or postgresql://…; its tables are made if there are none.

    wait: return also if the database does not answer yet. The tables are then made by `open_store` at another time.
    Raises SettingsError for an address that cannot be read, StoreUnavailable, and ArtefactError if a newer version
    of this package made the tables, or if the file is no database.
    """
    parsed = parse_address(address) if is_address(address) else sqlite_file(Path(address))
    if parsed.kind == "sqlite":
        _touch(Path(parsed.target))
    store = EventStore(parsed)
    try:
        store._make()
    except Exception as error:
        store.close()
        if not (wait and isinstance(error, StoreUnavailable)):
            raise
    return store


def _touch(path: Path) -> None:
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise StoreUnavailable(
            f"cannot be opened: {error.strerror}", where=str(path), hint="check its folder, and the rights there"
        ) from None


def _insert_new(connection: Connection, table: Table, key: str) -> Any:
    """Return a statement that inserts rows; those whose key exists are passed over."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing(index_elements=[key])
    return sqlite.insert(table).on_conflict_do_nothing(index_elements=[key])


def _advance(connection: Connection, column: str, by: int) -> int:
    """Add to a number of the state, and return the sum. Other writers wait from here until this transaction ends."""
    number = STATE.c[column]
    return int(connection.execute(update(STATE).values({number: number + by}).returning(number)).scalar_one())


def _event(row: Row[Any]) -> Event:
    return Event(row.event_id, row.user_id, row.item_id, row.time, row.event_type, row.weight)
