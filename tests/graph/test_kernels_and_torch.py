"""Graph operations have the same values and gradients with the compiled kernels and with torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from triptych import kernels
from triptych.graph import mmgcn_tables
from triptych.graph.bipartite import BipartiteGraph
from triptych.graph.edges import Edges, unit_rows
from triptych.graph.mmgcn_layers import LayerWeights, graph_layers
from worlds import random_dataset

pytestmark = pytest.mark.skipif(not kernels.available(), reason="built without a compiler, or switched off")
N_USERS, N_ITEMS, WIDTH = 30, 25, 20
AT_USERS, AT_ITEMS = torch.tensor([4, 4, 0, 29]), torch.tensor([24, 7, 7, 1, 0])


def random_tensor(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def assert_kernels_equal_torch(
    compute: Callable[..., tuple[Tensor, ...]], inputs: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compare the values, and the gradients of a randomly weighted sum of them, by the kernels and by torch."""
    results = []
    for backend in ("native", "torch"):
        monkeypatch.setenv(kernels.SWITCH, backend)
        leaves = [x.clone().requires_grad_() for x in inputs]
        values = compute(*leaves)
        total = torch.stack([(v * random_tensor(position, *v.shape)).sum() for position, v in enumerate(values)]).sum()
        results.append((values, torch.autograd.grad(total, leaves)))
    for native, reference in zip(results[0][0] + results[0][1], results[1][0] + results[1][1], strict=True):
        assert torch.allclose(native, reference, atol=1e-4), (native - reference).abs().max()


@pytest.mark.parametrize("n_layers", [0, 1, 2, 3])
def test_the_mean_of_layers_at_some_rows_equals_torch(n_layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = BipartiteGraph(random_dataset().interactions)
    tables = [random_tensor(1, N_USERS, WIDTH), random_tensor(2, N_ITEMS, WIDTH)]
    assert_kernels_equal_torch(lambda u, i: graph.mean_of_layers(u, i, n_layers), tables, monkeypatch)
    assert_kernels_equal_torch(
        lambda u, i: graph.mean_of_layers_at(u, i, n_layers, AT_USERS, AT_ITEMS), tables, monkeypatch
    )
    assert_kernels_equal_torch(
        lambda u, i: graph.mean_and_norms(u, i, n_layers, AT_USERS, AT_ITEMS, item_residual=1.0), tables, monkeypatch
    )


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_propagation_in_bfloat16_is_close_to_float32(n_layers: int) -> None:
    results = []
    for compute_dtype in (torch.float32, torch.bfloat16):
        graph = BipartiteGraph(random_dataset().interactions)
        graph.compute_dtype = compute_dtype
        leaves = [random_tensor(1, N_USERS, WIDTH).requires_grad_(), random_tensor(2, N_ITEMS, WIDTH).requires_grad_()]
        values = [
            *graph.mean_of_layers_at(leaves[0], leaves[1], n_layers, AT_USERS, AT_ITEMS),
            *graph.mean_and_norms(leaves[0], leaves[1], n_layers, AT_USERS, AT_ITEMS, item_residual=1.0),
        ]
        assert all(value.dtype == torch.float32 for value in values)
        total = torch.stack([(v * random_tensor(position, *v.shape)).sum() for position, v in enumerate(values)]).sum()
        results.append((*values, *torch.autograd.grad(total, leaves)))
    for exact, approximate in zip(*results, strict=True):
        assert (exact - approximate).norm() <= 0.005 * exact.norm()
    different = any(not torch.equal(exact, approximate) for exact, approximate in zip(*results, strict=True))
    assert different == (n_layers > 0)


def test_norms_of_tables_of_zeros_have_zero_gradient() -> None:
    graph = BipartiteGraph(random_dataset().interactions)
    users, items = torch.zeros(N_USERS, 3, requires_grad=True), torch.zeros(N_ITEMS, 3, requires_grad=True)
    *_, norm_users, norm_items = graph.mean_and_norms(users, items, 1, AT_USERS, AT_ITEMS, item_residual=1.0)
    (norm_users + norm_items).backward()  # type: ignore[no-untyped-call]
    assert users.grad is not None
    assert torch.equal(users.grad, torch.zeros(N_USERS, 3))


@pytest.mark.parametrize("n_iterations", [0, 2])
def test_routing_and_the_content_that_follows_equal_torch(n_iterations: int, monkeypatch: pytest.MonkeyPatch) -> None:
    edges = Edges(random_dataset().interactions)

    def compute(preference: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        f = unit_rows(y)
        p, scores, *others = edges.route(preference, f, n_iterations, AT_USERS)
        to_users, to_items = edges.softmax_over_items(scores), edges.softmax_over_users(scores)
        content = edges.to_users(to_users, f, AT_USERS), edges.to_items(to_items, p, AT_ITEMS)
        return p, scores, *others, to_users, to_items, *content

    assert_kernels_equal_torch(
        compute, [random_tensor(3, N_USERS, WIDTH), random_tensor(4, N_ITEMS, WIDTH)], monkeypatch
    )


def test_max_over_modalities_and_two_layers_on_its_edges_equal_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = Edges(random_dataset().interactions)

    def compute(E: Tensor, a: Tensor, b: Tensor, c_u: Tensor, c_i: Tensor) -> tuple[Tensor, ...]:
        to_users, to_items = (
            edges.max_over_modalities_from_items([a, b], c_i),
            edges.max_over_modalities_from_users([b, a], c_u),
        )
        return to_users, to_items, *edges.two_layers_at(to_users, to_items, E, AT_USERS, AT_ITEMS)

    inputs = [random_tensor(5, N_USERS + N_ITEMS, WIDTH), random_tensor(7, len(edges)), random_tensor(8, len(edges))]
    assert_kernels_equal_torch(
        compute, [*inputs, random_tensor(9, N_USERS, 2), random_tensor(10, N_ITEMS, 2)], monkeypatch
    )


@pytest.mark.parametrize("rows", ["all", "some"])
@pytest.mark.parametrize("larger_side", ["users", "items"])
@pytest.mark.parametrize("signs", ["positive", "half of them", "any"])
def test_mmgcn_layers_are_equal_in_float32_and_close_in_bfloat16(
    signs: str, larger_side: str, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_users, n_items = (30, 25) if larger_side == "users" else (25, 30)
    edges = Edges(random_dataset(n_users=n_users, n_items=n_items).interactions)
    at = None if rows == "all" else (torch.tensor([4, 4, 0, 24]), torch.tensor([24, 7, 7, 1, 0]))
    width, d = 40, 16
    shapes: list[tuple[int, ...]] = [(n_users, width), (n_items, width), (n_users + n_items, d)]
    for w in (width, d):
        shapes += [(w, w), (d, w), (d,), (d, w + d), (d,)]
    inputs = [random_tensor(position, *shape) for position, shape in enumerate(shapes)]
    if signs != "any":  # away from leaky_relu's kink, where rounding may change the slope, and so the gradient
        inputs = [x.abs() for x in inputs]
    if signs == "half of them":  # half of the columns of every table are negative: columns of W, rows of S, s, C and c
        for position in (3, 8):
            inputs[position][:, ::2] *= -1
            for weight in inputs[position + 1 : position + 5]:
                weight[::2] *= -1
    results = []
    for backend, compute_dtype in (("torch", torch.float32), ("native", torch.float32), ("native", torch.bfloat16)):
        monkeypatch.setenv(kernels.SWITCH, backend)
        leaves = [x.clone().requires_grad_() for x in inputs]
        layers = [LayerWeights(*leaves[begin : begin + 5]) for begin in (3, 8)]
        *out, square = graph_layers(edges, (leaves[0], leaves[1]), leaves[2], layers, compute_dtype, at)
        last = torch.cat(out)
        total = (last * random_tensor(13, *last.shape)).sum() + 0.3 * square
        results.append((last, square, *torch.autograd.grad(total, leaves)))
    for exact, same, _ in zip(*results, strict=True):
        assert (exact - same).norm() <= 1e-5 * exact.norm()
    for exact, _, approximate in zip(*results, strict=True) if signs != "any" else [[result[0] for result in results]]:
        assert (exact - approximate).norm() <= 0.015 * exact.norm()


@pytest.mark.parametrize("compute_dtype", [torch.float32, torch.bfloat16])
def test_mmgcn_layers_do_not_depend_on_the_chunk_size(
    compute_dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    edges = Edges(random_dataset().interactions)
    shapes: list[tuple[int, ...]] = [(N_USERS, 9), (N_USERS + N_ITEMS, 4), (9, 9), (4, 9), (4,), (4, 13), (4,)]
    features = random_tensor(20, N_ITEMS, 9).half()  # without a gradient, as features without projection
    results = []
    for chunk in (1 << 20, 140):
        monkeypatch.setattr(mmgcn_tables, "CHUNK", chunk)
        leaves = [random_tensor(position, *shape).abs().requires_grad_() for position, shape in enumerate(shapes)]
        *out, _ = graph_layers(edges, (leaves[0], features), leaves[1], [LayerWeights(*leaves[2:])], compute_dtype)
        rows = torch.cat(out)
        results.append((rows, *torch.autograd.grad(rows.square().sum(), leaves)))
    for whole, chunked in zip(*results, strict=True):
        assert (whole - chunked).norm() <= 0.005 * whole.norm()


def test_rows_out_of_range_are_an_error_with_and_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = BipartiteGraph(random_dataset().interactions)
    for backend in ("native", "torch"):
        monkeypatch.setenv(kernels.SWITCH, backend)
        with pytest.raises(IndexError):
            graph.mean_of_layers_at(
                random_tensor(1, N_USERS, 4), random_tensor(2, N_ITEMS, 4), 2, torch.tensor([N_USERS + 3]), AT_ITEMS
            )
