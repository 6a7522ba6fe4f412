"""Kernels either compute what torch computes, or refuse their arguments; they never read or write outside an array.

Before, most indices were trusted: a neighbour or a row outside its table ended the process, or gave other numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import leaky_relu, normalize

from triptych import kernels
from triptych.kernels import Adjacency, check_edges

pytestmark = pytest.mark.skipif(not kernels.available(), reason="built without a compiler, or switched off")

REFUSED = (ValueError, IndexError, MemoryError)
HOSTILE = (-(2**31), -2, -1, 2**20, 2**31 - 1)
fuzz = settings(deadline=None, max_examples=150)


@dataclass(frozen=True)
class Draw:
    """Arrays for one call. If `broken`, about one index in eight is outside its range, and lengths may be wrong."""

    generator: np.random.Generator
    broken: bool

    def rows(self, n: int, limit: int, low: int = 0) -> Tensor:
        """int32 [n] in [low, limit), or not."""
        values = self.generator.integers(low, max(limit, low + 1), self.length(n))
        if self.broken and self.generator.random() < 0.5:
            at = self.generator.random(len(values)) < 1 / 8
            values[at] = self.generator.choice((*HOSTILE, limit, low - 1), int(at.sum()))
        return torch.from_numpy(values.astype(np.int32))

    def length(self, n: int) -> int:
        return max(0, n + int(self.generator.integers(-1, 2))) if self.broken and self.generator.random() < 0.05 else n

    def table(self, *shape: int) -> Tensor:
        return torch.from_numpy(self.generator.standard_normal([self.length(n) for n in shape]).astype(np.float32))

    def maybe(self, value: Tensor) -> Tensor | None:
        return value if self.generator.random() < 0.5 else None

    def edges(self, n_rows: int, n_nodes: int) -> Adjacency:
        n = int(self.generator.integers(0, 12)) if n_rows and n_nodes else 0
        starts = np.sort(self.generator.integers(0, n + 1, n_rows + 1)).astype(np.int32)
        starts[0], starts[-1] = 0, n
        if self.broken and self.generator.random() < 0.3:
            starts[self.generator.integers(0, len(starts))] = self.generator.choice((*HOSTILE, n + 1))
        positions = torch.from_numpy(self.generator.permutation(n).astype(np.int32))
        if self.broken and self.generator.random() < 0.3:
            positions = self.rows(n, n)
        return Adjacency(torch.from_numpy(starts), self.rows(n, n_nodes), self.maybe(positions))


def is_right(edges: Adjacency, n_nodes: int) -> bool:
    try:
        check_edges(edges, n_nodes)
    except IndexError:
        return False
    return edges.positions is None or len(np.unique(edges.positions.numpy())) == len(edges.positions)


def dense(edges: Adjacency, values: Tensor | None, n_nodes: int) -> Tensor:
    """[n_rows, n_nodes, n_edges]: which edge joins which nodes, times its value."""
    n = len(edges.neighbours)
    matrix = torch.zeros(edges.n_rows, n_nodes, n)
    rows = torch.repeat_interleave(torch.arange(edges.n_rows), edges.starts.diff().long())
    at = torch.arange(n) if edges.positions is None else edges.positions.long()
    matrix[rows, edges.neighbours.long(), at] = 1
    return matrix if values is None else matrix * values


def rows_of(table: Tensor, at: Tensor | None) -> Tensor:
    """The rows of a table; -1: zeros."""
    return table if at is None else torch.where(at[:, None] >= 0, table[at.long().clamp_min(0)], 0.0)


def outcome(call: Callable[[], Any], draw: Draw) -> Any:
    """Return the result, or None if the arguments were refused. Right arguments must not be refused."""
    try:
        return call()
    except REFUSED:
        assert draw.broken
        return None


def draws(broken: bool | None = None) -> st.SearchStrategy[Draw]:
    def made(seed: int, is_broken: bool) -> Draw:
        return Draw(np.random.default_rng(seed), is_broken)

    return st.builds(made, st.integers(0, 2**32), st.booleans())


sizes = st.integers(0, 6)
widths = st.sampled_from([0, 1, 3, 16, 64, 70])


@fuzz
@given(draw=draws(), n_rows=sizes, n_nodes=sizes, width=widths, slope=st.sampled_from([1.0, 0.1]))
def test_product(draw: Draw, n_rows: int, n_nodes: int, width: int, slope: float) -> None:
    edges, m = draw.edges(n_rows, n_nodes), 4
    x_at = draw.maybe(draw.rows(n_nodes, m, low=-1))
    x = draw.table(n_nodes if x_at is None else m, width)
    base_at = draw.maybe(draw.rows(n_rows, m, low=-1))
    base = draw.maybe(draw.table(n_rows if base_at is None else m, width))
    rows = draw.maybe(draw.rows(int(draw.generator.integers(0, 5)) if n_rows else 0, n_rows))
    weights, row_scale = draw.maybe(draw.table(len(edges.neighbours))), draw.maybe(draw.table(n_rows))
    column_scale = draw.maybe(draw.table(n_nodes))
    given_arguments: dict[str, Any] = {"x_at": x_at, "base": base, "base_at": base_at, "rows": rows}
    scales: dict[str, Any] = {"row_scale": row_scale, "column_scale": column_scale, "a": 0.5, "b": 2.0, "slope": slope}
    got = outcome(lambda: kernels.product(edges, weights, x, **given_arguments, **scales), draw)
    n_nodes = len(x if x_at is None else x_at)
    if got is None or not is_right(edges, n_nodes):  # rows that are left out may have any neighbours
        return
    nodes = rows_of(x, x_at) * (1.0 if column_scale is None else column_scale[:, None])
    total = 2.0 * (dense(edges, weights, n_nodes).sum(2) @ nodes)
    total = total if base is None else total + 0.5 * rows_of(base, base_at)
    total = total if row_scale is None else total * row_scale[:, None]
    total = leaky_relu(total, slope)
    assert torch.allclose(got, total if rows is None else total[rows.long()], atol=1e-4)


@fuzz
@given(draw=draws(), n_rows=sizes, n_nodes=sizes, width=widths, n=st.sampled_from([0, 1, 3, -1]))
def test_route_and_its_gradient(draw: Draw, n_rows: int, n_nodes: int, width: int, n: int) -> None:
    edges = replace(draw.edges(n_rows, n_nodes), positions=None)
    preference, y = draw.table(n_rows, width), draw.table(n_nodes, width)
    if n < 0:
        with pytest.raises(ValueError, match="0 or more"):
            kernels.route(edges, preference, y, n)
        return
    got = outcome(lambda: kernels.route(edges, preference, y, n), draw)
    d_scores = draw.table(len(edges.neighbours))
    at = draw.maybe(draw.rows(n_rows, 4, low=-1))
    tables = (None, None) if at is None else (draw.table(4, width), draw.table(4, width))
    alphas = draw.table(n * len(edges.neighbours)) if got is None else got[2]
    d_out = draw.maybe(draw.table(n_rows, width))
    back = outcome(
        lambda: kernels.route_back(edges, preference, y, n, alphas, d_out, d_scores, at, tables[0], tables[1], 0.5),
        draw,
    )
    n_nodes = len(y)
    if got is None:
        return
    preference, y = preference.requires_grad_(), y.requires_grad_()
    matrix, p = dense(edges, None, n_nodes), normalize(preference, dim=1)
    for _ in range(n):
        scores = torch.einsum("rne,rd,nd->re", matrix, p, y).masked_fill(matrix.sum(1) == 0, -torch.inf)
        p = normalize(p + torch.einsum("re,rne,nd->rd", scores.softmax(dim=1).nan_to_num(), matrix, y), dim=1)
    scores = torch.einsum("rne,rd,nd->e", matrix, p, y)
    assert torch.allclose(got[0], p, atol=1e-4)
    assert torch.allclose(got[1], scores, atol=1e-4)
    if back is None or width < 3:  # a vector of one number has no direction to turn
        return
    total = (scores * d_scores).sum() + 0.25 * preference.square().sum()
    total = total if d_out is None else total + (p * d_out).sum()
    if at is not None and tables[0] is not None and tables[1] is not None:
        total = total + (p * rows_of(tables[0], at)).sum() + (preference * rows_of(tables[1], at)).sum()
    d_preference, d_y = torch.autograd.grad(total, (preference, y), allow_unused=True)
    for ours, theirs in ((back[0], d_preference), (back[1], d_y)):
        theirs = torch.zeros_like(ours) if theirs is None else theirs
        assert torch.allclose(ours, theirs, atol=1e-3, rtol=1e-3)


@fuzz
@given(draw=draws(), n_rows=sizes, n_nodes=sizes, width=widths)
def test_dots_and_softmax(draw: Draw, n_rows: int, n_nodes: int, width: int) -> None:
    edges = draw.edges(n_rows, n_nodes)
    x_at = draw.maybe(draw.rows(n_rows, 4, low=-1))
    x, y = draw.table(n_rows if x_at is None else 4, width), draw.table(n_nodes, width)
    got = outcome(lambda: kernels.dots(edges, x, y, x_at), draw)
    n_nodes = len(y)
    right = is_right(edges, n_nodes)
    if got is not None and right:
        expected = torch.einsum("rne,rd,nd->e", dense(edges, None, n_nodes), rows_of(x, x_at), y)
        assert torch.allclose(got, expected, atol=1e-4)
    values, d_alpha = draw.table(len(edges.neighbours)), draw.table(len(edges.neighbours))
    alpha = outcome(lambda: kernels.softmax(edges, values), draw)
    d_values = outcome(lambda: kernels.softmax_back(edges, values if alpha is None else alpha, d_alpha), draw)
    if alpha is not None and right:
        values = values.requires_grad_()
        mine = dense(edges, None, n_nodes).sum(1) > 0
        expected = values.masked_fill(~mine, -torch.inf).softmax(dim=1).nan_to_num().sum(0)
        assert torch.allclose(alpha, expected, atol=1e-5)
        if d_values is not None:
            (expected,) = torch.autograd.grad((expected * d_alpha).sum(), values)
            assert torch.allclose(d_values, expected, atol=1e-5)


@fuzz
@given(draw=draws(), n_rows=sizes, n_nodes=sizes, m=st.sampled_from([0, 1, 3, 130]))
def test_max_over_modalities(draw: Draw, n_rows: int, n_nodes: int, m: int) -> None:
    edges = draw.edges(n_rows, n_nodes)
    n = len(edges.neighbours)
    alpha, confidence, sources = draw.table(m, n), draw.table(n_rows, m), draw.rows(n, n_rows)
    if m in (0, 130):
        with pytest.raises(ValueError, match=r"127 modalities|one column per modality"):
            kernels.max_over_modalities(alpha, confidence, sources)
        return
    got = outcome(lambda: kernels.max_over_modalities(alpha, confidence, sources), draw)
    winners = draw.rows(n, m, low=-1).to(torch.int8) if got is None else got[1]
    d_weights = draw.table(n)
    outcome(lambda: kernels.max_over_modalities_back(edges, alpha, confidence, sources, winners, d_weights), draw)
    if got is not None:
        assert torch.allclose(got[0], (alpha * confidence[sources.long()].T).amax(dim=0).relu(), atol=1e-5)


@fuzz
@given(draw=draws(), n=sizes, width=widths, wanted=st.sampled_from([None, torch.float32, torch.bfloat16]))
def test_unit_rows(draw: Draw, n: int, width: int, wanted: torch.dtype | None) -> None:
    x, d_out = draw.table(n, width), draw.table(n, width)
    out = None if wanted is None else draw.table(n, width).to(wanted)
    got = outcome(lambda: kernels.unit_rows(x, out=out), draw)
    if got is not None:
        assert torch.allclose(got.float(), normalize(x, dim=1), atol=1e-2)
    outcome(lambda: kernels.unit_rows_back(x, d_out, residual=0.5), draw)
    assert torch.equal(kernels.bfloat16(x.half()), x.half().bfloat16())


@fuzz
@given(draw=draws(), n_users=sizes, n_items=st.integers(0, 70), width=widths, k=st.integers(0, 80))
def test_top_k(draw: Draw, n_users: int, n_items: int, width: int, k: int) -> None:
    users, items = draw.table(n_users, width).round(), draw.table(n_items, width).round()
    is_seen = draw.generator.random((n_users, n_items)) < 0.3
    starts = np.concatenate([[0], np.cumsum(is_seen.sum(1))]).astype(np.int64)
    seen_items = np.nonzero(is_seen)[1].astype(np.int64)
    if draw.broken:
        for array in (starts, seen_items):
            if len(array) and draw.generator.random() < 0.5:
                array[draw.generator.integers(0, len(array))] = draw.generator.choice((*HOSTILE, 2**62, n_items))
    if k == 0:
        with pytest.raises(ValueError, match=r"at least 1|differ in width"):
            kernels.top_k(users, items, k, (starts, seen_items))
        return
    got = outcome(lambda: kernels.top_k(users, items, k, (starts, seen_items)), draw)
    if got is None:
        return
    scores = (users @ items.T).numpy()
    n_items = len(items)
    for user in range(len(users)):
        allowed = np.setdiff1d(np.arange(n_items), seen_items[starts[user] : starts[user + 1]])
        order = allowed[np.lexsort((allowed, -scores[user, allowed]))][:k]
        assert got[0][user].tolist() == [*order.tolist(), *[-1] * (k - len(order))]


def test_outputs_that_share_memory_with_an_input_are_refused() -> None:
    edges = Adjacency(torch.tensor([0, 1, 2], dtype=torch.int32), torch.tensor([1, 0], dtype=torch.int32))
    x = torch.ones(4, 8)
    with pytest.raises(ValueError, match="shares memory"):
        kernels.product(edges, None, x[:2], out=x[1:3])
    with pytest.raises(ValueError, match="shares memory"):
        kernels.unit_rows(x, out=x)
    assert torch.equal(kernels.product(edges, None, x[:2], out=x[2:]), torch.ones(2, 8))


def test_arrays_of_another_type_are_refused_instead_of_converted() -> None:
    edges = Adjacency(torch.tensor([0, 1]), torch.tensor([2**32]))  # int64: as int32, this neighbour is 0
    with pytest.raises(TypeError):
        kernels.product(edges, None, torch.ones(1, 8))


def test_edges_that_are_called_checked_fit_the_table() -> None:
    starts, neighbours = torch.tensor([0, 1], dtype=torch.int32), torch.tensor([4], dtype=torch.int32)
    edges = Adjacency(starts, neighbours, checked_nodes=5)
    assert kernels.product(edges, None, torch.ones(5, 8)).shape == (1, 8)
    with pytest.raises(IndexError, match="fewer rows"):
        kernels.product(edges, None, torch.ones(4, 8))
    with pytest.raises(IndexError, match="neighbours"):
        check_edges(edges, 4)


def test_numbers_of_iterations_whose_memory_overflows_are_refused() -> None:
    edges = Adjacency(torch.zeros(1, dtype=torch.int32), torch.empty(0, dtype=torch.int32))
    for n in (2**50, 2**62, 2**63 - 1):
        with pytest.raises(MemoryError):
            kernels.route(edges, torch.empty(0, 8), torch.ones(5, 8), n)
