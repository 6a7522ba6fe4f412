"""The user-item graph as a COO tensor, and as a list of edges for message passing."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DEGREE_OFFSET = 1e-7


def normalised_adjacency(users: NDArray[np.int64], items: NDArray[np.int64], n_users: int, n_items: int) -> Tensor:
    """Â of the pairs [n], as a sparse COO tensor [n_users + n_items, n_users + n_items]."""
    n_nodes = n_users + n_items
    edges = edges_both_ways(users, items, n_users)
    degrees = torch.bincount(edges[1], minlength=n_nodes).double() + DEGREE_OFFSET
    values = degrees[edges[0]].pow(-0.5) * degrees[edges[1]].pow(-0.5)
    shape = (n_nodes, n_nodes)
    return torch.sparse_coo_tensor(edges, values.to(torch.get_default_dtype()), shape, check_invariants=True).coalesce()


def edges_both_ways(users: NDArray[np.int64], items: NDArray[np.int64], n_users: int) -> Tensor:
    """int64 [2, 2 n]: source and target of every edge, first from users to items, then from items to users."""
    u, i = torch.from_numpy(users), torch.from_numpy(items) + n_users
    return torch.stack([torch.cat([u, i]), torch.cat([i, u])])


def mean_of_layers(adjacency: Tensor, embeddings: Tensor, n_layers: int) -> Tensor:
    """mean(E, ÂE, …, Â^L E) for E [n_nodes, d]."""
    layers = [embeddings]
    for _ in range(n_layers):
        layers.append(torch.sparse.mm(adjacency, layers[-1]))
    return torch.stack(layers, dim=1).mean(dim=1)


def gather(nodes: Tensor, x: Tensor) -> Tensor:
    """The rows of x [n_nodes, d] at one end of every edge, [n_edges, d]."""
    return x.index_select(0, nodes)  # its gradient is faster than that of x[nodes]


def sum_of_messages(messages: Tensor, targets: Tensor, n_nodes: int) -> Tensor:
    """The sum of the messages [n_edges, d] per target, [n_nodes, d]."""
    index = targets[:, None].expand_as(messages)
    return messages.new_zeros(n_nodes, messages.shape[1]).scatter_add(0, index, messages)


def softmax_at_targets(scores: Tensor, targets: Tensor, n_nodes: int) -> Tensor:
    """The softmax of the scores [n_edges] over the edges of each target."""
    largest = scores.new_zeros(n_nodes).scatter_reduce(0, targets, scores.detach(), "amax", include_self=False)
    exponentials = torch.exp(scores - largest[targets])
    return exponentials / scores.new_zeros(n_nodes).index_add(0, targets, exponentials)[targets]
