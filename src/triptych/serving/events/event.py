"""What the store keeps: events of users with items, and items that are new."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.errors import InputError

LONGEST_ID = 512  # characters: an index of PostgreSQL has room for 2,700 bytes


@dataclass(frozen=True)
class Event:
    """A user had an item. event_id: chosen by the sender; an event that comes again with the same one counts once.

    time: seconds since 1970. kind: as view, cart or buy. Raises InputError for ids and numbers that cannot be stored.
    """

    event_id: str
    user_id: str
    item_id: str
    time: float
    kind: str = "interaction"
    weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("event_id", "user_id", "item_id", "kind"):
            check_text(getattr(self, name), name)
        if not math.isfinite(self.time):
            raise InputError(f"{self.time} is not a time", where="time", hint="give seconds since 1970")
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise InputError(f"{self.weight} is not a weight", where="weight", hint="give a number of 0 or more")


@dataclass(frozen=True)
class NewItem:
    """An item that training did not know.

    fields: its row of the item table, as JSON has it: texts, numbers, lists. features: modality -> float [width].
    files: name -> bytes, as a picture. Raises InputError for an id, or features, that cannot be stored.
    """

    item_id: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, NDArray[np.floating[Any]]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_text(self.item_id, "item_id")
        for name, values in self.features.items():
            if values.ndim != 1 or values.dtype.kind != "f" or not np.isfinite(values).all():
                raise InputError(
                    "is not a vector of finite floats", where=f'features "{name}" of item "{self.item_id}"'
                )


def check_text(text: str, name: str) -> None:
    """Raise InputError for an id that is empty, too long or has characters that a database does not store."""
    hint = f"give text of 1 to {LONGEST_ID} characters"
    if not isinstance(text, str):
        raise InputError(f"{text!r} is not text", where=name, hint=hint)
    if not 0 < len(text) <= LONGEST_ID:
        raise InputError("is empty" if not text else f"has {len(text):,} characters", where=name, hint=hint)
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError("has a NUL character, or half a character", where=name, hint="give text in UTF-8")
