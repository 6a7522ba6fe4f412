"""The user-item graph as a COO tensor, and as a list of edges with messages."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DEGREE_OFFSET = 1e-7


def normalised_adjacency(users: NDArray[np.int64], items: NDArray[np.int64], n_users: int, n_items: int) -> Tensor:
    """Â, a sparse COO tensor [n_users + n_items, n_users + n_items], of the pairs [n]."""
    n_nodes = n_users + n_items
    edges = edges_both_ways(users, items, n_users)
    degrees = torch.bincount(edges[1], minlength=n_nodes).double() + DEGREE_OFFSET
    values = degrees[edges[0]].pow(-0.5) * degrees[edges[1]].pow(-0.5)
    shape = (n_nodes, n_nodes)
    return torch.sparse_coo_tensor(edges, values.to(torch.get_default_dtype()), shape, check_invariants=True).coalesce()


def edges_both_ways(users: NDArray[np.int64], items: NDArray[np.int64], n_users: int) -> Tensor:
    """int64 [2, 2 n]: source and target of every edge, first towards the items, then towards the users."""
    u, i = torch.from_numpy(users), torch.from_numpy(items) + n_users
    return torch.stack([torch.cat([u, i]), torch.cat([i, u])])


def mean_of_layers(adjacency: Tensor, embeddings: Tensor, n_layers: int) -> Tensor:
    """mean(E, ÂE, …, Â^L E) for E [n_nodes, d]."""
    layers = [embeddings]
    for _ in range(n_layers):
        layers.append(torch.sparse.mm(adjacency, layers[-1]))
    return torch.stack(layers, dim=1).mean(dim=1)


def at(nodes: Tensor, x: Tensor) -> Tensor:
    """x [n_nodes, d] at the end of every edge, [n_edges, d]."""
    return x.index_select(0, nodes)  # its gradient is quicker than that of x[nodes]


def sum_of_messages(messages: Tensor, targets: Tensor, n_nodes: int) -> Tensor:
    """Messages [n_edges, d] summed at their targets, [n_nodes, d]."""
    everywhere = targets[:, None].expand_as(messages)
    return messages.new_zeros(n_nodes, messages.shape[1]).scatter_add(0, everywhere, messages)


def softmax_at_targets(scores: Tensor, targets: Tensor, n_nodes: int) -> Tensor:
    """Softmax of the scores [n_edges] over the edges of every target."""
    largest = scores.new_zeros(n_nodes).scatter_reduce(0, targets, scores.detach(), "amax", include_self=False)
    exponentials = torch.exp(scores - largest[targets])
    return exponentials / scores.new_zeros(n_nodes).index_add(0, targets, exponentials)[targets]
