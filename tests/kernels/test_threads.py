"""Every compiled kernel gives the same bytes for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from kernels.drawing import backwards, drawn, random_edges
from triptych import kernels
from triptych.kernels import Adjacency

pytestmark = pytest.mark.skipif(not kernels.available(), reason="built without a compiler, or switched off")


def every_kernel(edges: Adjacency, back: Adjacency, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Results of every kernel, for x [n_rows, d] and y [n_nodes, d]. back: the same edges from the nodes' side."""
    p, scores, alphas = kernels.route(edges, x, y, 2)
    d_preference, d_y = kernels.route_back(edges, x, y, 2, alphas, p, scores, residual=0.5)
    alpha = kernels.softmax(edges, scores)
    stacked, confidence, sources = torch.stack([scores, -scores, alpha]), y[:, :3].contiguous(), edges.neighbours
    weights, winners = kernels.max_over_modalities(stacked, confidence, sources)
    d_alpha, d_confidence = kernels.max_over_modalities_back(back, stacked, confidence, sources, winners, scores)
    best_items, best_scores = kernels.top_k(x, y, 5, None)
    return {
        "product": kernels.product(edges, alpha, y),
        "product from the other side": kernels.product(back, alpha, x, base=y, slope=0.1),
        "product in bfloat16": kernels.product(edges, None, y.bfloat16()),
        "routing": torch.cat([p.flatten(), scores, alphas]),
        "its gradient": torch.cat([d_preference, d_y]),
        "softmax": alpha,
        "softmax from the other side": kernels.softmax(back, scores),
        "its gradient from the other side": kernels.softmax_back(back, alpha, scores),
        "unit rows": kernels.unit_rows(x),
        "gradient of unit rows": kernels.unit_rows_back(x, p),
        "float16 to bfloat16": kernels.bfloat16(x.half()),
        "dots": kernels.dots(edges, x, y),
        "dots from the other side": kernels.dots(back, y, x),
        "max over modalities": torch.stack([weights, winners.float()]),
        "gradient of max over modalities": torch.cat([d_alpha.flatten(), d_confidence.flatten()]),
        "top k": torch.from_numpy(np.stack([best_items, best_scores])),
    }


def test_any_number_of_threads_gives_the_same_bytes(instructions: str) -> None:
    edges, matrix = random_edges(26, n_rows=3000, n_nodes=500, density=0.02)
    back, x, y, before = backwards(edges, matrix), drawn(27, 3000, 64), drawn(28, 500, 64), torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(every_kernel(edges, back, x, y))
    finally:
        torch.set_num_threads(before)
    for name, one in results[0].items():
        assert all(torch.equal(one, other[name]) for other in results[1:]), name
