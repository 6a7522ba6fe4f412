"""The features of one modality in a model: rows of some items, and their projection W f + b.

Features stay in the 16 or 32 bits in which they are stored. Their products with W may be computed in bfloat16. Sums,
W and b stay float32. See `TrainingSettings.precision`.
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
from triptych.data.features import Features, FeatureStream
from triptych.graph.first_gradient import first_gradient_only
from triptych.graph.sparse_rows import gather_rows, unique_rows

CHUNK = 1 << 21  # numbers that are projected or converted at a time, so that the result stays in the cache
MAPPED_AROUND = 1 << 16  # bytes that a system may map around the byte that is read
HELD_BYTES = 128 << 20  # bytes of a mapped file that may count as memory of this process before its pages are released

ReadRows = Callable[[slice], Tensor]


def feature_tensor(features: Features) -> Tensor:
    """Return a modality's table as a tensor that shares its memory: a mapped file stays mapped, nothing is copied."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # it is only read
        return torch.from_numpy(features.table)


class FeatureRows(nn.Module):
    """Features of one modality by item. Mapped features stay mapped. Rows of items without features are zeros.

    compute_dtype: the dtype in which products are computed, float32 or bfloat16.
    """

    features: Tensor
    present: Tensor

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.width, self.complete = features.width, not features.n_missing
        self.compute_dtype = torch.float32
        self._cached_bfloat16: Tensor | None = None
        # None: the table is in memory, or the map is writable, and writes would be lost with the released pages
        self._file = features.table._mmap if getattr(features.table, "mode", None) == "r" else None  # type: ignore[attr-defined]
        self._bytes_read = 0
        self.register_buffer("features", feature_tensor(features), persistent=False)
        self.register_buffer("present", torch.from_numpy(features.present.copy()), persistent=False)

    def forward(self, items: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return features [n, width] of item rows int64 [n], or of all (None); and 1 or 0, [n, 1]: has the item any?"""
        features, present = (
            (self.features, self.present) if items is None else (self.features[items], self.present[items])
        )
        return self._masked(features.to(dtype), present), present[:, None].to(dtype)

    def table(self) -> Tensor:
        """Return all rows in the dtype in which they are stored, [n_items, width]; zeros for items without features."""
        return self._masked(self.features, self.present)

    def project(
        self, weight: Tensor, bias: Tensor, items: Tensor | None, *, keep: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Return W f + b [n, d] of item rows int64 [n], or of all (None); and 1 or 0, [n, 1]: has the item features?

        weight W [d, width], bias b [d]. Rows of items without features are zeros. keep: if all items are projected in
        bfloat16, keep the converted table, which costs its memory, instead of converting it again at every step.
        """
        if weight.dtype == torch.float64:
            features, has_features = self(items, weight.dtype)
            return functional.linear(features, weight, bias) * has_features, has_features
        where: Tensor | None = None
        if items is not None:
            items, where = unique_rows(items, len(self.present))  # a batch names popular items many times
            present = self.present[items]
            table = self._masked(self.features[items], present)
            self._release_pages(len(items))
            read: ReadRows = table.to(self.compute_dtype).__getitem__
        else:
            present, read = self.present, self._read
            if keep and self.compute_dtype == torch.bfloat16:
                if self._cached_bfloat16 is None:
                    self._cached_bfloat16 = torch.empty(self.features.shape, dtype=torch.bfloat16, device=weight.device)
                    for rows in _chunks(*self.features.shape):
                        self._cached_bfloat16[rows] = self._read(rows)
                read = self._cached_bfloat16.__getitem__
        projected: Tensor = _Projection.apply(read, len(present), weight, bias, self.compute_dtype)  # type: ignore[no-untyped-call]
        has_features = present[:, None].to(weight.dtype)
        projected = projected if self.complete else projected * has_features
        if where is None:
            return projected, has_features
        return gather_rows(projected, where), has_features[where]

    def _read(self, rows: slice) -> Tensor:
        """Return some rows in `compute_dtype`."""
        features = self.features[rows]
        features = self._masked(
            kernels.bfloat16(features) if self.compute_dtype == torch.bfloat16 else features.to(self.compute_dtype),
            self.present[rows],
        )
        self._release_pages(len(features))
        return features

    def _release_pages(self, n_rows: int) -> None:
        """Release the pages of a mapped file from time to time.

        They stay in the system's cache, but no longer count as memory of this process.
        """
        self._bytes_read += n_rows * max(MAPPED_AROUND, self.width * self.features.element_size())
        if self._file is not None and self._bytes_read > HELD_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            self._file.madvise(mmap.MADV_DONTNEED)
            self._bytes_read = 0

    def _masked(self, features: Tensor, present: Tensor) -> Tensor:
        return features if self.complete else features.masked_fill(~present[:, None], 0)


class _Projection(torch.autograd.Function):
    """F Wᵀ + b in float32. `read` returns rows of F [n, width] in `compute_dtype`, a chunk at a time.

    The backward pass reads F again instead of keeping it.
    """

    @staticmethod
    def forward(ctx: Any, read: ReadRows, n: int, weight: Tensor, bias: Tensor, compute_dtype: torch.dtype) -> Tensor:
        ctx.read, ctx.n, ctx.compute_dtype, ctx.width = read, n, compute_dtype, weight.shape[1]
        weight = weight.to(compute_dtype)
        out = bias.new_empty(n, len(bias))
        for rows in _chunks(n, ctx.width):
            out[rows] = (read(rows) @ weight.T).float().add_(bias)
        return out

    @staticmethod
    @first_gradient_only
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor, Tensor, None]:
        g = gradients[0]
        d_bias, g = g.sum(dim=0), g.to(ctx.compute_dtype)
        d_weight = torch.zeros(g.shape[1], ctx.width, device=g.device)  # float32, as are all sums
        for rows in _chunks(ctx.n, ctx.width):
            if ctx.compute_dtype == torch.float32:
                d_weight.addmm_(g[rows].T, ctx.read(rows))
            else:
                d_weight += (g[rows].T @ ctx.read(rows)).float()
        return None, None, d_weight, d_bias, None


def _chunks(n: int, width: int) -> Iterator[slice]:
    """Return slices of n rows of that width; each has at most CHUNK numbers, or one row."""
    step = max(1, CHUNK // max(1, width))
    return (slice(begin, min(n, begin + step)) for begin in range(0, n, step))


def random_projection(features: Features, width: int, generator: Generator) -> Tensor:
    """Return a random projection of a modality, float32 [n_items, width]. Similar items stay similar.

    Before projection, the mean over the items is subtracted and rows are scaled to length 1. Rows of items without
    features are zeros. The features are read a chunk at a time.
    """
    table, present = feature_tensor(features), torch.from_numpy(features.present.copy())
    directions = torch.randn(features.width, width, generator=generator)
    total = torch.zeros(features.width)
    chunks = FeatureStream.from_features(features).chunks()
    for rows in chunks:
        total += table[rows][present[rows]].float().sum(dim=0)
    mean = total / max(1, int(present.sum()))
    projected = torch.zeros(features.n_items, width)
    for rows in chunks:
        centred = functional.normalize(table[rows].float() - mean, dim=1)
        projected[rows] = (centred @ directions) * present[rows][:, None]
    return projected
