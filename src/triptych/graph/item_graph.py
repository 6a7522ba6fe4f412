"""A frozen graph among items: S, and E -> S E; and how modalities share it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional


class ItemGraph(nn.Module):
    """A sparse [n_items, n_items] matrix that embeddings travel on; it need not be symmetric."""

    def __init__(self, matrix: sparse.csr_array) -> None:
        super().__init__()
        self.exact: dict[str, NDArray[np.floating[Any]]] = {}  # for float64, which tests and studies of precision use
        for name, one in (("forwards", matrix.tocsr()), ("backwards", matrix.T.tocsr())):
            one.sort_indices()
            self.exact[name] = one.data
            self.register_buffer(f"{name}_neighbours", torch.from_numpy(one.indices.astype(np.int64)), persistent=False)
            self.register_buffer(f"{name}_starts", torch.from_numpy(one.indptr.astype(np.int64)), persistent=False)
            self.register_buffer(f"{name}_weights", torch.from_numpy(one.data).float(), persistent=False)

    def propagate(self, embeddings: Tensor) -> Tensor:
        """S times `embeddings`, [n_items, d] -> the same shape."""
        product: Tensor = _Product.apply(self, embeddings)  # type: ignore[no-untyped-call]
        return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, graph: ItemGraph, x: Tensor) -> Tensor:
        ctx.graph = graph
        return _sum(graph, "forwards", x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, _sum(ctx.graph, "backwards", gradients[0].contiguous())


def _sum(graph: ItemGraph, way: str, x: Tensor) -> Tensor:
    neighbours, starts, weights = (getattr(graph, f"{way}_{part}") for part in ("neighbours", "starts", "weights"))
    if x.dtype == torch.float64:
        weights = torch.from_numpy(graph.exact[way]).to(x.device)
    if not len(neighbours):
        return torch.zeros_like(x)
    return functional.embedding_bag(
        neighbours, x.detach(), starts, mode="sum", per_sample_weights=weights.to(x.dtype), include_last_offset=True
    )


def modality_weights(modalities: Sequence[str], image_weight: float) -> dict[str, float]:
    """How much every modality's neighbours count; they sum to 1. "image" has its weight, the others share the rest.

    With no other modality, or without "image", those that are there share all of it.
    """
    others = [name for name in modalities if name != "image"]
    if len(others) == len(modalities) or not others:
        return {name: 1 / len(modalities) for name in modalities}
    return {name: image_weight if name == "image" else (1 - image_weight) / len(others) for name in modalities}
