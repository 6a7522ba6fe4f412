"""Building blocks that several models share: initialisation, losses, penalties, ridge regression, dropout."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from triptych import kernels
from triptych.devices import largest_float
from triptych.graph.sparse_rows import gather_rows

BPR_FLOOR = 1e-10  # see `bpr`
EPSILON = 1e-16  # a row of zeros has no direction: its cosine is 0, not NaN


def xavier_table(rows: int, width: int, generator: Generator) -> nn.Parameter:
    """Return a table of embeddings [rows, width], Xavier-uniform."""
    table = kernels.huge_pages(torch.empty(rows, width))
    return nn.Parameter(nn.init.xavier_uniform_(table, generator=generator))


def xavier_linear(width_in: int, width_out: int, generator: Generator) -> nn.Linear:
    """Return x -> x Wᵀ + b with W [width_out, width_in] Xavier-normal and b uniform in ±1/√width_in.

    The bias does not start at zero. Cosine losses see directions only, and on real data BM3 ranks worse with a bias
    that starts at zero.
    """
    linear: nn.Linear = nn.utils.skip_init(nn.Linear, width_in, width_out)  # type: ignore[no-untyped-call]
    nn.init.xavier_normal_(linear.weight, generator=generator)
    nn.init.uniform_(linear.bias, -(width_in**-0.5), width_in**-0.5, generator=generator)
    return linear


def weighted_mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean of w times the values, [n] each; without weights, the mean of the values."""
    return values.mean() if weights is None else (weights * values).mean()


def bpr(
    positive_scores: Tensor, negative_scores: Tensor, floor: float = 0.0, *, weights: Tensor | None = None
) -> Tensor:
    """Return −mean log(σ(s(u, i⁺) − s(u, i⁻)) + floor), for scores [n] each. weights: of the pairs, see `Batch`.

    Published code of BPR-MF, VBPR and LightGCN has the floor `BPR_FLOOR`, and so have the reference vectors. The papers
    have none.
    """
    difference = positive_scores - negative_scores
    if floor == 0:
        return -weighted_mean(functional.logsigmoid(difference), weights)
    return -weighted_mean((difference.sigmoid() + floor).log(), weights)


def cosine_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return 1 − cos of the rows of x and y, [n, d] each -> [n]."""
    squared_lengths = (x * x).sum(-1).clamp_min(EPSILON) * (y * y).sum(-1).clamp_min(EPSILON)
    return 1 - (x * y).sum(-1) * squared_lengths.rsqrt()


def norm_penalty(*matrices: Tensor) -> Tensor:
    """Return the sum of the Frobenius norms, divided by the number of rows of the last matrix."""
    return torch.stack([matrix.norm() for matrix in matrices]).sum() / len(matrices[-1])


def id_penalty(table: Tensor, n_users: int, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Return the mean square of the users' rows of an ID table [n_users + n_items, d], plus that of the items' rows."""
    at = torch.cat([users, positives + n_users, negatives + n_users])
    rows = gather_rows(table, at)  # all at once, so that the table gets one gradient
    return rows[: len(users)].square().mean() + rows[len(users) :].square().mean()


def ridge_predictions(x: Tensor, y: Tensor, weights: Tensor, share: float = 3e-4) -> Tensor:
    """Return the predictions, float32 [n, e], of a ridge regression of y [n, e] on x [n, d] for all rows.

    weights [n]: the weight of each row in the regression. x and y are centred on their weighted means. The penalty is
    `share` times the weighted mean square length of a row of x.
    """
    dtype = largest_float(x.device)
    x, y, w = x.to(dtype), y.to(dtype), weights.to(dtype)[:, None] / weights.sum()
    y_mean = (w * y).sum(dim=0)
    x = x - (w * x).sum(dim=0)
    weighted = w * x
    mean_square = float((weighted * x).sum()) or 1.0  # 0 if x is constant: the prediction is then the mean
    penalty = share * mean_square * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    predicted: Tensor = x @ torch.linalg.solve(weighted.T @ x + penalty, weighted.T @ (y - y_mean)) + y_mean
    return predicted.float()


def dropout(x: Tensor, share: float, generator: Generator) -> Tensor:
    """Zero a share of the entries and scale the others up; `functional.dropout` takes no generator."""
    if share == 0:
        return x
    kept = torch.rand(x.shape, dtype=x.dtype, device=x.device, generator=generator) >= share
    return x * kept * (1 / (1 - share))
