"""Compiled kernels behind torch tensors. Where they cannot serve, `serves` says no and the rooms above use torch.

They serve float32 on a CPU, where the package was built with a compiler. `TRIPTYCH_KERNELS=torch` in the environment
switches them off. Every row of a result is computed by one thread in one order: the bytes are the same for any number
of threads (`torch.set_num_threads`).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.errors import SettingsError

try:
    _native: Any = import_module("triptych.kernels._native")  # compiled: nothing that mypy could read
except ModuleNotFoundError:  # built without a compiler; one that is there and does not load is an error worth seeing
    _native = None

SWITCH = "TRIPTYCH_KERNELS"
RESERVE = 4 << 30  # bytes of address space set aside for what a step makes and frees; only what is used takes memory
LARGEST_K = 512  # beyond, a full sort is the better way to the best k


@dataclass(frozen=True)
class Adjacency:
    """Rows and their neighbours: those of row r are neighbours[starts[r] : starts[r + 1]].

    starts int32 [n_rows + 1], neighbours int32 [n_edges]. places int32 [n_edges], or None: where the value of an edge
    stands in arrays over the edges, if not in this order.
    """

    starts: Tensor
    neighbours: Tensor
    positions: Tensor | None = None

    @property
    def n_rows(self) -> int:
        return len(self.starts) - 1


def available() -> bool:
    """Whether the package was built with its compiled core, and the environment does not switch it off.

    Raises SettingsError if the switch says neither "native" nor "torch".
    """
    wanted = os.environ.get(SWITCH, "native")
    if wanted not in ("native", "torch"):
        raise SettingsError(f'{SWITCH} is "{wanted}"', hint="set it to native or torch, or not at all")
    return _native is not None and wanted == "native"


def supports(*tensors: Tensor) -> bool:
    """Whether the compiled kernels can take these: all float32 on a CPU."""
    return available() and all(t.dtype == torch.float32 and t.device.type == "cpu" for t in tensors)


def instructions() -> str:
    """The instructions that the kernels use: "v4_bf16", "v4", "v3", "baseline"; "torch" where they are not there."""
    return str(_native.instructions()) if available() else "torch"


def use_instructions(name: str) -> None:
    """Use another set of instructions, for tests. Raises ValueError where the processor lacks it."""
    _native.use_instructions(name)


@contextmanager
def retain_freed_memory() -> Iterator[None]:
    """While this holds, freed memory stays with the process, so that a step finds the pages of the step before.

    Large blocks are otherwise returned to the system at once, and their pages made and cleared anew at every step.
    It is a setting of the whole process (glibc's malloc), so only the main thread asks for it; afterwards malloc's own
    settings, those of the environment included, are what its usual rule comes to at most.
    """
    if not available() or threading.current_thread() is not threading.main_thread():
        yield
        return
    _native.keep_memory(_reserve())
    try:
        yield
    finally:
        _native.release_memory()


def _reserve() -> int:
    """RESERVE, or nothing where a process may have so much address space only."""
    if sys.platform == "win32":
        return 0
    import resource

    return RESERVE if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY else 0


def huge_pages(tensor: Tensor) -> Tensor:
    """Ask for large pages under a tensor that is not written to yet; returns it."""
    if available() and tensor.device.type == "cpu":
        _native.huge_pages(tensor.detach())
    return tensor


def product(
    edges: Adjacency,
    weights: Tensor | None,
    x: Tensor,
    *,
    x_at: Tensor | None = None,
    base: Tensor | None = None,
    base_at: Tensor | None = None,
    rows: Tensor | None = None,
    row_scale: Tensor | None = None,
    column_scale: Tensor | None = None,
    a: float = 1.0,
    b: float = 1.0,
    slope: float = 1.0,
    out: Tensor | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """out[k] = leaky_relu(row_scale[r] · (a · base[r] + b · Σ over edges e of r of weights[e] · x[neighbour of e])).

    For r = rows[k], or all rows. weights float32 [n_edges], None: ones. x float32 or bfloat16 [·, d], each row times
    column_scale[node] if given; x_at int32: node -> its row in x, -1: zeros. base float32 [·, d] and base_at int32
    likewise, for the rows. rows int32. row_scale float32 [n_rows], None: ones. slope: of the leaky relu, 1: none.
    Returns [len(rows) or n_rows, d], in `out` if given, else in `dtype`, float32 or bfloat16, None: x's. Sums are
    kept in float32. Raises ValueError on tables of other types, or whose shapes do not fit.
    """
    if out is None:
        out = x.new_empty(edges.n_rows if rows is None else len(rows), x.shape[1], dtype=dtype)
    given = (_plain(x_at), _plain(base), _plain(base_at), _plain(rows), _plain(row_scale), _plain(column_scale))
    own = (*_parts(edges), _plain(weights), _in_bits(x.detach().contiguous()))
    _native.product(*own, *given, a, b, slope, _in_bits(out), torch.get_num_threads())
    return out


def route(edges: Adjacency, preference: Tensor, y: Tensor, n_iterations: int) -> tuple[Tensor, Tensor, Tensor]:
    """Every row's routing: p = preference to length 1; then p ← p + Σ softmax(p · y_j) y_j to length 1, n times.

    preference float32 [n_rows, d], y float32 [n_nodes, d]; edges in their own order. Returns (p, p · y_j of every edge
    [n_edges], and every softmax [n · n_edges], which `route_back` takes).
    """
    n_edges = len(edges.neighbours)
    out, scores, alphas = (
        preference.new_empty(preference.shape),
        y.new_empty(n_edges),
        y.new_empty(n_iterations * n_edges),
    )
    own = (edges.starts, edges.neighbours, _plain(preference), _plain(y), n_iterations)
    _native.route(*own, out, scores, alphas, torch.get_num_threads())
    return out, scores, alphas


def route_back(
    edges: Adjacency,
    preference: Tensor,
    y: Tensor,
    n_iterations: int,
    alphas: Tensor,
    d_out: Tensor | None,
    d_scores: Tensor,
    at: Tensor | None = None,
    d_out_at: Tensor | None = None,
    d_preference_at: Tensor | None = None,
    residual: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """The gradient of `route`, whose softmaxes are `alphas`, for preference and y; residual · preference is added.

    d_out_at, d_preference_at [m, d]: what is added to d_out and to the result at the rows that `at` int32 [n_rows]
    places in them (-1: none).
    """
    d_preference, d_y = preference.new_empty(preference.shape), y.new_empty(y.shape)
    own = (edges.starts, edges.neighbours, _plain(preference), _plain(y), n_iterations, alphas, residual)
    given = (_plain(d_out), _plain(d_scores), at, _plain(d_out_at), _plain(d_preference_at))
    _native.route_back(*own, *given, d_preference, d_y, torch.get_num_threads())
    return d_preference, d_y


def softmax(edges: Adjacency, values: Tensor) -> Tensor:
    """Softmax over the edges of every row, in the edges' places: float32 [n_edges]."""
    out = values.new_empty(values.shape)
    _native.softmax(*_parts(edges), _plain(values), None, out, torch.get_num_threads())
    return out


def softmax_back(edges: Adjacency, alpha: Tensor, d_alpha: Tensor) -> Tensor:
    """The gradient of `softmax`, whose result was alpha."""
    out = alpha.new_empty(alpha.shape)
    _native.softmax(*_parts(edges), _plain(alpha), _plain(d_alpha), out, torch.get_num_threads())
    return out


def unit_rows(x: Tensor, *, dtype: torch.dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Rows of x float32 [n, d] brought to length 1, in `out` if given, else in `dtype`, float32 (None) or bfloat16.

    A row of zeros stays.
    """
    if out is None:
        out = x.new_empty(x.shape, dtype=dtype)
    _native.unit_rows(_plain(x), _in_bits(out), torch.get_num_threads())
    return out


def unit_rows_back(x: Tensor, d_out: Tensor, *, residual: float = 0.0, out: Tensor | None = None) -> Tensor:
    """The gradient of `unit_rows` from d_out float32 or bfloat16 [n, d], and residual · x: float32 [n, d]."""
    if out is None:
        out = x.new_empty(x.shape)
    _native.unit_rows_back(_plain(x), _in_bits(d_out.detach().contiguous()), residual, out, torch.get_num_threads())
    return out


def bfloat16(table: Tensor) -> Tensor:
    """A table float16 or float32 [n, d] in bfloat16: several times as fast from float16 as torch's conversion."""
    if table.dtype != torch.float16 or table.device.type != "cpu" or not available():
        return table.to(torch.bfloat16)
    out = table.new_empty(table.shape, dtype=torch.bfloat16)
    bits = table.detach().contiguous().view(torch.int16)
    _native.bfloat16_of_float16(bits, _in_bits(out), torch.get_num_threads())
    return out


def dots(edges: Adjacency, x: Tensor, y: Tensor, x_at: Tensor | None = None) -> Tensor:
    """x_r · y_j of every edge, in the edges' places: float32 [n_edges]; x_at int32: row -> its row in x, -1: zeros."""
    out = y.new_empty(len(edges.neighbours))
    _native.dots(*_parts(edges), _plain(x), _plain(x_at), _plain(y), out, torch.get_num_threads())
    return out


def max_over_modalities(alpha: Tensor, confidence: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
    """relu(max over m of alpha[m, e] · confidence[sources[e], m]) and the m that won, -1 where relu cut: [n_edges]."""
    weights = alpha.new_empty(alpha.shape[1])
    winners = torch.empty(alpha.shape[1], dtype=torch.int8)
    own = (_plain(alpha), _plain(confidence), sources)
    _native.max_over_modalities(*own, weights, winners, torch.get_num_threads())
    return weights, winners


def max_over_modalities_back(
    edges: Adjacency, alpha: Tensor, confidence: Tensor, sources: Tensor, winners: Tensor, d_weights: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradient of `strongest` for alpha and confidence; edges: every source's."""
    d_alpha, d_confidence = alpha.new_empty(alpha.shape), confidence.new_empty(confidence.shape)
    own = (_plain(alpha), _plain(confidence), sources, winners, _plain(d_weights), d_alpha, d_confidence)
    _native.max_over_modalities_back(*_parts(edges), *own, torch.get_num_threads())
    return d_alpha, d_confidence


def top_k(
    users: Tensor, items: Tensor, k: int, seen: tuple[NDArray[np.int64], NDArray[np.int64]] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best k items of every row of `users` by inner product, exactly: items int64 [n, k], scores float32 [n, k].

    users float32 [n, d], items float32 [n_items, d]; seen: (starts int64 [n + 1], items int64, sorted) that are left
    out. Equal scores: the lower item first. Where fewer than k are left: -1 and -inf. NaN is never ranked.
    """
    best_items = np.empty((len(users), k), dtype=np.int64)
    best_scores = np.empty((len(users), k), dtype=np.float32)
    starts, taken = seen if seen is not None else (None, None)
    _native.top_k(_plain(users), _plain(items), starts, taken, best_items, best_scores, torch.get_num_threads())
    return best_items, best_scores


def _parts(edges: Adjacency) -> tuple[Any, ...]:
    return edges.starts, edges.neighbours, edges.positions


def _in_bits(table: Tensor) -> Tensor:
    """A table as the core takes it, without a copy: float32, or the bits of bfloat16 as int16."""
    return table.view(torch.int16) if table.dtype == torch.bfloat16 else table


def _plain(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().contiguous()
