"""A modality's features as a model sees them: rows of some items, and their projection W f + b.

Features stay in the 16 or 32 bits they are stored in. Their products with W may be computed in bfloat16: sums are kept
in float32, and W and b stay float32. See `TrainingSettings.precision`.
"""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from triptych import kernels
from triptych.data.features import Features, streamed
from triptych.graph.sparse_rows import gather_rows, unique_rows

CHUNK = 1 << 21  # numbers projected or converted at a time: what is made of them stays in the cache
AROUND = 1 << 16  # bytes that a system maps around the one that is read
HELD_BYTES = 128 << 20  # of a mapped file that may count as this process's memory before its pages are let go


Read = Callable[[slice], Tensor]


def feature_tensor(features: Features) -> Tensor:
    """A modality's table as a tensor that shares its memory: a mapped file stays mapped, nothing is copied."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # nobody writes to it
        return torch.from_numpy(features.table)


class FeatureRows(nn.Module):
    """One modality's rows for some items: mapped features stay mapped, and rows of items without it are zeros.

    products: the dtype that products are computed in, float32 or bfloat16.
    """

    features: Tensor
    present: Tensor

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.width, self.complete = features.width, not features.n_missing
        self.compute_dtype = torch.float32
        self._all_in_bfloat16: Tensor | None = None
        # None: the table is in memory, or somebody may write to the map, and would lose that with its pages
        self._file = features.table._mmap if getattr(features.table, "mode", None) == "r" else None  # type: ignore[attr-defined]
        self._bytes_read = 0
        self.register_buffer("features", feature_tensor(features), persistent=False)
        self.register_buffer("present", torch.from_numpy(features.present.copy()), persistent=False)

    def forward(self, items: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Item rows int64 [n], or None for all -> features [n, width], and 1 where an item has them, else 0, [n, 1]."""
        features, present = (
            (self.features, self.present) if items is None else (self.features[items], self.present[items])
        )
        return self._masked(features.to(dtype), present), present[:, None].to(dtype)

    def table(self) -> Tensor:
        """All rows as they are stored, [n_items, width]; those of items without features are zeros."""
        return self._masked(self.features, self.present)

    def project(
        self, weight: Tensor, bias: Tensor, items: Tensor | None, *, keep: bool = True
    ) -> tuple[Tensor, Tensor]:
        """W f + b of some items int64 [n], or of all (None): [n, d], and 1 where an item has features, else 0, [n, 1].

        weight W [d, width], bias b [d]. Rows of items without features are zeros. keep: where all items are projected
        in bfloat16, keep the table in it, which costs its memory, instead of converting it again at every step.
        """
        if weight.dtype == torch.float64:
            features, has = self(items, weight.dtype)
            return functional.linear(features, weight, bias) * has, has
        where: Tensor | None = None
        if items is not None:
            items, where = unique_rows(items, len(self.present))  # a batch names popular items many times
            present = self.present[items]
            table = self._masked(self.features[items], present)
            self._let_go(len(items))
            read: Read = table.to(self.compute_dtype).__getitem__
        else:
            present, read = self.present, self._read
            if keep and self.compute_dtype == torch.bfloat16:
                if self._all_in_bfloat16 is None:
                    self._all_in_bfloat16 = torch.empty(self.features.shape, dtype=torch.bfloat16, device=weight.device)
                    for rows in _chunks(*self.features.shape):
                        self._all_in_bfloat16[rows] = self._read(rows)
                read = self._all_in_bfloat16.__getitem__
        projected: Tensor = _Projection.apply(read, len(present), weight, bias, self.compute_dtype)  # type: ignore[no-untyped-call]
        has = present[:, None].to(weight.dtype)
        projected = projected if self.complete else projected * has
        return (projected, has) if where is None else (gather_rows(projected, where), has[where])

    def _read(self, rows: slice) -> Tensor:
        """Some rows as products take them."""
        some = self.features[rows]
        some = self._masked(
            kernels.bfloat16(some) if self.compute_dtype == torch.bfloat16 else some.to(self.compute_dtype),
            self.present[rows],
        )
        self._let_go(len(some))
        return some

    def _let_go(self, n_rows: int) -> None:
        """Give back the pages of a mapped file now and then: they stay in the system's cache, but are not ours."""
        self._bytes_read += n_rows * max(AROUND, self.width * self.features.element_size())
        if self._file is not None and self._bytes_read > HELD_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            self._file.madvise(mmap.MADV_DONTNEED)
            self._bytes_read = 0

    def _masked(self, features: Tensor, present: Tensor) -> Tensor:
        return features if self.complete else features.masked_fill(~present[:, None], 0)


class _Projection(torch.autograd.Function):
    """F Wᵀ + b in float32 of n rows of F that `read` gives in `products`, a chunk at a time; again for the gradient."""

    @staticmethod
    def forward(ctx: Any, read: Read, n: int, weight: Tensor, bias: Tensor, compute_dtype: torch.dtype) -> Tensor:
        ctx.read, ctx.n, ctx.compute_dtype, ctx.width = read, n, compute_dtype, weight.shape[1]
        weight = weight.to(compute_dtype)
        out = bias.new_empty(n, len(bias))
        for rows in _chunks(n, ctx.width):
            out[rows] = (read(rows) @ weight.T).float().add_(bias)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor, Tensor, None]:
        g = gradients[0]
        d_bias, g = g.sum(dim=0), g.to(ctx.compute_dtype)
        d_weight = torch.zeros(g.shape[1], ctx.width, device=g.device)  # float32: sums are kept in it
        for rows in _chunks(ctx.n, ctx.width):
            if ctx.compute_dtype == torch.float32:
                d_weight.addmm_(g[rows].T, ctx.read(rows))
            else:
                d_weight += (g[rows].T @ ctx.read(rows)).float()
        return None, None, d_weight, d_bias, None


def _chunks(n: int, width: int) -> Iterator[slice]:
    """Slices of n rows of that width, each CHUNK numbers at most, or one row."""
    step = max(1, CHUNK // max(1, width))
    return (slice(begin, min(n, begin + step)) for begin in range(0, n, step))


def random_projection(features: Features, width: int, generator: Generator) -> Tensor:
    """A modality seen through random directions, float32 [n_items, width]: alike stays alike; missing rows are zero.

    The mean over the items is taken away and rows have length 1 before. Read a chunk at a time.
    """
    table, present = feature_tensor(features), torch.from_numpy(features.present.copy())
    directions = torch.randn(features.width, width, generator=generator)
    total = torch.zeros(features.width)
    chunks = streamed(features).chunks()
    for rows in chunks:
        total += table[rows][present[rows]].float().sum(dim=0)
    mean = total / max(1, int(present.sum()))
    projected = torch.zeros(features.n_items, width)
    for rows in chunks:
        centred = functional.normalize(table[rows].float() - mean, dim=1)
        projected[rows] = (centred @ directions) * present[rows][:, None]
    return projected
