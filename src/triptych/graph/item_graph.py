"""A frozen graph among items: S, and E -> S E; and how modalities share it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from triptych.graph.neighbour_sums import int32, sum_of_neighbours
from triptych.kernels import Adjacency


class ItemGraph(nn.Module):
    """A sparse [n_items, n_items] matrix that embeddings travel on; it need not be symmetric."""

    def __init__(self, matrix: sparse.csr_array) -> None:
        super().__init__()
        self.exact: dict[str, NDArray[np.floating[Any]]] = {}  # for float64, which tests and studies of precision use
        for name, one in (("forwards", matrix.tocsr()), ("backwards", matrix.T.tocsr())):
            one.sort_indices()
            self.exact[name] = one.data
            self.register_buffer(f"{name}_neighbours", int32(one.indices), persistent=False)
            self.register_buffer(f"{name}_starts", int32(one.indptr), persistent=False)
            self.register_buffer(f"{name}_weights", torch.from_numpy(one.data).float(), persistent=False)

    def propagate(self, embeddings: Tensor) -> Tensor:
        """S times `embeddings`, [n_items, d] -> the same shape."""
        dtype = embeddings.dtype
        return sum_of_neighbours(*self._way("forwards", dtype), *self._way("backwards", dtype), embeddings)

    def _way(self, way: str, dtype: torch.dtype) -> tuple[Adjacency, Tensor]:
        weights: Tensor = getattr(self, f"{way}_weights")
        if dtype == torch.float64:
            weights = torch.from_numpy(self.exact[way]).to(weights.device, dtype)
        return Adjacency(getattr(self, f"{way}_starts"), getattr(self, f"{way}_neighbours")), weights


def modality_weights(modalities: Sequence[str], image_weight: float) -> dict[str, float]:
    """How much every modality's neighbours count; they sum to 1. "image" has its weight, the others share the rest.

    With no other modality, or without "image", those that are there share all of it.
    """
    others = [name for name in modalities if name != "image"]
    if len(others) == len(modalities) or not others:
        return {name: 1 / len(modalities) for name in modalities}
    return {name: image_weight if name == "image" else (1 - image_weight) / len(others) for name in modalities}
