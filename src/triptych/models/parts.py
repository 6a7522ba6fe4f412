"""What several papers share: initialisation, losses, penalties, dropout with a generator."""

from __future__ import annotations

import warnings

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from triptych.data.features import Features, streamed

EPSILON = 1e-16  # a row of zeros has no direction: its cosine is 0, not NaN


def xavier_table(rows: int, width: int, generator: Generator) -> nn.Parameter:
    """A table of embeddings [rows, width], Xavier-uniform."""
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(rows, width), generator=generator))


def xavier_linear(width_in: int, width_out: int, generator: Generator) -> nn.Linear:
    """x -> x Wᵀ + b with W [width_out, width_in] Xavier-normal and b uniform in ±1/√width_in.

    The bias does not start at zero: cosine losses see directions only, and measured on real data BM3 then ranks worse.
    """
    linear: nn.Linear = nn.utils.skip_init(nn.Linear, width_in, width_out)  # type: ignore[no-untyped-call]
    nn.init.xavier_normal_(linear.weight, generator=generator)
    nn.init.uniform_(linear.bias, -(width_in**-0.5), width_in**-0.5, generator=generator)
    return linear


def bpr(positive_scores: Tensor, negative_scores: Tensor) -> Tensor:
    """−mean log σ(s(u, i⁺) − s(u, i⁻)), for scores [n] each."""
    return -functional.logsigmoid(positive_scores - negative_scores).mean()


def cosine_distances(x: Tensor, y: Tensor) -> Tensor:
    """1 − cos of the rows of x and y, [n, d] each -> [n]."""
    squared_lengths = (x * x).sum(-1).clamp_min(EPSILON) * (y * y).sum(-1).clamp_min(EPSILON)
    return 1 - (x * y).sum(-1) * squared_lengths.rsqrt()


def norm_penalty(*matrices: Tensor) -> Tensor:
    """(Σ ‖·‖) / rows of the last one, with ‖·‖ the Frobenius norm."""
    return torch.stack([matrix.norm() for matrix in matrices]).sum() / len(matrices[-1])


def dropout(x: Tensor, share: float, generator: Generator) -> Tensor:
    """Zero a share of the entries and scale the others up; `functional.dropout` takes no generator."""
    if share == 0:
        return x
    kept = torch.rand(x.shape, dtype=x.dtype, device=x.device, generator=generator) >= share
    return x * kept * (1 / (1 - share))


def table_of(features: Features) -> Tensor:
    """A modality's table as a tensor that shares its memory: a mapped file stays mapped, nothing is copied."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # nobody writes to it
        return torch.from_numpy(features.table)


def random_projection(features: Features, width: int, generator: Generator) -> Tensor:
    """A modality seen through random directions, float32 [n_items, width]: alike stays alike; missing rows are zero.

    The mean over the items is taken away and rows have length 1 before. Read a chunk at a time.
    """
    table, present = table_of(features), torch.from_numpy(features.present.copy())
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
