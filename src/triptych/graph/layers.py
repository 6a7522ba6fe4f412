"""MMGCN's layer, h and x̂ combined: in torch, or with wide tables in bfloat16 and the means by the compiled kernels.

h = leaky_relu(mean over neighbours of X W)        x̂ = leaky_relu(S X + s) + e        leaky_relu(C [h ‖ x̂] + c)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, linear

from triptych import kernels
from triptych.graph.edges import Edges

SLOPE = 0.01  # of leaky_relu below zero: torch's default


@dataclass(frozen=True)
class LayerWeights:
    """W [w, w] applied as X W; S [d, w] and s [d]; C [d, w + d] and c [d]."""

    W: Tensor
    S: Tensor
    s: Tensor
    C: Tensor
    c: Tensor


def graph_layer(edges: Edges, x: Tensor, e: Tensor, weights: LayerWeights, products: torch.dtype) -> Tensor:
    """The module's equations: x [n_users + n_items, w], e [n_users + n_items, d] -> [n_users + n_items, d].

    products: the dtype of products and of what is kept for the gradient, where the kernels serve; else x's own.
    """
    p = weights
    if products == torch.bfloat16 and kernels.serves(x, e):
        out: Tensor = _Layer.apply(edges, x, e, p.W, p.S, p.s, p.C, p.c)  # type: ignore[no-untyped-call]
        return out
    h = leaky_relu(edges.mean_of_neighbours(x @ p.W))
    x_hat = leaky_relu(linear(x, p.S, p.s)) + e
    return leaky_relu(linear(torch.cat([h, x_hat], dim=1), p.C, p.c))


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, edges: Edges, x: Tensor, e: Tensor, W: Tensor, S: Tensor, s: Tensor, C: Tensor, c: Tensor
    ) -> Tensor:
        width, x16 = x.shape[1], _16(x)
        C_h, C_x = _16(C[:, :width]), _16(C[:, width:])
        h = _means(edges, x16 @ _16(W), backwards=False)
        own = _16(leaky_relu(linear(x16, _16(S), _16(s))))
        out = (h @ C_h.T).float().add_((own + _16(e)) @ C_x.T).add_(c)
        out = leaky_relu(out, inplace=True)
        ctx.edges = edges
        ctx.save_for_backward(x16, _16(e), h, own, out, W, S, C)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        x16, e16, h, own, out, W, S, C = ctx.saved_tensors
        width = x16.shape[1]
        g = _leaky_back(gradients[0], out)
        d_c, g = g.sum(dim=0), _16(g)
        d_C = torch.cat([(g.T @ h).float(), (g.T @ (own + e16)).float()], dim=1)
        d_e = g @ _16(C[:, width:])
        d_own = _leaky_back(d_e, own)
        d_S, d_s = (d_own.T @ x16).float(), d_own.float().sum(dim=0)
        d_y = _means(ctx.edges, _leaky_back(g @ _16(C[:, :width]), h), backwards=True)
        d_W = (x16.T @ d_y).float()
        d_x = None
        if ctx.needs_input_grad[1]:
            d_x = torch.addmm(d_own @ _16(S), d_y, _16(W).T).float()
        return None, d_x, d_e.float(), d_W, d_S, d_s, d_C, d_c


def _leaky_back(gradient: Tensor, result: Tensor) -> Tensor:
    """The gradient of leaky_relu, from its result."""
    d: Tensor = torch.ops.aten.leaky_relu_backward(gradient, result, SLOPE, True)
    return d


def _16(x: Tensor) -> Tensor:
    return x.to(torch.bfloat16)


def _means(edges: Edges, x: Tensor, *, backwards: bool) -> Tensor:
    """leaky_relu of the mean over every node's neighbours; backwards: the gradient of the mean alone. In bfloat16."""
    n = edges.n_users
    out = torch.empty_like(x)
    inverse = 1 / edges.degrees.float()
    for half, there, here in (
        (edges.of_users, slice(n, None), slice(None, n)),
        (edges.of_items, slice(None, n), slice(n, None)),
    ):
        scale = {"columns": inverse[there]} if backwards else {"rows": inverse[here], "slope": SLOPE}
        kernels.product16(half, x[there], out=out[here], **scale)
    return out
