"""What a representation is made of: a user's of the items taken, an item's of what is known of it.

Where a model is linear in what a user took, its score comes apart, and every item has its share of it:

    h_u = Σ over j ∈ N(u) of w_uj y_j + Σ own_u        h_i = Σ over channels c of h_i^c
    s(u, i) = Σ over j, c of w_uj y_j · h_i^c + own_u · h_i

Channels are TASTE (what the paths of the user-item graph tell, or an item's own embedding) and the names of modalities,
or CONTENT for all of them; BIAS is what is the same for every item and therefore explains none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from triptych.graph.bipartite import BipartiteGraph

COLLABORATIVE, CONTENT, BIAS = "taste", "content", "bias"
USER_EMBEDDING = "the user's own embedding"


@dataclass(frozen=True)
class FactorBlock:
    """Some columns of the users' representations: h_u = Σ over j ∈ N(u) of w_uj y_j + Σ own_u.

    weights: w [n_edges], in the order of the training interactions. items: y [n_items, d]. own: what no item accounts
    for, by name, [n_users, d], or [1, d] if it is the same for all.
    """

    weights: Tensor
    items: Tensor
    own: Mapping[str, Tensor]


@dataclass(frozen=True)
class UserDecomposition:
    """Users' representations, stretch beside stretch.

    given: what is held as it is, in words, if anything is. note: what else there is to know, a sentence.
    """

    blocks: Sequence[FactorBlock]
    given: str = ""
    note: str = ""


def lightgcn_block(graph: BipartiteGraph, users: Tensor, items: Tensor, n_layers: int) -> FactorBlock:
    """LightGCN's users: h_u = 1/(L+1) (e_u + Σ over j ∈ N(u) of Â_uj Σ over l < L of E_j⁽ˡ⁾)."""
    share = 1 / (n_layers + 1)
    if n_layers:
        reached = graph.mean_of_layers(users, items, n_layers - 1)[1] * n_layers
    else:
        reached = items.new_zeros(items.shape)
    return FactorBlock(graph.users_weights, share * reached, {USER_EMBEDDING: share * users})
