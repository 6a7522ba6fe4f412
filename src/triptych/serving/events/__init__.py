"""What happens while a shop runs, durable in SQLite or PostgreSQL: events, availability of items, new items."""

from triptych.serving.events.event import Event, NewItem
from triptych.serving.events.store import EventStore, Health, open_store

__all__ = ["Event", "EventStore", "Health", "NewItem", "open_store"]
