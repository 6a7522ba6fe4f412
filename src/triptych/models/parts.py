"""What several papers share: initialisation, losses, penalties, dropout with a generator."""

from __future__ import annotations

import warnings

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from triptych import kernels
from triptych.data.features import Features, streamed

BPR_FLOOR = 1e-10
EPSILON = 1e-16  # a row of zeros has no direction: its cosine is 0, not NaN


def xavier_table(rows: int, width: int, generator: Generator) -> nn.Parameter:
    """A table of embeddings [rows, width], Xavier-uniform."""
    table = kernels.huge_pages(torch.empty(rows, width))
    return nn.Parameter(nn.init.xavier_uniform_(table, generator=generator))


def xavier_linear(width_in: int, width_out: int, generator: Generator) -> nn.Linear:
    """x -> x Wᵀ + b with W [width_out, width_in] Xavier-normal and b uniform in ±1/√width_in.

    The bias does not start at zero: cosine losses see directions only, and measured on real data BM3 then ranks worse.
    """
    linear: nn.Linear = nn.utils.skip_init(nn.Linear, width_in, width_out)  # type: ignore[no-untyped-call]
    nn.init.xavier_normal_(linear.weight, generator=generator)
    nn.init.uniform_(linear.bias, -(width_in**-0.5), width_in**-0.5, generator=generator)
    return linear


def bpr(positive_scores: Tensor, negative_scores: Tensor, floor: float = 0.0) -> Tensor:
    """−mean log(σ(s(u, i⁺) − s(u, i⁻)) + floor), for scores [n] each.

    The literature's BPR-MF, VBPR and LightGCN have `BPR_FLOOR` there, and so have their reference vectors; the papers
    do not.
    """
    difference = positive_scores - negative_scores
    if floor == 0:
        return -functional.logsigmoid(difference).mean()
    return -(difference.sigmoid() + floor).log().mean()


def cosine_distances(x: Tensor, y: Tensor) -> Tensor:
    """1 − cos of the rows of x and y, [n, d] each -> [n]."""
    squared_lengths = (x * x).sum(-1).clamp_min(EPSILON) * (y * y).sum(-1).clamp_min(EPSILON)
    return 1 - (x * y).sum(-1) * squared_lengths.rsqrt()


def norm_penalty(*matrices: Tensor) -> Tensor:
    """(Σ ‖·‖) / rows of the last one, with ‖·‖ the Frobenius norm."""
    return torch.stack([matrix.norm() for matrix in matrices]).sum() / len(matrices[-1])


def id_penalty(table: Tensor, n_users: int, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Mean square of the batch's rows of an ID table [n_users + n_items, d]: users' and items' rows, added."""
    items = torch.cat([positives, negatives]) + n_users
    return table[users].square().mean() + table[items].square().mean()


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


class FeatureRows(nn.Module):
    """One modality's rows for some items: mapped features stay mapped, and rows of items without it are zeros."""

    features: Tensor
    present: Tensor

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.width = features.width
        self.register_buffer("features", table_of(features), persistent=False)
        self.register_buffer("present", torch.from_numpy(features.present.copy()), persistent=False)

    def forward(self, items: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Item rows int64 [n], or None for all -> features [n, width], and 1 where an item has them, else 0, [n, 1]."""
        features, present = (
            (self.features, self.present) if items is None else (self.features[items], self.present[items])
        )
        has = present[:, None].to(dtype)
        return torch.where(present[:, None], features.to(dtype), features.new_zeros((), dtype=dtype)), has


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
