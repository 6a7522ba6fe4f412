"""Representations as sums: a user's over the items of the history, an item's over components.

If a user's representation is linear in the history, the score is a sum, and every item of the history has a share:

    h_u = Σ over j ∈ N(u) of w_uj y_j + Σ residual_u        h_i = Σ over components c of h_i^c
    s(u, i) = Σ over j, c of w_uj y_j · h_i^c + residual_u · h_i

A component is COLLABORATIVE (from the user-item graph, or from an item's own embedding), or CONTENT (from all
modalities), or it has the name of one modality. BIAS is the same for every item, so it belongs to none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from triptych.graph.bipartite import BipartiteGraph

COLLABORATIVE, CONTENT, BIAS = "collaborative", "content", "bias"  # components
USER_EMBEDDING, USER_FEATURES = "user embedding", "user features"  # residuals


def of_user(modality: str) -> str:
    """Return the name of a residual that comes from a modality of the user."""
    return f"user {modality}"


@dataclass(frozen=True)
class FactorBlock:
    """Some columns of the users' representations: h_u = Σ over j ∈ N(u) of w_uj y_j + Σ residual_u.

    weights: w [n_edges], in the order of the training interactions. items: y [n_items, d]. residual: the terms that do
    not come from the history, by name, [n_users, d], or [1, d] if they are the same for all users.
    """

    weights: Tensor
    items: Tensor
    residual: Mapping[str, Tensor]


@dataclass(frozen=True)
class UserDecomposition:
    """The users' representations as blocks of columns, one after another.

    conditional_on: the quantities that depend on the history but are treated as constants, as text; "" for none.
    remark: one more sentence for the reader of an explanation, or "".
    """

    blocks: Sequence[FactorBlock]
    conditional_on: str = ""
    remark: str = ""


def lightgcn_block(
    graph: BipartiteGraph, users: Tensor, items: Tensor, n_layers: int, content: Mapping[str, Tensor] | None = None
) -> FactorBlock:
    """Return LightGCN's users: h_u = 1/(L+1) (E_u⁽⁰⁾ + Σ over j ∈ N(u) of Â_uj Σ over l < L of E_j⁽ˡ⁾).

    users, items: E⁽⁰⁾. content: the terms of the users' E⁽⁰⁾ that come from their features, by name.
    """
    share = 1 / (n_layers + 1)
    if n_layers:
        sum_of_layers = graph.mean_of_layers(users, items, n_layers - 1)[1] * n_layers
    else:
        sum_of_layers = items.new_zeros(items.shape)
    residual = {name: share * part for name, part in (content or {}).items()}
    free = users - torch.stack(list(content.values())).sum(dim=0) if content else users
    return FactorBlock(graph.users_weights, share * sum_of_layers, {USER_EMBEDDING: share * free, **residual})
