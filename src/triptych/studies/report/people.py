"""A few users as a person would look at them: what they took, what they are recommended, with titles and pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triptych.content.pictures import thumbnail
from triptych.data.interactions import Interactions
from triptych.errors import InputError, SettingsError, did_you_mean
from triptych.ranking.recommender import Recommender
from triptych.ranking.topk import top_k

TITLES = ("title", "name", "item_name")  # columns that hold a title, where none is named
TAKEN, LISTED = 8, 12  # items shown of each kind
PICTURE = (205, 276)  # pixels: twice what the page shows


@dataclass(frozen=True)
class Item:
    """title, and the picture as base64 of a JPEG or None; hit: it was held out, and the list found it."""

    title: str
    picture: str | None
    hit: bool


@dataclass(frozen=True)
class Person:
    """A user's id, some items that they took, and the first that they are recommended."""

    name: str
    taken: Sequence[Item]
    listed: Sequence[Item]


@dataclass(frozen=True)
class Look:
    """How items look: columns of the item table, None: found by name, or the id; pictures: their folder."""

    title: str | None = None
    picture: str | None = None
    pictures: Path | None = None


def people(
    recommender: Recommender, held_out: Interactions, seen: Interactions, n: int, look: Look, seed: int = 0
) -> list[Person]:
    """n users who have held-out items, drawn by chance: half of them from those with few training interactions.

    Raises SettingsError on a column that the item table lacks.
    """
    train = recommender.split.train.interactions
    users, generator = np.flatnonzero(held_out.user_degrees), np.random.default_rng(seed)
    by_activity = users[np.argsort(train.user_degrees[users], kind="stable")]
    halves = [half for half in np.array_split(by_activity, 2) if len(half)]
    chosen = [generator.choice(half, min(len(half), -(-n // 2)), replace=False) for half in halves]
    rows = np.concatenate(chosen)[:n] if chosen else users[:0]
    lists, _ = top_k(recommender.scorer, rows, LISTED, seen)
    made = []
    for user, listed in zip(rows, lists, strict=True):
        taken = train.of(np.array([user]))[1]
        taken = generator.permutation(taken)[:TAKEN]
        hits = held_out.contain(np.full(len(listed), user), np.maximum(listed, 0)) & (listed >= 0)
        shown = [
            _item(recommender, int(item), look, hit=bool(hit))
            for item, hit in zip(listed, hits, strict=True)
            if item >= 0
        ]
        own = [_item(recommender, int(item), look, hit=False) for item in taken]
        made.append(Person(str(recommender.dataset.users.names(np.array([user]))[0]), own, shown))
    return made


def _item(recommender: Recommender, row: int, look: Look, *, hit: bool) -> Item:
    table, name = recommender.dataset.item_table, str(recommender.dataset.items.names(np.array([row]))[0])
    columns = table.columns if table is not None else []
    for asked in (look.title, look.picture):
        if asked is not None and asked not in columns:
            raise SettingsError(f'the items have no column "{asked}"', mend=did_you_mean(asked, columns))
    title = look.title or next((each for each in TITLES if each in columns), None)
    if table is None:
        return Item(name, None, hit)
    told = table[title][row] if title is not None else None
    return Item(str(told) if told else name, _picture(table[look.picture][row] if look.picture else None, look), hit)


def _picture(path: object, look: Look) -> str | None:
    """The picture of a path, None where there is none that can be read: a report is not the place to mend pictures."""
    if not path:
        return None
    try:
        return base64.b64encode(thumbnail((look.pictures or Path()) / str(path), *PICTURE)).decode()
    except InputError:
        return None
