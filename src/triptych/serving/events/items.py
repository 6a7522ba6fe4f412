"""New items as rows of the store: fields as JSON, vectors and files as bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from triptych.errors import InputError
from triptych.serving.events.event import NewItem

FILE = "file"


def fields_text(item: NewItem) -> str:
    """Return the fields as JSON. Raises InputError for values that JSON does not have."""
    try:
        return json.dumps(dict(item.fields), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"cannot be written as JSON: {error}",
            where=f'fields of item "{item.item_id}"',
            hint="give texts, numbers, lists and None",
        ) from None


def content_rows(item: NewItem) -> list[dict[str, Any]]:
    """Return a row for each vector and each file. Vectors keep their precision, in little-endian order."""
    vectors = [
        (
            values.dtype.newbyteorder("<").str,
            name,
            np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes(),
        )
        for name, values in item.features.items()
    ]
    files = [(FILE, name, content) for name, content in item.files.items()]
    return [
        {"item_id": item.item_id, "kind": kind, "name": name, "content": content}
        for kind, name, content in (*vectors, *files)
    ]


def item_from(item_id: str, fields: str, content: Sequence[Any]) -> NewItem:
    """Return the item of its rows."""
    features = {each.name: np.frombuffer(each.content, np.dtype(each.kind)) for each in content if each.kind != FILE}
    files = {each.name: bytes(each.content) for each in content if each.kind == FILE}
    return NewItem(item_id, json.loads(fields), features, files)
