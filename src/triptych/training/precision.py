"""Precision of products: the dtype that a name such as "auto" means on this machine."""

from __future__ import annotations

import os

import torch

from triptych.errors import SettingsError

SWITCH = "TRIPTYCH_PRECISION"  # in the environment: what "auto" means, for tests and measurements


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype of a name. "auto" is bfloat16 if the processor multiplies it natively, else float32.

    TRIPTYCH_PRECISION=float32 or bfloat16 decides what "auto" means. Raises SettingsError for another value.
    """
    if name == "auto":
        name = _auto(device)
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def _auto(device: torch.device) -> str:
    forced = os.environ.get(SWITCH, "")
    if forced:
        if forced not in ("float32", "bfloat16"):
            raise SettingsError(f'{SWITCH} is "{forced}"', hint="set it to float32 or bfloat16, or not at all")
        return forced
    native = device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return "bfloat16" if native else "float32"
