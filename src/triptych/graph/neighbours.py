"""The item graph of a modality: every item's k nearest by cosine, found in blocks of bounded memory."""

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

BLOCK_CELLS = 16_000_000  # similarities held at a time: 64 MB


def neighbours_of(dataset: Dataset, modality: str, k: int) -> Neighbours:
    """The k nearest items by a modality: as given with the data set, else found from its features.

    An item that nobody took is nobody's neighbour but its own: it has neighbours that speak for it, and nothing to say.
    Raises SettingsError if neighbours were given, but fewer than k.
    """
    given, taken = dataset.neighbours.get(modality), dataset.interactions.item_degrees > 0
    if given is None:
        return nearest(dataset.features[modality], k, taken)
    if given.k < k:
        raise SettingsError(
            f'the data set gives {given.k} neighbours by "{modality}", and {k} are asked for',
            hint=f"set n_neighbours to {given.k}, or prepare without --neighbours",
        )
    kept = (given.items >= 0) & (taken[given.items] | (given.items == np.arange(dataset.n_items)[:, None]))
    if not kept[given.items >= 0].all():
        given = given.where(kept)
    without = ~taken & dataset.features[modality].present & (given.items < 0).all(axis=1)
    if without.any():  # new items, for whom nobody gave any
        found = nearest(dataset.features[modality], given.k, taken, without)
        given = Neighbours(
            np.where(without[:, None], found.items, given.items),
            np.where(without[:, None], found.cosines, given.cosines),
        )
    return Neighbours(given.items[:, :k], given.cosines[:, :k])


def nearest(
    features: Features, k: int, among: NDArray[np.bool_] | None = None, of: NDArray[np.bool_] | None = None
) -> Neighbours:
    """The k nearest items of every item by cosine; where it is `among` those, bool [n_items], itself one of them.

    of: bool [n_items], the items whose neighbours are looked for; the others get none.

    Items that lack the modality have no neighbours and are nobody's; nor are rows of zeros. Equal cosines: lower row
    first. Memory: the unit rows in float32, and one block of similarities.
    """
    n = features.n_items
    k = min(k, n)
    items, cosines = np.full((n, k), -1, dtype=np.int64), np.zeros((n, k), dtype=np.float32)
    has = np.flatnonzero(features.present)
    if not len(has) or not k:
        return Neighbours(items, cosines)
    unit = functional.normalize(torch.from_numpy(np.asarray(features.table[has], dtype=np.float32)), dim=1)
    directed = unit.norm(dim=1) > 0.5
    has, unit = has[directed.numpy()], unit[directed]
    candidates, theirs = has, unit
    if among is not None and not among[has].all():
        candidates, theirs = has[among[has]], unit[torch.from_numpy(among[has])]
    if of is not None:
        has, unit = has[of[has]], unit[torch.from_numpy(of[has])]
    taken = min(k, len(candidates))
    size = max(1, BLOCK_CELLS // max(1, len(candidates)))
    for begin in range(0, len(has), size):
        block = unit[begin : begin + size] @ theirs.T
        best, columns = block.topk(taken, dim=1)
        columns, order = columns.sort(dim=1)  # equal cosines in the order of rows
        best, by_cosine = best.gather(1, order).sort(dim=1, descending=True, stable=True)
        rows = has[begin : begin + size]
        items[rows, :taken] = candidates[columns.gather(1, by_cosine).numpy()]
        cosines[rows, :taken] = best.numpy()
    return Neighbours(items, cosines)


def neighbour_matrix(neighbours: Neighbours, values: NDArray[np.floating[Any]]) -> sparse.csr_array:
    """[n_items, n_items]: row i holds values[i] in the columns of its neighbours."""
    n, k = neighbours.items.shape
    there = neighbours.items >= 0
    rows = np.repeat(np.arange(n), k).reshape(n, k)[there]
    return sparse.csr_array((values[there], (rows, neighbours.items[there])), shape=(n, n))
