"""Content-smoothed EASE: a linear model that lets look-alikes speak for each other. Solved, not trained.

A_m = the k nearest items by cosine of modality m, cosine-weighted, self removed        S = Σ_m w_m max(A_m, A_mᵀ)
U = X + α X S                               users who took an item have partly taken its look-alikes
B = EASE's weights of X (λ)                 see EASE
scores = U B / rms(U B) + γ X S / rms(X S)

As both terms are linear in X, scores = X W with W = (I + α S) B / rms(U B) + γ S / rms(X S). The rms is over the scores
that a sample of users gives the items that anybody took. In the sparse form B is sparse, and W stays a product, which
would have dozens of times the entries of B. Without any modality this is EASE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg
from typing_extensions import Doc

from triptych.data.dataset import Dataset
from triptych.graph.item_graph import modality_weights
from triptych.graph.neighbours import neighbour_matrix, neighbours_of
from triptych.models.decomposition import COLLABORATIVE
from triptych.models.model import ClosedFormModel, ItemAttributions
from triptych.models.ridge import item_weights
from triptych.progress import Listener, ignore_progress
from triptych.ranking.scorer import ItemWeights
from triptych.settings import Choices, LogRange, Search

SAMPLE = 2048  # users that the sizes of scores are taken from


class ContentEASE(ClosedFormModel):
    """See the module: the equations. Takes any number of modalities."""

    @dataclass(frozen=True)
    class Settings:
        """Content-smoothed EASE's settings."""

        reg_weight: Annotated[float, Interval(gt=0), Doc("ridge penalty λ")] = 200.0
        n_neighbours: Annotated[int, Interval(ge=2), Doc("nearest items k by content, itself included")] = 10
        image_weight: Annotated[
            float, Interval(ge=0, le=1), Doc('weight of modality "image" in S; the others share the rest')
        ] = 0.3
        smoothing: Annotated[float, Interval(ge=0), Doc("share α of an item that who took a look-alike has taken")] = (
            0.4
        )
        content_weight: Annotated[float, Interval(ge=0), Doc("weight γ of the look-alikes' own scores")] = 0.3
        form: Annotated[
            Literal["auto", "dense", "sparse"], Doc("dense: n_items² floats; auto: dense up to 20,000 items")
        ] = "auto"
        n_regressors: Annotated[int, Interval(ge=1), Doc("items that an item is regressed on, in the sparse form")] = (
            200
        )

    paper = ""
    needs_features = True
    search: ClassVar[Search] = {
        "reg_weight": LogRange(10.0, 1000.0),
        "smoothing": LogRange(0.1, 1.5),
        "content_weight": LogRange(0.05, 1.0),
        "image_weight": Choices((0.1, 0.2, 0.3, 0.4, 0.5)),
    }

    def __init__(self, settings: ContentEASE.Settings) -> None:
        self.settings = settings

    def solve(self, dataset: Dataset, listener: Listener = ignore_progress) -> ItemWeights:
        s, taken = self.settings, dataset.interactions
        graph = self.item_graph(dataset)
        weights: Any = item_weights(taken, s.reg_weight, s.form, s.n_regressors, listener)
        users = _sample(dataset)
        content = s.content_weight / _rms(ItemWeights(taken, graph), users)
        if not isinstance(weights, np.ndarray):
            spread = sparse.csr_array(np.float32(s.smoothing) * graph)
            size = _rms(ItemWeights(taken, weights, spread), users)
            return ItemWeights(
                taken,
                sparse.csr_array(weights / np.float32(size)),
                spread,
                sparse.csr_array(np.float32(content) * graph),
            )
        _add_product(weights, graph, np.float32(s.smoothing))
        weights /= _rms(ItemWeights(taken, weights), users)
        rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
        weights[rows, graph.indices] += np.float32(content) * graph.data
        return ItemWeights(taken, weights)

    def item_components(self, scorer: ItemWeights, dataset: Dataset) -> ItemAttributions:
        """W's columns as b + Σ_m (α S_m b + γ S_m / rms), S_m a modality's part of S and b the column of B / rms.

        The dense form keeps W alone: b solves (I + α S) b = W − γ S / rms among the items that anybody took; of the
        others, rows of B are zero.
        """
        s, taken, graphs = self.settings, dataset.interactions, self.item_graphs(dataset)
        graph, alpha = self.item_graph(dataset), np.float32(self.settings.smoothing)
        gamma = np.float32(s.content_weight / _rms(ItemWeights(taken, graph), _sample(dataset)))
        known = (taken.item_degrees > 0).astype(np.float64)
        spread: Any = linalg.LinearOperator(
            graph.shape, lambda b: b + alpha * known * (graph @ (known * b)), dtype=np.float64
        )

        def attributions(item: int) -> dict[str, NDArray[np.float64]]:
            whole = scorer.item_attributions(item)
            own = known * (whole - gamma * graph[:, [item]].toarray()[:, 0])
            b, _ = linalg.minres(spread, own, rtol=1e-10, maxiter=1000)
            parts = {m: alpha * (each @ b) + gamma * each[:, [item]].toarray()[:, 0] for m, each in graphs.items()}
            return {COLLABORATIVE: whole - sum(parts.values()), **parts}

        return attributions

    def extend_scorer(self, scorer: ItemWeights, dataset: Dataset) -> ItemWeights:
        """A new item is scored by γ X S alone, in its old measure: its row of B is zero, its row of S is not."""
        n_known, n_items = scorer.n_items, dataset.n_items
        taken = dataset.interactions
        graph = self.item_graph(dataset)
        content = np.float32(self.settings.content_weight / _rms(ItemWeights(taken, graph), _sample(dataset)))
        if isinstance(scorer.weights, np.ndarray):
            weights = np.zeros((n_items, n_items), dtype=np.float32)
            weights[:n_known, :n_known] = scorer.weights
            for rows, columns in ((slice(n_known), slice(n_known, None)), (slice(n_known, None), slice(None))):
                weights[rows, columns] = (content * graph[rows, columns]).toarray()
            return ItemWeights(taken, weights)
        B = sparse.csr_array(scorer.weights)
        starts = np.pad(B.indptr, (0, n_items - n_known), mode="edge")  # empty rows
        B = sparse.csr_array((B.data, B.indices, starts), shape=(n_items, n_items))
        return ItemWeights(
            taken, B, sparse.csr_array(np.float32(self.settings.smoothing) * graph), sparse.csr_array(content * graph)
        )

    def item_graph(self, dataset: Dataset) -> sparse.csr_array:
        """S, float32 [n_items, n_items]."""
        total = sparse.csr_array((dataset.n_items, dataset.n_items), dtype=np.float32)
        for graph in self.item_graphs(dataset).values():
            total = total + graph
        summed: sparse.csr_array = sparse.csr_array(total)
        summed.eliminate_zeros()
        summed.sort_indices()
        return summed

    def item_graphs(self, dataset: Dataset) -> dict[str, sparse.csr_array]:
        """Every modality's weighed part of S, float32 [n_items, n_items]."""
        graphs = {}
        for name, weight in modality_weights(list(dataset.features), self.settings.image_weight).items():
            found = neighbours_of(dataset, name, self.settings.n_neighbours)
            itself = found.items == np.arange(dataset.n_items)[:, None]
            one = neighbour_matrix(found, np.where(itself, np.float32(0), found.cosines))
            graphs[name] = np.float32(weight) * one.maximum(one.T)
        return graphs


def _sample(dataset: Dataset) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, dataset.n_users - 1, SAMPLE).astype(np.int64))


def _add_product(weights: NDArray[np.float32], graph: sparse.csr_array, smoothing: np.float32) -> None:
    """weights += smoothing · graph @ weights, in place, a slice of columns at a time."""
    n = len(weights)
    size = max(1, 16_000_000 // n)
    for begin in range(0, n, size):
        columns = np.ascontiguousarray(weights[:, begin : begin + size])
        weights[:, begin : begin + size] = columns + smoothing * (graph @ columns)


def _rms(scorer: ItemWeights, users: NDArray[np.int64]) -> float:
    """Root mean square of some users' scores of the items that anybody took; 1 where all are zero."""
    known = scorer.history.interacted_items
    parts = [some for some in np.array_split(users, 8) if len(some)]
    total = sum(float(scorer.score(some)[:, known].double().square().sum()) for some in parts)
    return float(np.sqrt(total / (len(users) * len(known)))) or 1.0
