"""Item-kNN, of Deshpande and Karypis, TOIS 2004."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Interval
from scipy import sparse
from typing_extensions import Doc

from triptych.data.dataset import Dataset
from triptych.models.model import ClosedFormModel
from triptych.progress import Listener, ignore_progress
from triptych.ranking.scorer import ItemWeights
from triptych.settings import Choices, LogRange, SearchSpace, checked


class ItemKNN(ClosedFormModel):
    """Item-kNN: cosine similarity between items with shrinkage, in closed form.

        G = XᵀX        sim(j, i) = G_ji / (√(G_jj G_ii) + shrink)        each item i keeps its k most similar j ≠ i
        s(u, i) = Σ over j ∈ N(u) of sim(j, i)

    If the interactions have weights w, X has √w in place of 1 in XᵀX. A history counts each of its items once.

    It learns from interactions only and ignores features.
    """

    @dataclass(frozen=True)
    @checked
    class Settings:
        """Item-kNN's settings."""

        n_neighbours: Annotated[int, Interval(ge=1), Doc("similar items that an item keeps")] = 200
        shrink: Annotated[
            float, Interval(ge=0), Doc("added to the denominator: lowers similarities that rest on few users")
        ] = 100.0

    paper = 'M. Deshpande and G. Karypis, "Item-Based Top-N Recommendation Algorithms", TOIS 2004'
    needs_features = False
    search: ClassVar[SearchSpace] = {"n_neighbours": Choices((50, 100, 200, 400)), "shrink": LogRange(1.0, 1000.0)}

    def __init__(self, settings: ItemKNN.Settings) -> None:
        self.settings = settings

    def solve(self, dataset: Dataset, listener: Listener = ignore_progress) -> ItemWeights:
        X = dataset.interactions.to_csr(weights=dataset.weights)
        gram = sparse.csr_array(X.T @ X)  # symmetric: its row i is column i
        gram.sort_indices()
        lengths = np.sqrt(gram.diagonal())
        rows, columns, values = [], [], []
        for i in range(dataset.n_items):
            entries = slice(gram.indptr[i], gram.indptr[i + 1])
            items = gram.indices[entries]
            similarity = gram.data[entries] / (lengths[items] * lengths[i] + np.float32(self.settings.shrink))
            similarity[items == i] = 0
            best = np.argsort(-similarity, kind="stable")[: self.settings.n_neighbours]
            best = best[similarity[best] > 0]
            rows.append(items[best])
            columns.append(np.full(len(best), i))
            values.append(similarity[best])
        shape = (dataset.n_items, dataset.n_items)
        positions = (np.concatenate(rows), np.concatenate(columns))
        return ItemWeights(dataset.interactions, sparse.csr_array((np.concatenate(values), positions), shape=shape))
