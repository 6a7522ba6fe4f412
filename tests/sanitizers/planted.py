"""A planted mistake: edges that are called checked, and are not. AddressSanitizer must end this process."""

from __future__ import annotations

import torch

from triptych import kernels

ONE_PAST_THE_END = torch.tensor([1], dtype=torch.int32)
kernels.product(
    kernels.Adjacency(torch.tensor([0, 1], dtype=torch.int32), ONE_PAST_THE_END, checked_nodes=1),
    None,
    torch.ones(1, 64),
)
