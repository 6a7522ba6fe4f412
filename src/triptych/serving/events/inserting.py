"""Insert many events in one statement, in the fastest way that each database has."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from triptych.serving.events.event import Event
from triptych.serving.events.schema import EVENTS

COLUMNS = "position, event_id, user_id, item_id, time, event_type, weight"
PASS_OVER = "ON CONFLICT (event_id) DO NOTHING"
SQLITE = f"INSERT INTO {EVENTS.name} ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) {PASS_OVER}"
TYPES = ("bigint", "text", "text", "text", "float8", "text", "float8")
ARRAYS = ", ".join(f"%s::{each}[]" for each in TYPES)
POSTGRESQL = f"INSERT INTO {EVENTS.name} ({COLUMNS}) SELECT * FROM unnest({ARRAYS}) {PASS_OVER} RETURNING event_id"


def insert_events(connection: Connection, events: Sequence[Event], after: int) -> set[str]:
    """Insert events with distinct ids at the positions from `after` + 1. Returns the ids that were not known."""
    rows = [
        (position, event.event_id, event.user_id, event.item_id, event.time, event.kind, event.weight)
        for position, event in enumerate(events, start=after + 1)
    ]
    if connection.dialect.name == "postgresql":
        columns = tuple(list(each) for each in zip(*rows, strict=True))
        return set(connection.exec_driver_sql(POSTGRESQL, columns).scalars())
    connection.exec_driver_sql(SQLITE, rows)
    return set(connection.execute(select(EVENTS.c.event_id).where(EVENTS.c.position > after)).scalars())
