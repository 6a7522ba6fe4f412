"""Evidence about two items: users of both, similarity of their features, and shared values of the item table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from triptych.data.dataset import Dataset
from triptych.data.features import Features, FeatureStream
from triptych.data.interactions import Interactions
from triptych.data.neighbours import Neighbours
from triptych.explaining.explanation import Evidence, Similarity

N_IDS = 3  # shared users whose ids are given
TOLERANCE = 0.25  # standard deviations: two numbers at most so far apart count as shared


def evidence_of(
    train: Interactions, dataset: Dataset, user: int, item: int, history_items: Sequence[int]
) -> list[Evidence]:
    """Return the evidence about each of some items of the user's history and the recommended item.

    train: the training interactions. dataset: features, neighbours and item table are used, if there are any.
    """
    cosines = {name: cosines_to(features, item) for name, features in dataset.features.items()}
    evidence = []
    for other in history_items:
        users = users_of_all(train, user, other, item)
        similarity = {
            name: _similarity(dataset.neighbours.get(name), values, item, other)
            for name, values in cosines.items()
            if np.isfinite(values[other])
        }
        ids = tuple(dataset.users.names(users[:N_IDS]).to_list())
        evidence.append(Evidence(len(users), ids, similarity, shared_values(dataset, item, other)))
    return evidence


def users_of_all(train: Interactions, user: int, *items: int) -> NDArray[np.int64]:
    """int64 [n]: the other users with all of these items; users with more items in common with `user` come first."""
    found = None
    for item in items:
        users = train.users[train.items == item]
        found = users if found is None else np.intersect1d(found, users)
    others = np.zeros(0, np.int64) if found is None else found[found != user]
    positions, items_of_others = train.items_of(others)
    n_common = np.bincount(positions[np.isin(items_of_others, train.history(user))], minlength=len(others))
    return others[np.argsort(-n_common, kind="stable")]


def cosines_to(features: Features, item: int) -> NDArray[np.float64]:
    """float64 [n_items]: the cosine of every item to one item; NaN if one of them lacks the modality.

    Reads the features chunk by chunk.
    """
    cosines = np.full(features.n_items, np.nan)
    vector = np.asarray(features.table[item], dtype=np.float32)
    norm = float(np.linalg.norm(vector))
    if not features.present[item] or not norm:
        return cosines
    for rows in FeatureStream.from_features(features).chunks():
        chunk = np.asarray(features.table[rows], dtype=np.float32)
        norms = np.linalg.norm(chunk, axis=1)
        valid = features.present[rows] & (norms > 0)
        cosines[rows] = np.where(valid, (chunk @ vector) / np.where(norms > 0, norms * norm, 1), np.nan)
    return cosines


def _similarity(given: Neighbours | None, cosines: NDArray[np.float64], item: int, other: int) -> Similarity:
    """given: the neighbours that came with the data set. cosines: float64 [n_items], of all items to `item`."""
    for one, another in ((item, other), (other, item)) if given is not None else ():
        assert given is not None
        columns = np.flatnonzero(given.items[one] == another)
        if len(columns):
            return Similarity(float(given.cosines[one, columns[0]]), 1 - given.k / len(cosines), given.k)
    rest = np.delete(cosines, [item, other])
    rest = rest[np.isfinite(rest)]
    return Similarity(float(cosines[other]), float((rest < cosines[other]).mean()) if len(rest) else 0.0)


def shared_values(dataset: Dataset, one: int, other: int) -> dict[str, list[str]]:
    """Column -> the values that both items have, for the columns that the metadata features are made of."""
    table, metadata = dataset.item_table, dataset.features.get("metadata")
    if table is None or metadata is None or metadata.encoder is None:
        return {}
    shared = {}
    for part in metadata.encoder["parts"]:
        column = part["column"]
        if column in table.columns:
            values = _values_of_both(part, table[column][one], table[column][other])
            if values:
                shared[column] = values
    return shared


def _values_of_both(part: Mapping[str, object], one: object, other: object) -> list[str]:
    """part: the description of a column in the metadata encoder."""
    if one is None or other is None:
        return []
    if part["kind"] == "multi":
        separator = str(part["separator"])
        other_values = {value.strip() for value in str(other).split(separator)}
        return [value.strip() for value in str(one).split(separator) if value.strip() and value.strip() in other_values]
    if part["kind"] == "numeric":
        try:
            close = abs(float(str(one)) - float(str(other))) <= TOLERANCE * float(str(part["scale"]))
        except ValueError:
            return []
        return [str(one) if str(one) == str(other) else f"{one} and {other}"] if close else []
    return [str(one)] if str(one) == str(other) else []
