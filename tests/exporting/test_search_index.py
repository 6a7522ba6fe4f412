"""Indices of Faiss and USearch return Triptych's own top 50, or say how many of it they find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

import triptych
from exporting.models_to_export import WITH_VECTORS, all_scores, fitted, model_of, same_lists
from triptych.exporting.recall import recall
from triptych.exporting.search_index import build_faiss
from triptych.exporting.vectors import vectors_of
from triptych.ranking.recommender import Recommender


def read_beside(path: Path) -> tuple[list[str], pl.DataFrame, NDArray[np.float32]]:
    """The item ids by label, the users, and their vectors, as a client reads them."""
    frame = pl.read_parquet(f"{path}.parquet")
    users = frame.filter(pl.col("kind") == "user")
    return frame.filter(pl.col("kind") == "item")["id"].to_list(), users, users["vector"].to_numpy()


def faiss_labels(path: Path, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    import faiss

    index: Any = faiss.read_index(str(path))
    return np.asarray(index.search(np.ascontiguousarray(queries), k)[1])


def usearch_labels(path: Path, queries: NDArray[np.float32], k: int, *, exact: bool) -> NDArray[np.int64]:
    from usearch.index import Index

    index: Any = Index.restore(str(path))
    index.expansion_search = 200
    return np.asarray(index.search(queries, k, exact=exact).keys).astype(np.int64)


def models() -> list[Recommender]:
    return [model_of("factors"), model_of("blend"), *map(fitted, WITH_VECTORS)]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.model_name)
def test_the_lists_of_an_exact_index_of_faiss_are_those_of_the_model(model: Recommender, tmp_path: Path) -> None:
    path, k = tmp_path / "items.faiss", min(50, model.dataset.n_items)
    report = triptych.export(model, f"faiss:{path}", k=k)
    assert (report.recall, report.index) == (1.0, "exact")
    ids, users, vectors = read_beside(path)
    assert ids == model.dataset.items.ids.to_list()
    rows = model.dataset.users.rows(users["id"])
    assert rows.tolist() == users["row"].to_list()
    assert same_lists(faiss_labels(path, vectors, k), all_scores(model)[rows], k)


@pytest.mark.parametrize("kind", ["factors", "blend"])
def test_an_exact_search_of_usearch_returns_the_lists_of_the_model(kind: str, tmp_path: Path) -> None:
    model, path = model_of(kind), tmp_path / "items.usearch"
    report = triptych.export(model, f"usearch:{path}")
    assert report.index == "hnsw"
    _, users, vectors = read_beside(path)
    rows = model.dataset.users.rows(users["id"])
    assert same_lists(usearch_labels(path, vectors, 50, exact=True), all_scores(model)[rows], 50)


@pytest.mark.parametrize("kind", ["faiss", "usearch"])
def test_the_stated_recall_of_a_graph_is_that_of_the_file(kind: str, tmp_path: Path) -> None:
    model, path = model_of("factors"), tmp_path / f"items.{kind}"
    report = triptych.export(model, f"{kind}:{path}", index="hnsw", k=10)
    _, users, vectors = read_beside(path)
    found = faiss_labels(path, vectors, 10) if kind == "faiss" else usearch_labels(path, vectors, 10, exact=False)
    scores = all_scores(model)[model.dataset.users.rows(users["id"])]
    shares = [len(set(row) & set(best)) / 10 for row, best in zip(found, np.argsort(-scores)[:, :10], strict=True)]
    assert report.recall == pytest.approx(np.mean(shares), abs=0.005)
    assert report.measured_users == len(users)


def test_the_recall_counts_what_is_missing() -> None:
    vectors = vectors_of(model_of("factors"))
    _, search = build_faiss(vectors.item_vectors, "exact", 10)

    def worse(queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        found = search(queries, k).copy()
        found[:, -3:] = -1
        return found

    assert recall(search, vectors, 10) == (1.0, 59)
    share, measured = recall(worse, vectors, 10, n_users=20)
    assert share == pytest.approx(0.7)
    assert measured == 20


def test_k_may_exceed_the_catalogue(tmp_path: Path) -> None:
    assert triptych.export(model_of("factors"), f"faiss:{tmp_path / 'i'}", k=1000).recall == 1.0
    assert triptych.export(model_of("factors"), f"usearch:{tmp_path / 'u'}", k=1000).recall == 1.0
