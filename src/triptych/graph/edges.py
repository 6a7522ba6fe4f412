"""Edges whose weights change while a model learns: routing, softmax over neighbours, weighted sums along them.

With the compiled kernels no tensor of [edges, width] is ever made, forwards or backwards. Without them, torch does the
same work: sums over neighbours, and dots a slice of edges at a time.
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
from triptych.graph.grcn_kernels import MaxOverModalities, Route, Softmax, SumAt, TwoLayersAt, UnitRows
from triptych.graph.neighbour_sums import int32
from triptych.graph.sparse_rows import gather_rows
from triptych.kernels import Adjacency


class Edges(nn.Module):
    """The training interactions as edges; a tensor over the edges stands in their order (by user, then item)."""

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

    def __len__(self) -> int:
        return len(self.users)

    @property
    def of_users(self) -> Adjacency:
        """Every user's items."""
        return Adjacency(self.user_starts, self.items)

    @property
    def of_items(self) -> Adjacency:
        """Every item's users."""
        return Adjacency(self.item_starts, self.users_by_item, self.by_item)

    def route(
        self, preference: Tensor, y_items: Tensor, n_iterations: int, at_users: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """GRCN's routing: p = preference to length 1, then n times p ← p + Σ α_ui y_i to length 1, α = softmax(p · y).

        [n_users, d], [n_items, d], int64 [n] -> p [n_users, d], p_u · y_i of every edge [n_edges], p and the preference
        of the users `at_users`, [n, d] each, and the sum of the squares of the preference.
        """
        if kernels.supports(preference, y_items):
            routed: tuple[Tensor, Tensor, Tensor, Tensor, Tensor] = Route.apply(  # type: ignore[no-untyped-call]
                self.of_users, preference, y_items, n_iterations, at_users
            )
            return routed
        p = unit_rows(preference)
        for _ in range(n_iterations):
            alpha = self.softmax_over_items(self.dots(p, y_items))
            p = unit_rows(p + self.to_users(alpha, y_items))
        of_batch = gather_rows(p, at_users), gather_rows(preference, at_users)
        return p, self.dots(p, y_items), *of_batch, preference.square().sum()

    def two_layers_at(
        self,
        to_users: Tensor,
        to_items: Tensor,
        E: Tensor,
        at_users: Tensor,
        at_items: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x + x₁ + x₂ of some users and items: x is E with rows of length 1, x₁ and x₂ weighted sums along the edges.

        to_users, to_items: the weights of every edge in each direction [n_edges]; E [n_users + n_items, d]. The last
        two are E's rows of those users and items.
        """
        if kernels.supports(to_users, to_items, E):
            rows: tuple[Tensor, Tensor, Tensor, Tensor] = TwoLayersAt.apply(  # type: ignore[no-untyped-call]
                self.of_users, self.of_items, to_users, to_items, E, at_users, at_items
            )
            return rows
        x_users, x_items = unit_rows(E[: self.n_users]), unit_rows(E[self.n_users :])
        y_users, y_items = x_users + self.to_users(to_users, x_items), x_items + self.to_items(to_items, x_users)
        h_users, h_items = x_users + self.to_users(to_users, y_items), x_items + self.to_items(to_items, y_users)
        of_batch = gather_rows(h_users, at_users), gather_rows(h_items, at_items)
        return *of_batch, gather_rows(E, at_users), gather_rows(E, self.n_users + at_items)

    def max_over_modalities_from_items(self, alphas: Sequence[Tensor], confidence: Tensor) -> Tensor:
        """relu(max over m of α^m_e c[item of e, m]), [n_edges]; alphas [n_edges] each, confidence [n_items, m]."""
        return self._max_over_modalities(alphas, confidence, self.items, self.of_items)

    def max_over_modalities_from_users(self, alphas: Sequence[Tensor], confidence: Tensor) -> Tensor:
        """relu(max over m of α^m_e c[user of e, m]), [n_edges]; alphas [n_edges] each, confidence [n_users, m]."""
        return self._max_over_modalities(alphas, confidence, self.users, self.of_users)

    def to_users(self, weights: Tensor, x_items: Tensor, at: Tensor | None = None) -> Tensor:
        """Σ over i ∈ N(u) of w_ui x_i: [n_edges], [n_items, d] -> [n_users, d], or the users `at` alone, int64 [n]."""
        return _weighted_sum(self.of_users, self.of_items, weights, x_items, at)

    def to_items(self, weights: Tensor, x_users: Tensor, at: Tensor | None = None) -> Tensor:
        """Σ over u ∈ N(i) of w_ui x_u: [n_edges], [n_users, d] -> [n_items, d], or the items `at` alone, int64 [n]."""
        return _weighted_sum(self.of_items, self.of_users, weights, x_users, at)

    def dots(self, x_users: Tensor, x_items: Tensor) -> Tensor:
        """x_u · x_i of every edge, [n_edges], for [n_users, d] and [n_items, d]."""
        return edge_sums.dots(self.of_users, self.of_items, x_users, x_items)

    def softmax_over_items(self, scores: Tensor) -> Tensor:
        """Softmax over every user's items, [n_edges] -> [n_edges]."""
        return _softmax(scores, self.users, self.of_users)

    def softmax_over_users(self, scores: Tensor) -> Tensor:
        """Softmax over every item's users, [n_edges] -> [n_edges]."""
        return _softmax(scores, self.items, self.of_items)

    def mean_to_users(self, x_items: Tensor) -> Tensor:
        """The mean over every user's items, [n_items, d] -> [n_users, d]; users without any get zeros."""
        return self.to_users(x_items.new_ones(len(self)), x_items) / _degrees(self.user_starts)

    def mean_to_items(self, x_users: Tensor) -> Tensor:
        """The mean over every item's users, [n_users, d] -> [n_items, d]; items without any get zeros."""
        return self.to_items(x_users.new_ones(len(self)), x_users) / _degrees(self.item_starts)

    def _max_over_modalities(
        self, alphas: Sequence[Tensor], confidence: Tensor, sources: Tensor, of: Adjacency
    ) -> Tensor:
        stacked = torch.stack(list(alphas))
        if kernels.supports(stacked, confidence):
            weights: Tensor = MaxOverModalities.apply(stacked, confidence, sources, of)  # type: ignore[no-untyped-call]
            return weights
        return (stacked * confidence[sources].T).amax(dim=0).relu()


def unit_rows(x: Tensor) -> Tensor:
    """Rows brought to length 1, [n, d]; a row of zeros stays."""
    if kernels.supports(x):
        unit: Tensor = UnitRows.apply(x)  # type: ignore[no-untyped-call]
        return unit
    return normalize(x, dim=1)


def _degrees(starts: Tensor) -> Tensor:
    return starts.diff().clamp_min(1)[:, None]


def _softmax(scores: Tensor, nodes: Tensor, edges: Adjacency) -> Tensor:
    if kernels.supports(scores):
        alpha: Tensor = Softmax.apply(edges, scores)  # type: ignore[no-untyped-call]
        return alpha
    return edge_sums.softmax(scores, nodes, edges.n_rows)


def _weighted_sum(edges: Adjacency, back: Adjacency, weights: Tensor, x: Tensor, at: Tensor | None) -> Tensor:
    if at is not None and kernels.supports(weights, x):
        rows: Tensor = SumAt.apply(edges, back, weights, x, at)  # type: ignore[no-untyped-call]
        return rows
    total = edge_sums.weighted_sum(edges, back, weights, x)
    return total if at is None else gather_rows(total, at)
