"""What a run computes with: device, precision and threads. Other ones round otherwise, so a resumed run keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from annotated_types import Interval
from threadpoolctl import threadpool_limits
from typing_extensions import Doc

from triptych.devices import choose_device
from triptych.settings import checked
from triptych.training.precision import choose_precision
from triptych.training.settings import TrainingSettings

COMPUTED_WITH = "computed_with"  # the key of these values in run.json and in a model's `about`


@dataclass(frozen=True)
@checked
class ComputedWith:
    """The values that `auto` had when a run started, and the number of threads."""

    device: Annotated[str, Doc("where a run trains: cpu, cuda, cuda:1 or mps")]
    precision: Annotated[Literal["float32", "bfloat16"], Doc("of products with features and sums over neighbours")]
    threads: Annotated[int, Interval(ge=1), Doc("processor threads")]


def choose_computed_with(
    training: TrainingSettings, recorded: Mapping[str, Any] | None = None, *, is_trained: bool = True
) -> ComputedWith:
    """Return what a run computes with: `auto` is what an interrupted run recorded, or else what suits this machine.

    is_trained: closed-form models compute in float32 on the processor. Raises SettingsError for an unknown device.
    """
    if recorded is not None:
        chosen = ComputedWith(**recorded)
        device = chosen.device if training.device == "auto" or not is_trained else training.device
        precision = chosen.precision if training.precision == "auto" or not is_trained else training.precision
        return ComputedWith(device, precision, chosen.threads)
    if not is_trained:
        return ComputedWith("cpu", "float32", torch.get_num_threads())
    where = choose_device(training.device)
    return ComputedWith(str(where), choose_precision(training.precision, where), torch.get_num_threads())


@contextmanager
def use_threads(threads: int) -> Iterator[None]:
    """Let torch, the kernels, numpy and scipy use this number of threads; the number before is restored."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
