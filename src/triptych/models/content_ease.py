"""Content-smoothed EASE, our extension of EASE to content."""

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
from triptych.graph.neighbours import modality_neighbours, neighbour_matrix
from triptych.models.decomposition import COLLABORATIVE
from triptych.models.model import ClosedFormModel, ItemAttributions
from triptych.models.ridge import item_weights
from triptych.progress import Listener, ignore_progress
from triptych.ranking.scorer import ItemWeights
from triptych.settings import Choices, LogRange, SearchSpace, checked

SAMPLE = 2048  # users for the rms of the scores


class ContentEASE(ClosedFormModel):
    """Content-smoothed EASE: EASE on histories that are extended by items with similar content, in closed form.

        A_m = the k nearest items by cosine of modality m, cosine-weighted, zero diagonal     S = Σ_m w_m max(A_m, A_mᵀ)
        U = X + α X S                    every item of a history also adds its nearest items, with weight α
        B = EASE's weights of X (λ)      see EASE
        scores = U B / rms(U B) + γ X S / rms(X S)

    Both terms are linear in X, so scores = X W with W = (I + α S) B / rms(U B) + γ S / rms(X S). The rms is over the
    scores that a sample of users gives to the items with interactions. In the sparse form B is sparse and W is kept as
    a product, because W itself would have dozens of times the entries of B. Any number of modalities will do; without
    any, this is EASE.
    """

    @dataclass(frozen=True)
    @checked
    class Settings:
        """Content-smoothed EASE's settings."""

        reg_weight: Annotated[float, Interval(gt=0), Doc("ridge penalty λ")] = 200.0
        n_neighbours: Annotated[int, Interval(ge=2), Doc("nearest items k by content, the item itself included")] = 10
        image_weight: Annotated[
            float, Interval(ge=0, le=1), Doc('weight of modality "image" in S; the others share the rest')
        ] = 0.3
        smoothing: Annotated[
            float, Interval(ge=0), Doc("weight α of the items that extend a history because their content is similar")
        ] = 0.4
        content_weight: Annotated[float, Interval(ge=0), Doc("weight γ of the scores by content alone")] = 0.3
        form: Annotated[
            Literal["auto", "dense", "sparse"], Doc("dense: n_items² floats; auto: dense up to 20,000 items")
        ] = "auto"
        n_regressors: Annotated[int, Interval(ge=1), Doc("items that an item is regressed on, in the sparse form")] = (
            200
        )

    paper = ""
    needs_features = True
    search: ClassVar[SearchSpace] = {
        "reg_weight": LogRange(10.0, 1000.0),
        "smoothing": LogRange(0.1, 1.5),
        "content_weight": LogRange(0.05, 1.0),
        "image_weight": Choices((0.1, 0.2, 0.3, 0.4, 0.5)),
    }

    def __init__(self, settings: ContentEASE.Settings) -> None:
        self.settings = settings

    def solve(self, dataset: Dataset, listener: Listener = ignore_progress) -> ItemWeights:
        settings, history = self.settings, dataset.interactions
        graph = self.item_graph(dataset)
        weights: Any = item_weights(dataset, settings.reg_weight, settings.form, settings.n_regressors, listener)
        users = _sample(dataset)
        gamma = settings.content_weight / _rms(ItemWeights(history, graph), users)
        if not isinstance(weights, np.ndarray):
            spread = sparse.csr_array(np.float32(settings.smoothing) * graph)
            rms = _rms(ItemWeights(history, weights, spread), users)
            return ItemWeights(
                history,
                sparse.csr_array(weights / np.float32(rms)),
                spread,
                sparse.csr_array(np.float32(gamma) * graph),
            )
        _add_product(weights, graph, np.float32(settings.smoothing))
        weights /= _rms(ItemWeights(history, weights), users)
        rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
        weights[rows, graph.indices] += np.float32(gamma) * graph.data
        return ItemWeights(history, weights)

    def item_components(self, scorer: ItemWeights, dataset: Dataset) -> ItemAttributions:
        """See ClosedFormModel. A column of W is b + Σ_m (α S_m b + γ S_m / rms), with b the column of B / rms.

        S_m is the term of modality m in S. The dense form has W only, so b is computed: it solves
        (I + α S) b = W − γ S / rms over the items with interactions. For the other items, rows of B are zero.
        """
        settings, history, graphs = self.settings, dataset.interactions, self.item_graphs(dataset)
        graph, alpha = self.item_graph(dataset), np.float32(self.settings.smoothing)
        gamma = np.float32(settings.content_weight / _rms(ItemWeights(history, graph), _sample(dataset)))
        warm = (history.item_degrees > 0).astype(np.float64)
        spread: Any = linalg.LinearOperator(
            graph.shape, lambda b: b + alpha * warm * (graph @ (warm * b)), dtype=np.float64
        )

        def attributions(item: int) -> dict[str, NDArray[np.float64]]:
            column = scorer.item_attributions(item)
            b, _ = linalg.minres(
                spread, warm * (column - gamma * graph[:, [item]].toarray()[:, 0]), rtol=1e-10, maxiter=1000
            )
            content = {m: alpha * (S_m @ b) + gamma * S_m[:, [item]].toarray()[:, 0] for m, S_m in graphs.items()}
            return {COLLABORATIVE: column - sum(content.values()), **content}

        return attributions

    def extend_scorer(self, scorer: ItemWeights, dataset: Dataset) -> ItemWeights:
        """See ClosedFormModel. A new item has a zero row in B, so γ X S alone scores it, divided by the same rms."""
        n_known, n_items = scorer.n_items, dataset.n_items
        history = dataset.interactions
        graph = self.item_graph(dataset)
        gamma = np.float32(self.settings.content_weight / _rms(ItemWeights(history, graph), _sample(dataset)))
        if isinstance(scorer.weights, np.ndarray):
            weights = np.zeros((n_items, n_items), dtype=np.float32)
            weights[:n_known, :n_known] = scorer.weights
            for rows, columns in ((slice(n_known), slice(n_known, None)), (slice(n_known, None), slice(None))):
                weights[rows, columns] = (gamma * graph[rows, columns]).toarray()
            return ItemWeights(history, weights)
        B = sparse.csr_array(scorer.weights)
        starts = np.pad(B.indptr, (0, n_items - n_known), mode="edge")  # empty rows
        B = sparse.csr_array((B.data, B.indices, starts), shape=(n_items, n_items))
        return ItemWeights(
            history, B, sparse.csr_array(np.float32(self.settings.smoothing) * graph), sparse.csr_array(gamma * graph)
        )

    def item_graph(self, dataset: Dataset) -> sparse.csr_array:
        """Return S, float32 [n_items, n_items]."""
        total = sparse.csr_array((dataset.n_items, dataset.n_items), dtype=np.float32)
        for graph in self.item_graphs(dataset).values():
            total = total + graph
        summed: sparse.csr_array = sparse.csr_array(total)
        summed.eliminate_zeros()
        summed.sort_indices()
        return summed

    def item_graphs(self, dataset: Dataset) -> dict[str, sparse.csr_array]:
        """Return the weighted term of every modality in S, float32 [n_items, n_items]."""
        graphs = {}
        for name, weight in modality_weights(list(dataset.features), self.settings.image_weight).items():
            nearest = modality_neighbours(dataset, name, self.settings.n_neighbours)
            itself = nearest.items == np.arange(dataset.n_items)[:, None]
            A = neighbour_matrix(nearest, np.where(itself, np.float32(0), nearest.cosines))
            graphs[name] = np.float32(weight) * A.maximum(A.T)
        return graphs


def _sample(dataset: Dataset) -> NDArray[np.int64]:
    """Return up to SAMPLE user rows, evenly spaced."""
    return np.unique(np.linspace(0, dataset.n_users - 1, SAMPLE).astype(np.int64))


def _add_product(weights: NDArray[np.float32], graph: sparse.csr_array, smoothing: np.float32) -> None:
    """Compute weights += smoothing · graph @ weights in place, a slice of columns at a time."""
    n = len(weights)
    size = max(1, 16_000_000 // n)
    for begin in range(0, n, size):
        columns = np.ascontiguousarray(weights[:, begin : begin + size])
        weights[:, begin : begin + size] = columns + smoothing * (graph @ columns)


def _rms(scorer: ItemWeights, users: NDArray[np.int64]) -> float:
    """Return the root mean square of some users' scores of the items with interactions; 1 if all are zero."""
    warm = scorer.history.interacted_items
    chunks = [chunk for chunk in np.array_split(users, 8) if len(chunk)]
    total = sum(float(scorer.score(chunk)[:, warm].double().square().sum()) for chunk in chunks)
    return float(np.sqrt(total / (len(users) * len(warm)))) or 1.0
