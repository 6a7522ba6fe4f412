"""Devices: a name such as "auto" or "cuda:1" as a torch device, and what is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from triptych.errors import SettingsError, did_you_mean

if TYPE_CHECKING:
    import torch

NAMES = ("auto", "cpu", "cuda", "mps")
NAME = re.compile(r"auto|cpu|cuda(:\d{1,3})?|mps")


def check_device_name(name: str) -> None:
    """Raise SettingsError unless a name is auto, cpu, cuda, cuda:N or mps, whether this machine has it or not."""
    if not NAME.fullmatch(name):
        hint = f"{did_you_mean(name, NAMES)} A certain GPU is written as cuda:1."
        raise SettingsError(f'unknown device "{name}"', hint=hint)


def choose_device(name: str) -> torch.device:
    """Return the device of a name. "auto" is a CUDA GPU if there is one, else the CPU.

    Raises SettingsError that says which devices there are, if this machine or this torch lacks it.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError):  # not a device, or this torch was built without it
        raise SettingsError(
            f'this machine, or this torch, has no device "{name}"', hint=f"here are: {_available()}. {_remedy(name)}"
        ) from None


def describe_device(device: torch.device) -> str:
    """Return a device as text, a GPU with its name: `cuda:0 (NVIDIA H100 80GB HBM3)`."""
    name = gpu_name(device)
    return str(device) if name is None else f"{device} ({name})"


def gpu_name(device: torch.device) -> str | None:
    """Return the name of a GPU; None for the CPU."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return None if device.type == "cpu" else "Apple GPU" if device.type == "mps" else device.type


def peak_gpu_megabytes(device: torch.device) -> float | None:
    """Return the peak memory of a CUDA GPU so far; None for other devices."""
    import torch

    return round(torch.cuda.max_memory_allocated(device) / 1e6, 1) if device.type == "cuda" else None


def largest_float(device: torch.device) -> torch.dtype:
    """Return float64, or float32 where the device has no float64: Apple's GPUs."""
    import torch

    return torch.float32 if device.type == "mps" else torch.float64


def _available() -> str:
    import torch

    found = ["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count() if torch.cuda.is_available() else 0))]
    return ", ".join([*found, *(["mps"] if torch.backends.mps.is_available() else [])])


def _remedy(name: str) -> str:
    import torch

    if name.startswith("cuda") and torch.version.cuda is None:
        return f"torch {torch.__version__} was built without CUDA: choose a build with it at pytorch.org"
    return "use one of these, or auto"
