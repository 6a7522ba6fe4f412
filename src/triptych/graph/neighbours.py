"""The k nearest items by cosine of a modality, for the item graphs of FREEDOM and content-EASE, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch.nn import functional

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.data.neighbours import Neighbours
from triptych.errors import SettingsError

BLOCK_CELLS = 16_000_000  # similarities in memory at a time: 64 MB


def modality_neighbours(dataset: Dataset, modality: str, k: int) -> Neighbours:
    """Return the k nearest items by a modality: those that the data set has, else computed from its features.

    An item without interactions has neighbours, but it is a neighbour of itself only: its embedding is not trained.
    Raises SettingsError if the data set has neighbours, but fewer than k.
    """
    given, warm = dataset.neighbours.get(modality), dataset.interactions.item_degrees > 0
    if given is None:
        return nearest_items(dataset.features[modality], k, warm)
    if given.k < k:
        raise SettingsError(
            f'the data set has {given.k} neighbours by "{modality}", but the model needs {k}',
            hint=f"set n_neighbours to {given.k}, or prepare without `neighbours`",
        )
    kept = (given.items >= 0) & (warm[given.items] | (given.items == np.arange(dataset.n_items)[:, None]))
    if not kept[given.items >= 0].all():
        given = given.filter(kept)
    missing = ~warm & dataset.features[modality].present & (given.items < 0).all(axis=1)
    if missing.any():  # new items, which the given neighbours do not cover
        computed = nearest_items(dataset.features[modality], given.k, warm, missing)
        given = Neighbours(
            np.where(missing[:, None], computed.items, given.items),
            np.where(missing[:, None], computed.cosines, given.cosines),
        )
    return Neighbours(given.items[:, :k], given.cosines[:, :k])


def nearest_items(
    features: Features, k: int, candidates: NDArray[np.bool_] | None = None, queries: NDArray[np.bool_] | None = None
) -> Neighbours:
    """Return the k nearest items of every item by cosine. A candidate is one of its own neighbours.

    candidates: bool [n_items], the items that may be neighbours; None: all. queries: bool [n_items], the items whose
    neighbours are computed; None: all. The others have none.

    Items without the modality, and items whose features are all zeros, have no neighbours and are not neighbours. Equal
    cosines: lower row first. Memory: the unit rows in float32, and one block of similarities.
    """
    n = features.n_items
    k = min(k, n)
    items, cosines = np.full((n, k), -1, dtype=np.int64), np.zeros((n, k), dtype=np.float32)
    query_rows = np.flatnonzero(features.present)
    if not len(query_rows) or not k:
        return Neighbours(items, cosines)
    unit = functional.normalize(torch.from_numpy(np.asarray(features.table[query_rows], dtype=np.float32)), dim=1)
    nonzero = unit.norm(dim=1) > 0.5
    query_rows, unit = query_rows[nonzero.numpy()], unit[nonzero]
    candidate_rows, candidate_unit = query_rows, unit
    if candidates is not None and not candidates[query_rows].all():
        candidate_rows, candidate_unit = (
            query_rows[candidates[query_rows]],
            unit[torch.from_numpy(candidates[query_rows])],
        )
    if queries is not None:
        query_rows, unit = query_rows[queries[query_rows]], unit[torch.from_numpy(queries[query_rows])]
    n_nearest = min(k, len(candidate_rows))
    block_size = max(1, BLOCK_CELLS // max(1, len(candidate_rows)))
    for begin in range(0, len(query_rows), block_size):
        block = unit[begin : begin + block_size] @ candidate_unit.T
        best, columns = block.topk(n_nearest, dim=1)
        columns, order = columns.sort(dim=1)  # equal cosines in the order of rows
        best, by_cosine = best.gather(1, order).sort(dim=1, descending=True, stable=True)
        rows = query_rows[begin : begin + block_size]
        items[rows, :n_nearest] = candidate_rows[columns.gather(1, by_cosine).numpy()]
        cosines[rows, :n_nearest] = best.numpy()
    return Neighbours(items, cosines)


def neighbour_matrix(neighbours: Neighbours, values: NDArray[np.floating[Any]]) -> sparse.csr_array:
    """Return the matrix [n_items, n_items] whose row i has values[i] in the columns of item i's neighbours."""
    n, k = neighbours.items.shape
    exists = neighbours.items >= 0
    rows = np.repeat(np.arange(n), k).reshape(n, k)[exists]
    return sparse.csr_array((values[exists], (rows, neighbours.items[exists])), shape=(n, n))
