"""What several papers share: initialisation, losses, penalties, dropout with a generator."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from triptych import kernels
from triptych.graph.sparse_rows import gather_rows

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
    at = torch.cat([users, positives + n_users, negatives + n_users])
    rows = gather_rows(table, at)  # at once: one gradient of the table
    return rows[: len(users)].square().mean() + rows[len(users) :].square().mean()


def ridge_map(x: Tensor, y: Tensor, weights: Tensor, share: float = 3e-4) -> Tensor:
    """What a ridge regression of y [n, e] on x [n, d] says of all rows. weights [n]: how much each row counts in it.

    Both are centred on their means. The penalty is `share` of the mean square of a row of x, for every unit of weight.
    """
    x, y, w = x.double(), y.double(), weights.double()[:, None] / weights.sum()
    y_mean = (w * y).sum(dim=0)
    x = x - (w * x).sum(dim=0)
    weighted = w * x
    size = float((weighted * x).sum()) or 1.0  # x is constant: the prediction is the mean
    penalty = share * size * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    predicted: Tensor = x @ torch.linalg.solve(weighted.T @ x + penalty, weighted.T @ (y - y_mean)) + y_mean
    return predicted.float()


def dropout(x: Tensor, share: float, generator: Generator) -> Tensor:
    """Zero a share of the entries and scale the others up; `functional.dropout` takes no generator."""
    if share == 0:
        return x
    kept = torch.rand(x.shape, dtype=x.dtype, device=x.device, generator=generator) >= share
    return x * kept * (1 / (1 - share))
