"""What can be checked about two items: who took both, how alike their features are, what their table says of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from triptych.data.dataset import Dataset
from triptych.data.features import Features, streamed
from triptych.data.interactions import Interactions
from triptych.data.neighbours import Neighbours
from triptych.explaining.explanation import Alike, Evidence

NAMED = 3  # users that are told by name
CLOSE = 0.25  # of a number's standard deviation: so near, and two items share it


def evidence_of(known: Interactions, dataset: Dataset, user: int, item: int, taken: Sequence[int]) -> list[Evidence]:
    """One for each of some items taken. known: the training interactions; dataset: features and table, if any."""
    cosines = {name: cosines_to(features, item) for name, features in dataset.features.items()}
    made = []
    for other in taken:
        both = who_took_both(known, user, other, item)
        alike = {
            name: _alike(dataset.neighbours.get(name), to, item, other)
            for name, to in cosines.items()
            if np.isfinite(to[other])
        }
        names = tuple(dataset.users.names(both[:NAMED]).to_list())
        made.append(Evidence(len(both), names, alike, shared_values(dataset, item, other)))
    return made


def who_took_both(known: Interactions, user: int, *items: int) -> NDArray[np.int64]:
    """int64 [n]: the other users who took all of these items, those who share most with the user first."""
    found = None
    for item in items:
        who = known.users[known.items == item]
        found = who if found is None else np.intersect1d(found, who)
    others = np.zeros(0, np.int64) if found is None else found[found != user]
    own = known.history(user)
    positions, theirs = known.items_of(others)
    in_common = np.bincount(positions[np.isin(theirs, own)], minlength=len(others))
    return others[np.argsort(-in_common, kind="stable")]


def cosines_to(features: Features, item: int) -> NDArray[np.float64]:
    """float64 [n_items]: every item's cosine to one, NaN where either lacks the modality. Read a chunk at a time."""
    cosines = np.full(features.n_items, np.nan)
    one = np.asarray(features.table[item], dtype=np.float32)
    length = float(np.linalg.norm(one))
    if not features.present[item] or not length:
        return cosines
    for rows in streamed(features).chunks():
        some = np.asarray(features.table[rows], dtype=np.float32)
        lengths = np.linalg.norm(some, axis=1)
        there = features.present[rows] & (lengths > 0)
        cosines[rows] = np.where(there, (some @ one) / np.where(lengths > 0, lengths * length, 1), np.nan)
    return cosines


def _alike(given: Neighbours | None, cosines: NDArray[np.float64], item: int, other: int) -> Alike:
    for one, another in ((item, other), (other, item)) if given is not None else ():
        assert given is not None
        found = np.flatnonzero(given.items[one] == another)
        if len(found):
            return Alike(float(given.cosines[one, found[0]]), 1 - given.k / len(cosines), given.k)
    those = np.delete(cosines, [item, other])
    those = those[np.isfinite(those)]
    return Alike(float(cosines[other]), float((those < cosines[other]).mean()) if len(those) else 0.0)


def shared_values(dataset: Dataset, one: int, other: int) -> dict[str, list[str]]:
    """Column -> the values that both items have, of the columns that the metadata features were made of."""
    table, metadata = dataset.item_table, dataset.features.get("metadata")
    if table is None or metadata is None or metadata.encoder is None:
        return {}
    shared = {}
    for part in metadata.encoder["parts"]:
        column = part["column"]
        if column in table.columns:
            values = _in_both(part, table[column][one], table[column][other])
            if values:
                shared[column] = values
    return shared


def _in_both(part: Mapping[str, object], one: object, other: object) -> list[str]:
    if one is None or other is None:
        return []
    if part["kind"] == "multi":
        separator = str(part["separator"])
        theirs = {value.strip() for value in str(other).split(separator)}
        return [value.strip() for value in str(one).split(separator) if value.strip() and value.strip() in theirs]
    if part["kind"] == "numeric":
        try:
            near = abs(float(str(one)) - float(str(other))) <= CLOSE * float(str(part["scale"]))
        except ValueError:
            return []
        return [str(one) if str(one) == str(other) else f"{one} and {other}"] if near else []
    return [str(one)] if str(one) == str(other) else []
