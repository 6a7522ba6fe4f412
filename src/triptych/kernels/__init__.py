"""Compiled kernels for torch tensors. The packages above ask `supports` and use torch if it returns False.

The kernels work on float32 tensors on a CPU, if the package was built with a compiler. `TRIPTYCH_KERNELS=torch` in the
environment switches them off. One thread computes each row of a result, in one fixed order. So the bytes are the same
for any number of threads (`torch.set_num_threads`). A forked process has one thread (forks.py).

Every kernel checks its arguments: it raises ValueError for shapes and for an output in the memory of an input,
IndexError for indices outside a table, TypeError for other dtypes.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych import forks
from triptych.errors import SettingsError
from triptych.kernels.adjacency import Adjacency as Adjacency
from triptych.kernels.adjacency import check_edges as check_edges

try:
    _native: Any = import_module("triptych.kernels._native")  # compiled: mypy cannot read it
except ModuleNotFoundError:  # built without a compiler. A module that exists but fails to load still raises its error
    _native = None

SWITCH = "TRIPTYCH_KERNELS"
RESERVE = 4 << 30  # bytes of address space for what a step makes and frees; only what is used takes memory
LARGEST_K = 512  # above this, a full sort is faster


def available() -> bool:
    """Return whether the compiled kernels exist and are not switched off by the environment.

    Raises SettingsError if the switch is neither "native" nor "torch".
    """
    wanted = os.environ.get(SWITCH, "native")
    if wanted not in ("native", "torch"):
        raise SettingsError(f'{SWITCH} is "{wanted}"', hint="set it to native or torch, or not at all")
    return _native is not None and wanted == "native"


def supports(*tensors: Tensor) -> bool:
    """Return whether the kernels are available and can work on these tensors: all float32, on a CPU."""
    return available() and all(t.dtype == torch.float32 and t.device.type == "cpu" for t in tensors)


def instructions() -> str:
    """The instruction set in use: "v4_bf16", "v4", "v3" or "baseline"; "torch" if the kernels are not available."""
    return str(_native.instructions()) if available() else "torch"


def use_instructions(name: str) -> None:
    """Use another instruction set, for tests. Raises ValueError if the processor lacks it."""
    _native.use_instructions(name)


@contextmanager
def retain_freed_memory() -> Iterator[None]:
    """Keep freed memory in the process inside this context, so that each step reuses the pages of the last one.

    Otherwise large blocks are returned to the system at once, and every step makes and clears their pages again.
    This is a setting of the whole process (glibc's malloc), so only the main thread changes it. Afterwards malloc has
    the largest values that its usual rule can reach. Values from the environment are not restored.
    """
    if not available() or threading.current_thread() is not threading.main_thread():
        yield
        return
    _native.retain_freed_memory(_reserve())
    try:
        yield
    finally:
        _native.release_freed_memory()


def _reserve() -> int:
    """RESERVE, or 0 if the address space of the process is limited."""
    if sys.platform == "win32":
        return 0
    import resource

    return RESERVE if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY else 0


def huge_pages(tensor: Tensor) -> Tensor:
    """Ask for large pages for a tensor that has not been written to yet. Returns the tensor."""
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
    """Return weighted sums over the neighbours of each row, plus a base row, scaled, through a leaky relu.

    out[k] = leaky_relu(row_scale[r] · (a · base[r] + b · Σ over the edges e of r of weights[e] · x[neighbour of e])),
    with r = rows[k].

    weights: float32 [n_edges]. row_scale: float32 [n_rows]. column_scale: float32 [n_nodes], a factor for the rows
    of x. None means ones.
    x: float32 or bfloat16 [·, d]. x_at: int32, node -> its row in x, or -1 for zeros. None: the node itself.
    base: float32 [·, d], None: zeros. base_at: int32, row -> its row in base, or -1 for zeros. None: the row itself.
    rows: int32, the rows to compute. None: all rows.
    slope: of the leaky relu. 1 means no relu.
    Returns [len(rows) or n_rows, d], in `out` if given. Otherwise the result has `dtype`, float32 or bfloat16; None:
    the dtype of x. Sums are kept in float32. Raises ValueError if a table has another dtype or does not fit in shape.
    """
    if out is None:
        out = x.new_empty(edges.n_rows if rows is None else len(rows), x.shape[1], dtype=dtype)
    given = (_plain(x_at), _plain(base), _plain(base_at), _plain(rows), _plain(row_scale), _plain(column_scale))
    own = (*_parts(edges), _plain(weights), _in_bits(x.detach().contiguous()))
    _native.product(*own, *given, a, b, slope, _in_bits(out), _checked(edges), _threads())
    return out


def route(edges: Adjacency, preference: Tensor, y: Tensor, n_iterations: int) -> tuple[Tensor, Tensor, Tensor]:
    """Route every row: p = preference to length 1, then n times p ← p + Σ softmax(p · y_j) y_j to length 1.

    preference: float32 [n_rows, d]. y: float32 [n_nodes, d]. `edges.positions` is not used.
    Returns p, then p · y_j for every edge [n_edges], then all softmaxes [n · n_edges], which `route_back` needs.
    """
    if n_iterations < 0:
        raise ValueError("the number of iterations must be 0 or more")
    out, scores = preference.new_empty(preference.shape), y.new_empty(len(edges.neighbours))
    alphas = y.new_empty(n_iterations * len(edges.neighbours))
    own = (edges.starts, edges.neighbours, _plain(preference), _plain(y), n_iterations)
    _native.route(*own, out, scores, alphas, _checked(edges), _threads())
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
    """The gradients of `route` for preference and y. residual · preference is added to the first.

    alphas: the softmaxes that `route` returned. d_out: None means zeros.
    d_out_at, d_preference_at: [m, d], added to d_out and to the gradient for preference.
    at: int32 [n_rows], row -> its row in these two tables, or -1 for none.
    """
    d_preference, d_y = preference.new_empty(preference.shape), y.new_empty(y.shape)
    own = (edges.starts, edges.neighbours, _plain(preference), _plain(y), n_iterations, alphas, residual)
    given = (_plain(d_out), _plain(d_scores), at, _plain(d_out_at), _plain(d_preference_at))
    _native.route_back(*own, *given, d_preference, d_y, _checked(edges), _threads())
    return d_preference, d_y


def softmax(edges: Adjacency, values: Tensor) -> Tensor:
    """Softmax over the edges of every row: float32 [n_edges], each value at the position of its edge."""
    out = values.new_empty(values.shape)
    _native.softmax(*_parts(edges), _plain(values), None, out, _checked(edges), _threads())
    return out


def softmax_back(edges: Adjacency, alpha: Tensor, d_alpha: Tensor) -> Tensor:
    """The gradient of `softmax`. alpha: the result of `softmax`."""
    out = alpha.new_empty(alpha.shape)
    _native.softmax(*_parts(edges), _plain(alpha), _plain(d_alpha), out, _checked(edges), _threads())
    return out


def unit_rows(x: Tensor, *, dtype: torch.dtype | None = None, out: Tensor | None = None) -> Tensor:
    """The rows of x float32 [n, d] scaled to length 1. A row of zeros stays zero.

    The result is in `out` if given. Otherwise it has `dtype`, float32 or bfloat16; None: float32.
    """
    if out is None:
        out = x.new_empty(x.shape, dtype=dtype)
    _native.unit_rows(_plain(x), _in_bits(out), _threads())
    return out


def unit_rows_back(x: Tensor, d_out: Tensor, *, residual: float = 0.0, out: Tensor | None = None) -> Tensor:
    """The gradient of `unit_rows` plus residual · x: float32 [n, d]. d_out: float32 or bfloat16 [n, d]."""
    if out is None:
        out = x.new_empty(x.shape)
    _native.unit_rows_back(_plain(x), _in_bits(d_out.detach().contiguous()), residual, out, _threads())
    return out


def bfloat16(table: Tensor) -> Tensor:
    """The table, float16 or float32 [n, d], in bfloat16. From float16 this is several times faster than torch."""
    if table.dtype != torch.float16 or table.device.type != "cpu" or not available():
        return table.to(torch.bfloat16)
    out = table.new_empty(table.shape, dtype=torch.bfloat16)
    bits = table.detach().contiguous().view(torch.int16)
    _native.bfloat16_of_float16(bits, _in_bits(out), _threads())
    return out


def dots(edges: Adjacency, x: Tensor, y: Tensor, x_at: Tensor | None = None) -> Tensor:
    """x_r · y_j for every edge: float32 [n_edges], each value at the position of its edge.

    x_at: int32, row -> its row in x, or -1 for zeros. None: the row itself.
    """
    out = y.new_empty(len(edges.neighbours))
    _native.dots(*_parts(edges), _plain(x), _plain(x_at), _plain(y), out, _checked(edges), _threads())
    return out


def max_over_modalities(alpha: Tensor, confidence: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest weight per edge over the modalities, and the modality that has it: [n_edges] each.

    The weight is relu(max over m of alpha[m, e] · confidence[sources[e], m]). If relu makes it 0, the modality is -1.
    """
    weights = alpha.new_empty(alpha.shape[1])
    winners = torch.empty(alpha.shape[1], dtype=torch.int8)
    own = (_plain(alpha), _plain(confidence), sources)
    _native.max_over_modalities(*own, weights, winners, _threads())
    return weights, winners


def max_over_modalities_back(
    edges: Adjacency, alpha: Tensor, confidence: Tensor, sources: Tensor, winners: Tensor, d_weights: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of `max_over_modalities` for alpha and confidence. edges: from the sources' side."""
    d_alpha, d_confidence = alpha.new_empty(alpha.shape), confidence.new_empty(confidence.shape)
    own = (_plain(alpha), _plain(confidence), sources, winners, _plain(d_weights), d_alpha, d_confidence)
    _native.max_over_modalities_back(*_parts(edges), *own, _checked(edges), _threads())
    return d_alpha, d_confidence


def top_k(
    users: Tensor, items: Tensor, k: int, seen: tuple[NDArray[np.int64], NDArray[np.int64]] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best k items per row of `users` by inner product, exactly: items int64 [n, k] and scores float32 [n, k].

    users: float32 [n, d]. items: float32 [n_items, d].
    seen: the items to leave out, as starts int64 [n + 1] and items int64, sorted per user. None: no item.
    Of equal scores, the lower item comes first. If fewer than k items are left, the rest is -1 and -inf. NaN is never
    ranked.
    """
    best_items = np.empty((len(users), k), dtype=np.int64)
    best_scores = np.empty((len(users), k), dtype=np.float32)
    starts, seen_items = seen if seen is not None else (None, None)
    _native.top_k(_plain(users), _plain(items), starts, seen_items, best_items, best_scores, _threads())
    return best_items, best_scores


def _checked(edges: Adjacency) -> int:
    return -1 if edges.checked_nodes is None else edges.checked_nodes


def _threads() -> int:
    return 1 if forks.is_forked() else torch.get_num_threads()


def _one_thread_for_torch() -> None:
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_one_thread_for_torch)  # OpenMP would wait for threads that a fork does not copy


def _parts(edges: Adjacency) -> tuple[Any, ...]:
    return edges.starts, edges.neighbours, edges.positions


def _in_bits(table: Tensor) -> Tensor:
    """The table in a form that the core accepts, without a copy: float32, or the bits of bfloat16 as int16."""
    return table.view(torch.int16) if table.dtype == torch.bfloat16 else table


def _plain(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().contiguous()
