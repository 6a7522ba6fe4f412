"""The compiled kernels compute what their docstrings say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import leaky_relu, normalize

from kernels.drawing import backwards, drawn, random_edges
from triptych import kernels
from triptych.errors import SettingsError
from triptych.kernels import Adjacency

pytestmark = pytest.mark.skipif(not kernels.available(), reason="built without a compiler, or switched off")
WIDTHS = (1, 7, 16, 33, 64, 100, 128, 203)


def weighted(matrix: Tensor, weights: Tensor) -> Tensor:
    dense = torch.zeros_like(matrix)
    dense[tuple(matrix.numpy().nonzero())] = weights
    return dense


@pytest.mark.parametrize("width", WIDTHS)
def test_a_product_is_the_dense_product_with_any_set_of_instructions(width: int, instructions: str) -> None:
    edges, matrix = random_edges(1)
    x, base, weights = drawn(2, 30, width), drawn(3, 40, width), drawn(4, len(edges.neighbours))
    got = kernels.product(edges, weights, x, base=base, a=0.5, b=2.0)
    assert torch.allclose(got, 0.5 * base + 2.0 * weighted(matrix, weights) @ x, atol=1e-4)
    assert torch.allclose(kernels.product(edges, None, x), matrix @ x, atol=1e-4)


def test_a_product_can_be_limited_to_some_rows_and_to_a_table_with_few_rows() -> None:
    edges, matrix = random_edges(5)
    weights, x = drawn(6, len(edges.neighbours)), drawn(7, 30, 64)
    dense = weighted(matrix, weights) @ x
    rows = torch.tensor([3, 0, 39, 3], dtype=torch.int32)
    assert torch.allclose(kernels.product(edges, weights, x, rows=rows), dense[rows.long()], atol=1e-5)
    at = torch.full((30,), -1, dtype=torch.int32)
    at[[4, 9, 29]] = torch.arange(3, dtype=torch.int32)
    few = torch.zeros(30, 64)
    few[[4, 9, 29]] = x[:3]
    base_at = torch.full((40,), -1, dtype=torch.int32)
    base_at[7] = 2
    got = kernels.product(edges, weights, x[:3], x_at=at, base=x[:3], base_at=base_at)
    expected = weighted(matrix, weights) @ few
    expected[7] += x[2]
    assert torch.allclose(got, expected, atol=1e-5)


def test_values_of_edges_are_found_from_the_other_side_by_their_positions() -> None:
    edges, matrix = random_edges(8)
    back, weights, x = backwards(edges, matrix), drawn(9, len(edges.neighbours)), drawn(10, 40, 64)
    assert torch.allclose(kernels.product(back, weights, x), weighted(matrix, weights).T @ x, atol=1e-5)
    y = drawn(11, 30, 64)
    dots = (x @ y.T)[matrix.bool()]
    assert torch.allclose(kernels.dots(edges, x, y), dots, atol=1e-5)
    assert torch.allclose(kernels.dots(back, y, x), dots, atol=1e-5)


@pytest.mark.parametrize("width", [16, 40, 64, 256, 300])
def test_products_in_bfloat16_are_rounded_once(width: int, instructions: str) -> None:
    edges, matrix = random_edges(12)
    x, rows, columns = drawn(13, 30, width).bfloat16(), drawn(14, 40).abs(), drawn(15, 30)
    exact = leaky_relu(rows[:, None] * (matrix @ (columns[:, None] * x.float())), 0.01)
    few = torch.tensor([39, 0, 7], dtype=torch.int32)
    at = torch.randperm(30, generator=torch.Generator().manual_seed(16)).int()
    for got, wanted in (
        (kernels.product(edges, None, x, row_scale=rows, column_scale=columns, slope=0.01), exact),
        (kernels.product(edges, None, x, rows=few, row_scale=rows, column_scale=columns, slope=0.01), exact[few]),
        (
            kernels.product(edges, None, x[at.argsort()], x_at=at, row_scale=rows, column_scale=columns, slope=0.01),
            exact,
        ),
    ):
        assert got.dtype == torch.bfloat16
        assert ((got.float() - wanted).abs() <= wanted.abs() * 2**-8 + 1e-5).all()
    x[4] = 0
    got = kernels.product(edges, None, x, x_at=torch.where(torch.arange(30) == 4, -1, torch.arange(30)).int())
    assert torch.equal(got, kernels.product(edges, None, x))


@pytest.mark.parametrize("width", [8, 64])
@pytest.mark.parametrize("n_iterations", [0, 1, 3])
def test_routing_has_the_values_and_gradients_of_its_equations(
    width: int, n_iterations: int, instructions: str
) -> None:
    edges, matrix = random_edges(16)
    preference, y = drawn(17, 40, width).requires_grad_(), normalize(drawn(18, 30, width), dim=1).requires_grad_()
    d_out, d_scores = drawn(19, 40, width), drawn(20, len(edges.neighbours))
    p = normalize(preference, dim=1)
    for _ in range(n_iterations):
        alpha = (p @ y.T).masked_fill(matrix == 0, -torch.inf).softmax(dim=1).nan_to_num()
        p = normalize(p + alpha @ y, dim=1)
    scores = (p @ y.T)[matrix.bool()]
    got_p, got_scores, alphas = kernels.route(edges, preference, y, n_iterations)
    assert torch.allclose(got_p, p, atol=1e-5)
    assert torch.allclose(got_scores, scores, atol=1e-5)
    total = (p * d_out).sum() + (scores * d_scores).sum() + 0.25 * preference.square().sum()
    expected = torch.autograd.grad(total, (preference, y))
    got = kernels.route_back(edges, preference, y, n_iterations, alphas, d_out, d_scores, residual=0.5)
    for ours, theirs in zip(got, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_softmax_and_unit_rows_have_the_values_and_gradients_of_torch(instructions: str) -> None:
    edges, matrix = random_edges(21, density=0.6)
    for one, where in ((edges, matrix), (backwards(edges, matrix), matrix.T)):
        values = (10 * drawn(22, len(edges.neighbours))).requires_grad_()
        dense = weighted(matrix, values)
        dense = dense if where is matrix else dense.T
        alpha = dense.masked_fill(where == 0, -torch.inf).softmax(dim=1).nan_to_num()
        flat = (alpha if where is matrix else alpha.T)[matrix.bool()]
        assert torch.allclose(kernels.softmax(one, values), flat, atol=1e-6)
        d = drawn(23, len(edges.neighbours))
        (expected,) = torch.autograd.grad((flat * d).sum(), values)
        assert torch.allclose(kernels.softmax_back(one, flat, d), expected, atol=1e-5)
    x = drawn(24, 9, 50)
    x[3] = 0
    x.requires_grad_()
    unit, d = normalize(x, dim=1), drawn(25, 9, 50)
    assert torch.allclose(kernels.unit_rows(x), unit, atol=1e-6)
    (expected,) = torch.autograd.grad((unit * d).sum(), x)
    kept = torch.arange(9) != 3
    assert torch.allclose(kernels.unit_rows_back(x, d)[kept], expected[kept], atol=1e-5)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    n_items=st.integers(1, 200),
    width=st.integers(1, 40),
    k=st.integers(1, 60),
    steps=st.sampled_from([1, 4, 1000]),
)
def test_the_best_k_are_those_of_a_full_sort_ties_and_seen_items_included(
    seed: int, n_items: int, width: int, k: int, steps: int
) -> None:
    generator = np.random.default_rng(seed)
    n_users = 15
    # few distinct whole numbers: scores are exact, and ties are frequent
    users, items = (
        torch.from_numpy(generator.integers(-steps, steps + 1, (n, width)).astype(np.float32))
        for n in (n_users, n_items)
    )
    seen = generator.random((n_users, n_items)) < 0.3
    starts = np.concatenate([[0], np.cumsum(seen.sum(1))]).astype(np.int64)
    got_items, got_scores = kernels.top_k(users, items, k, (starts, np.nonzero(seen)[1].astype(np.int64)))
    scores = (users @ items.T).numpy()
    for user in range(n_users):
        allowed = np.flatnonzero(~seen[user])
        order = allowed[np.lexsort((allowed, -scores[user, allowed]))][:k]
        assert np.array_equal(got_items[user, : len(order)], order)
        assert np.array_equal(got_scores[user, : len(order)], scores[user, order])
        assert (got_items[user, len(order) :] == -1).all()
        assert np.isneginf(got_scores[user, len(order) :]).all()


def test_nan_is_never_ranked_and_an_infinite_score_comes_first() -> None:
    items = torch.tensor([[1.0], [torch.nan], [torch.inf], [2.0], [-torch.inf]])
    got, scores = kernels.top_k(torch.ones(1, 1), items, 4, None)
    assert got.tolist() == [[2, 3, 0, -1]]
    assert scores[0, 0] == np.inf


def test_the_switch_turns_the_kernels_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels.supports(torch.ones(2))
    assert not kernels.supports(torch.ones(2), torch.ones(2, dtype=torch.float64))
    monkeypatch.setenv(kernels.SWITCH, "torch")
    assert not kernels.supports(torch.ones(2))
    assert kernels.instructions() == "torch"
    monkeypatch.setenv(kernels.SWITCH, "off")
    with pytest.raises(SettingsError, match="native or torch"):
        kernels.supports(torch.ones(2))


@pytest.mark.parametrize("scale", [1e-25, 1e-3, 1.0, 1e20])
@pytest.mark.parametrize("k", [1, 50])
def test_the_best_k_are_exact_with_any_instructions_at_any_scale(scale: float, k: int, instructions: str) -> None:
    users, items = drawn(29, 100, 24), drawn(30, 3000, 24) * drawn(31, 3000, 1).exp()
    got_items, got_scores = kernels.top_k(scale * users, items, k, None)
    scores = (users.double() @ items.double().T).numpy()
    expected = -np.sort(-scores, axis=1)[:, :k]
    assert np.allclose(got_scores / scale, expected, rtol=1e-4, atol=1e-4)
    assert np.allclose(np.take_along_axis(scores, got_items, axis=1), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("user_scale", "item_scale"), [(1.0, 1e-25), (1e-24, 1.0), (1e-19, 1e-19), (1e-20, 1e-20)])
def test_tiny_rows_among_normal_ones_are_ranked_exactly(
    user_scale: float, item_scale: float, instructions: str
) -> None:
    users, items = user_scale * drawn(32, 50, 8), item_scale * drawn(33, 400, 8)
    users[0], items[0] = drawn(34, 8), drawn(35, 8)
    got, _ = kernels.top_k(users, items, 10, None)
    scores = (users @ items.T).numpy()
    largest = np.abs(scores).max(axis=1, keepdims=True)
    expected = -np.sort(-scores, axis=1)[:, :10]
    assert (np.abs(np.take_along_axis(scores, got, axis=1) - expected) <= 1e-5 * largest + 1e-43).all()


def test_shapes_that_do_not_fit_raise_an_error() -> None:
    edges, _ = random_edges(36)
    x, y = drawn(37, 40, 8), drawn(38, 30, 64)
    with pytest.raises(ValueError, match="width"):
        kernels.route(edges, x, y, 1)
    with pytest.raises(ValueError, match="width"):
        kernels.dots(edges, x, y)
    with pytest.raises(ValueError, match="row for every row"):
        kernels.dots(edges, drawn(39, 5, 64), y)
    with pytest.raises(TypeError):
        kernels.product(edges, None, y, out=torch.zeros(40, 128)[:, ::2])
    assert torch.allclose(kernels.unit_rows(drawn(40, 16, 5).T), normalize(drawn(40, 16, 5).T, dim=1), atol=1e-6)


def test_every_float16_becomes_the_bfloat16_that_torch_makes_of_it(instructions: str) -> None:
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.float16).reshape(-1, 7 + 9)
    got, expected = kernels.bfloat16(every), every.to(torch.bfloat16)
    assert torch.equal(got.isnan(), expected.isnan())
    assert torch.equal(got[~got.isnan()], expected[~got.isnan()])
    assert torch.equal(kernels.bfloat16(every[:3, :7]), expected[:3, :7])


def test_a_failed_request_for_memory_raises_memory_error() -> None:
    no_rows = Adjacency(torch.zeros(1, dtype=torch.int32), torch.empty(0, dtype=torch.int32))
    with pytest.raises(MemoryError):  # 2^44 iterations of width 8 need 512 TB per thread
        kernels.route(no_rows, torch.empty(0, 8), drawn(41, 5, 8), 2**44)
