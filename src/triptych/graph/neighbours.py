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

    Raises SettingsError if neighbours were given, but fewer than k.
    """
    given = dataset.neighbours.get(modality)
    if given is None:
        return nearest(dataset.features[modality], k)
    if given.k < k:
        raise SettingsError(
            f'the data set gives {given.k} neighbours by "{modality}", and {k} are asked for',
            mend=f"set n_neighbours to {given.k}, or prepare without --neighbours",
        )
    return Neighbours(given.items[:, :k], given.cosines[:, :k])


def nearest(features: Features, k: int) -> Neighbours:
    """The k nearest items of every item by cosine, the item itself among them.

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
    taken = min(k, len(has))
    size = max(1, BLOCK_CELLS // max(1, len(has)))
    for begin in range(0, len(has), size):
        block = unit[begin : begin + size] @ unit.T
        best, columns = block.topk(taken, dim=1)
        columns, order = columns.sort(dim=1)  # equal cosines in the order of rows
        best, by_cosine = best.gather(1, order).sort(dim=1, descending=True, stable=True)
        rows = has[begin : begin + size]
        items[rows, :taken] = has[columns.gather(1, by_cosine).numpy()]
        cosines[rows, :taken] = best.numpy()
    return Neighbours(items, cosines)


def matrix_of(neighbours: Neighbours, values: NDArray[np.floating[Any]]) -> sparse.csr_array:
    """[n_items, n_items]: row i holds values[i] in the columns of its neighbours."""
    n, k = neighbours.items.shape
    there = neighbours.items >= 0
    rows = np.repeat(np.arange(n), k).reshape(n, k)[there]
    return sparse.csr_array((values[there], (rows, neighbours.items[there])), shape=(n, n))
