"""The user-item graph: Â, and E -> mean(E, ÂE, Â²E, …)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from triptych.data.interactions import Interactions

DEGREE_OFFSET = 1e-7  # added to every degree, as the literature's codes do; the reference vectors have it too


class BipartiteGraph(nn.Module):
    """Â = D^-1/2 [[0, R], [Rᵀ, 0]] D^-1/2 of the training interactions; users stand before items.

    A product with Â is `embedding_bag` with a weight per edge: the fastest of torch's own forms on a CPU (measured in
    docs/performance.md), and the same bytes for any number of threads, for a row is summed by one thread in one order.
    A user or item without interactions has a zero row.
    """

    neighbours: Tensor
    starts: Tensor
    weights: Tensor

    def __init__(self, interactions: Interactions) -> None:
        super().__init__()
        self.n_users, self.n_items = interactions.n_users, interactions.n_items
        users, items = interactions.users, interactions.items + interactions.n_users
        by_item = np.lexsort((users, items))
        neighbours = np.concatenate([items, users[by_item]])
        degrees = np.concatenate([interactions.user_degrees, interactions.item_degrees])
        rows = np.concatenate([users, items[by_item]])
        scale = 1.0 / np.sqrt(degrees + DEGREE_OFFSET)
        weights = scale[rows] * scale[neighbours]
        starts = np.concatenate([[0], np.cumsum(degrees)])
        index = np.int32 if max(len(neighbours), len(degrees)) < 2**31 else np.int64
        self.register_buffer("neighbours", torch.from_numpy(neighbours.astype(index)), persistent=False)
        self.register_buffer("starts", torch.from_numpy(starts.astype(index)), persistent=False)
        self.register_buffer("weights", torch.from_numpy(weights).float(), persistent=False)
        self._exact_weights = weights  # for float64, which tests and studies of precision use

    def propagate(self, embeddings: Tensor) -> Tensor:
        """Â times `embeddings`, [n_users + n_items, d] -> the same shape."""
        weights = self.weights
        if embeddings.dtype == torch.float64:
            weights = torch.from_numpy(self._exact_weights).to(embeddings.device)
        product: Tensor = _Product.apply(self.neighbours, self.starts, weights, embeddings)  # type: ignore[no-untyped-call]
        return product

    def mean_of_layers(self, users: Tensor, items: Tensor, n_layers: int) -> tuple[Tensor, Tensor]:
        """LightGCN's representation H = mean(E, ÂE, …, Â^L E), split into users [n_users, d] and items [n_items, d]."""
        layer = torch.cat([users, items])
        total = layer
        for _ in range(n_layers):
            layer = self.propagate(layer)
            total = total + layer
        mean = total / (n_layers + 1)
        return mean[: self.n_users], mean[self.n_users :]


class _Product(torch.autograd.Function):
    """Â x; as Â is symmetric, the gradient is Â g."""

    @staticmethod
    def forward(ctx: Any, neighbours: Tensor, starts: Tensor, weights: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(neighbours, starts, weights)
        return _sum_of_neighbours(neighbours, starts, weights, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None, Tensor]:
        neighbours, starts, weights = ctx.saved_tensors
        return None, None, None, _sum_of_neighbours(neighbours, starts, weights, gradients[0].contiguous())


def _sum_of_neighbours(neighbours: Tensor, starts: Tensor, weights: Tensor, x: Tensor) -> Tensor:
    # detached: the gradient is written above, and torch then takes the path that keeps nothing for a backward pass
    if not len(neighbours):
        return torch.zeros_like(x)
    return functional.embedding_bag(
        neighbours, x.detach(), starts, mode="sum", per_sample_weights=weights.to(x.dtype), include_last_offset=True
    )
