"""Encoder names -> encoders: the few that are known by a short name, and all that the libraries can load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triptych.encoding.encoder import Encoder
from triptych.errors import SettingsError

if TYPE_CHECKING:
    import torch

PICTURES, TEXTS = "efficientnet-lite0", "all-minilm-l6-v2"  # what is meant where no encoder is named


def picture_encoder(name: str = PICTURES, device: str = "auto") -> Encoder:
    """A picture encoder: `efficientnet-lite0`, a local folder, or a name on the model hub. Raises TriptychError."""
    from triptych.encoding.efficientnet import efficientnet
    from triptych.encoding.towers import tower

    return efficientnet(_device(device)) if name == PICTURES else tower(name, _device(device))


def text_encoder(name: str = TEXTS, device: str = "auto") -> Encoder:
    """A text encoder: `all-minilm-l6-v2`, a local folder, or a name on the model hub. Raises TriptychError."""
    from triptych.encoding.sentences import minilm, sentences

    return minilm(_device(device)) if name == TEXTS else sentences(name, _device(device))


def _device(name: str) -> torch.device:
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError):  # not a device; this torch knows no such device
        raise SettingsError(f'device "{name}" is not there', mend="leave it out, or pass --device cpu") from None
