"""Edges with trainable weights, for GRCN and MMGCN: routing, softmax over neighbours, weighted sums.

With the compiled kernels, no tensor [n_edges, d] is ever created, in the forward or the backward pass. Without them,
torch computes the same: sums over neighbours, and dot products for a slice of edges at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from triptych import kernels
from triptych.data.interactions import Interactions
from triptych.graph import edge_sums
from triptych.graph.buffer_pool import BufferPool
from triptych.graph.grcn_kernels import MaxOverModalities, Route, Softmax, TwoLayersAt, UnitRows, WeightedSumAt
from triptych.graph.neighbour_sums import int32
from triptych.graph.sparse_rows import gather_rows
from triptych.kernels import Adjacency


class Edges(nn.Module):
    """The training interactions as edges. Tensors [n_edges] are in their order: by user, then item."""

    users: Tensor
    items: Tensor
    user_starts: Tensor
    item_starts: Tensor
    users_by_item: Tensor
    by_item: Tensor

    def __init__(self, interactions: Interactions) -> None:
        super().__init__()
        self.n_users, self.n_items = interactions.n_users, interactions.n_items
        self.buffer_pool = BufferPool()
        by_item = np.lexsort((interactions.users, interactions.items))
        for name, rows in (
            ("users", interactions.users),
            ("items", interactions.items),
            ("by_item", by_item),
            ("user_starts", interactions.starts),
            ("item_starts", np.concatenate([[0], np.cumsum(interactions.item_degrees)])),
            ("users_by_item", interactions.users[by_item]),
        ):
            self.register_buffer(name, int32(rows), persistent=False)
        kernels.check_edges(self.user_adjacency, self.n_items)
        kernels.check_edges(self.item_adjacency, self.n_users)

    def __len__(self) -> int:
        return len(self.users)

    @property
    def user_adjacency(self) -> Adjacency:
        """The items of every user."""
        return Adjacency(self.user_starts, self.items, checked_nodes=self.n_items)

    @property
    def item_adjacency(self) -> Adjacency:
        """The users of every item."""
        return Adjacency(self.item_starts, self.users_by_item, self.by_item, checked_nodes=self.n_users)

    def route(
        self, preference: Tensor, y_items: Tensor, n_iterations: int, at_users: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Route as in GRCN: p = preference to length 1; n times p ← p + Σ α_ui y_i to length 1, α = softmax(p · y).

        preference [n_users, d], y_items [n_items, d], at_users int64 [n]. Returns p [n_users, d], p_u · y_i of every
        edge [n_edges], p and the preference of the users `at_users`, [n, d] each, and the sum of squares of preference.
        """
        if kernels.supports(preference, y_items):
            routed: tuple[Tensor, Tensor, Tensor, Tensor, Tensor] = Route.apply(  # type: ignore[no-untyped-call]
                self.user_adjacency, preference, y_items, n_iterations, at_users
            )
            return routed
        p = unit_rows(preference)
        for _ in range(n_iterations):
            alpha = self.softmax_over_items(self.dots(p, y_items))
            p = unit_rows(p + self.to_users(alpha, y_items))
        batch_rows = gather_rows(p, at_users), gather_rows(preference, at_users)
        return p, self.dots(p, y_items), *batch_rows, preference.square().sum()

    def two_layers_at(
        self,
        to_users: Tensor,
        to_items: Tensor,
        E: Tensor,
        at_users: Tensor,
        at_items: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return GRCN's x + x₁ + x₂ of some users and items, and their rows of E: [n, d], [m, d], [n, d], [m, d].

        x is E with rows scaled to length 1; x₁ and x₂ are one and two weighted sums of it along the edges. to_users,
        to_items: the weights of the edges in each direction, [n_edges] each. E [n_users + n_items, d]; at_users,
        at_items: int64 [n] and [m].
        """
        if kernels.supports(to_users, to_items, E):
            result: tuple[Tensor, Tensor, Tensor, Tensor] = TwoLayersAt.apply(  # type: ignore[no-untyped-call]
                self.user_adjacency, self.item_adjacency, to_users, to_items, E, at_users, at_items
            )
            return result
        x_users, x_items = unit_rows(E[: self.n_users]), unit_rows(E[self.n_users :])
        y_users, y_items = x_users + self.to_users(to_users, x_items), x_items + self.to_items(to_items, x_users)
        h_users, h_items = x_users + self.to_users(to_users, y_items), x_items + self.to_items(to_items, y_users)
        batch_rows = gather_rows(h_users, at_users), gather_rows(h_items, at_items)
        return *batch_rows, gather_rows(E, at_users), gather_rows(E, self.n_users + at_items)

    def max_over_modalities_from_items(self, alphas: Sequence[Tensor], confidence: Tensor) -> Tensor:
        """Return relu(max over m of α^m_e c[item of e, m]), [n_edges], for α [n_edges], confidence c [n_items, m]."""
        return self._max_over_modalities(alphas, confidence, self.items, self.item_adjacency)

    def max_over_modalities_from_users(self, alphas: Sequence[Tensor], confidence: Tensor) -> Tensor:
        """Return relu(max over m of α^m_e c[user of e, m]), [n_edges], for α [n_edges], confidence c [n_users, m]."""
        return self._max_over_modalities(alphas, confidence, self.users, self.user_adjacency)

    def to_users(self, weights: Tensor, x_items: Tensor, at: Tensor | None = None) -> Tensor:
        """Return Σ over i ∈ N(u) of w_ui x_i for weights [n_edges] and x [n_items, d]: [n_users, d].

        at: int64 [n], the users of the result, which is then [n, d]; None: all.
        """
        return _weighted_sum(self.user_adjacency, self.item_adjacency, weights, x_items, at)

    def to_items(self, weights: Tensor, x_users: Tensor, at: Tensor | None = None) -> Tensor:
        """Return Σ over u ∈ N(i) of w_ui x_u for weights [n_edges] and x [n_users, d]: [n_items, d].

        at: int64 [n], the items of the result, which is then [n, d]; None: all.
        """
        return _weighted_sum(self.item_adjacency, self.user_adjacency, weights, x_users, at)

    def dots(self, x_users: Tensor, x_items: Tensor) -> Tensor:
        """Return x_u · x_i of every edge, [n_edges], for x_users [n_users, d] and x_items [n_items, d]."""
        return edge_sums.dots(self.user_adjacency, self.item_adjacency, x_users, x_items)

    def softmax_over_items(self, scores: Tensor) -> Tensor:
        """Return the softmax over the items of every user, [n_edges], for scores [n_edges]."""
        return _softmax(scores, self.users, self.user_adjacency)

    def softmax_over_users(self, scores: Tensor) -> Tensor:
        """Return the softmax over the users of every item, [n_edges], for scores [n_edges]."""
        return _softmax(scores, self.items, self.item_adjacency)

    def mean_to_users(self, x_items: Tensor) -> Tensor:
        """Return the mean of x [n_items, d] over the items of every user, [n_users, d]; zeros for users without any."""
        return self.to_users(x_items.new_ones(len(self)), x_items) / _degrees(self.user_starts)

    def mean_to_items(self, x_users: Tensor) -> Tensor:
        """Return the mean of x [n_users, d] over the users of every item, [n_items, d]; zeros for items without any."""
        return self.to_items(x_users.new_ones(len(self)), x_users) / _degrees(self.item_starts)

    def _max_over_modalities(
        self, alphas: Sequence[Tensor], confidence: Tensor, sources: Tensor, edges_of_sources: Adjacency
    ) -> Tensor:
        stacked = torch.stack(list(alphas))
        if kernels.supports(stacked, confidence):
            weights: Tensor = MaxOverModalities.apply(stacked, confidence, sources, edges_of_sources)  # type: ignore[no-untyped-call]
            return weights
        return (stacked * confidence[sources].T).amax(dim=0).relu()


def unit_rows(x: Tensor) -> Tensor:
    """Return x [n, d] with its rows scaled to length 1; rows of zeros stay zeros."""
    if kernels.supports(x):
        unit: Tensor = UnitRows.apply(x)  # type: ignore[no-untyped-call]
        return unit
    return normalize(x, dim=1)


def _degrees(starts: Tensor) -> Tensor:
    """Return the number of neighbours of every row, [n_rows, 1], at least 1."""
    return starts.diff().clamp_min(1)[:, None]


def _softmax(scores: Tensor, nodes: Tensor, edges: Adjacency) -> Tensor:
    if kernels.supports(scores):
        alpha: Tensor = Softmax.apply(edges, scores)  # type: ignore[no-untyped-call]
        return alpha
    return edge_sums.softmax(scores, nodes, edges.n_rows)


def _weighted_sum(edges: Adjacency, reverse: Adjacency, weights: Tensor, x: Tensor, at: Tensor | None) -> Tensor:
    if at is not None and kernels.supports(weights, x):
        rows: Tensor = WeightedSumAt.apply(edges, reverse, weights, x, at)  # type: ignore[no-untyped-call]
        return rows
    total = edge_sums.weighted_sum(edges, reverse, weights, x)
    return total if at is None else gather_rows(total, at)
