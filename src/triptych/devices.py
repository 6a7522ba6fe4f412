"""Devices: a name such as "auto" or "cuda" as a torch device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triptych.errors import SettingsError

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> torch.device:
    """Return the device of a name. "auto" is a GPU if there is one, else the CPU. Raises SettingsError."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError):  # not a device, or this torch was built without it
        raise SettingsError(
            f'this machine, or this torch, has no device "{name}"', hint="use cpu, or install a torch that supports it"
        ) from None
