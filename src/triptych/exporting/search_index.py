"""Search indices of item vectors, by Faiss and USearch. Label r of an index is item row r."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from triptych.exporting.recall import Search
from triptych.progress import Listener, ignore_progress, track

Index = Literal["exact", "hnsw"]
# of a HNSW graph: links per item, candidates to build and to search. Graphs of inner products need more than those of
# distances: lists share a few items with long vectors
NEIGHBOURS, CONSTRUCTION, SEARCH = 64, 400, 200
CHUNK = 4096  # items that are added at a time

Built = tuple[Callable[[Path], None], Search]  # writes the index to a file; searches it


def build_faiss(items: NDArray[np.float32], index: Index, k: int, listener: Listener = ignore_progress) -> Built:
    """Build a Faiss index of item vectors, float32 [n, d]: an exact one (IndexFlatIP), or a HNSW graph.

    k: how many items a search will return; a graph searches among more candidates if that is large.
    """
    import faiss

    built: Any
    if index == "exact":
        built = faiss.IndexFlatIP(items.shape[1])
    else:
        built = faiss.IndexHNSWFlat(items.shape[1], NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        built.hnsw.efConstruction, built.hnsw.efSearch = CONSTRUCTION, candidates(k)
    for begin in track("building the index", range(0, len(items), CHUNK), listener):
        built.add(items[begin : begin + CHUNK])
    return lambda path: faiss.write_index(built, str(path)), lambda queries, k: np.asarray(built.search(queries, k)[1])


def build_usearch(items: NDArray[np.float32], k: int, listener: Listener = ignore_progress) -> Built:
    """Build a USearch index of item vectors, float32 [n, d]: a HNSW graph; its keys are item rows."""
    from usearch.index import Index as Graph

    built: Any = Graph(
        ndim=items.shape[1],
        metric="ip",
        dtype="f32",
        connectivity=NEIGHBOURS,
        expansion_add=CONSTRUCTION,
        expansion_search=candidates(k),
    )
    for begin in track("building the index", range(0, len(items), CHUNK), listener):
        part = items[begin : begin + CHUNK]
        built.add(np.arange(begin, begin + len(part)), part)

    def search(queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        found = built.search(queries, k)
        keys = np.asarray(found.keys, dtype=np.int64).reshape(len(queries), -1)
        missing = np.arange(keys.shape[1]) >= np.atleast_1d(found.counts)[:, None]
        return np.where(missing, -1, keys)

    return lambda path: built.save(str(path)), search


def candidates(k: int) -> int:
    """Return among how many candidates a HNSW graph searches for the best k."""
    return max(SEARCH, 2 * k)
