"""A frozen item graph S and its product S E, for FREEDOM; and the weights of modalities in S, for content-EASE too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from triptych.graph.neighbour_sums import int32, sum_of_neighbours
from triptych.kernels import Adjacency, check_edges


class ItemGraph(nn.Module):
    """A sparse matrix S [n_items, n_items] for propagation; it need not be symmetric."""

    def __init__(self, matrix: sparse.csr_array) -> None:
        super().__init__()
        self.exact: dict[str, NDArray[np.floating[Any]]] = {}  # for float64, which tests and studies of precision use
        for name, csr in (("forwards", matrix.tocsr()), ("backwards", matrix.T.tocsr())):
            csr.sort_indices()
            self.exact[name] = csr.data
            self.register_buffer(f"{name}_neighbours", int32(csr.indices), persistent=False)
            self.register_buffer(f"{name}_starts", int32(csr.indptr), persistent=False)
            self.register_buffer(f"{name}_weights", torch.from_numpy(csr.data).float(), persistent=False)
            check_edges(self._direction(name, torch.float32)[0], csr.shape[1])

    def propagate(self, embeddings: Tensor) -> Tensor:
        """Return S E for `embeddings` E [n_items, d], the same shape."""
        dtype = embeddings.dtype
        return sum_of_neighbours(*self._direction("forwards", dtype), *self._direction("backwards", dtype), embeddings)

    def _direction(self, name: str, dtype: torch.dtype) -> tuple[Adjacency, Tensor]:
        """Return the edges of S ("forwards") or of its transpose ("backwards"), and their weights."""
        weights: Tensor = getattr(self, f"{name}_weights")
        if dtype == torch.float64:
            weights = torch.from_numpy(self.exact[name]).to(weights.device, dtype)
        starts, neighbours = getattr(self, f"{name}_starts"), getattr(self, f"{name}_neighbours")
        return Adjacency(starts, neighbours, checked_nodes=len(starts) - 1), weights  # S is square


def modality_weights(modalities: Sequence[str], image_weight: float) -> dict[str, float]:
    """Return the weight of every modality in S. The weights sum to 1.

    "image" has `image_weight`; the others share the rest equally. If "image" is the only modality, or if there is no
    "image", the modalities share 1 equally.
    """
    others = [name for name in modalities if name != "image"]
    if len(others) == len(modalities) or not others:
        return {name: 1 / len(modalities) for name in modalities}
    return {name: image_weight if name == "image" else (1 - image_weight) / len(others) for name in modalities}
