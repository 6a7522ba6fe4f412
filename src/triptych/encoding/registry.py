"""Encoder names -> encoders: the few that are known by a short name, and all that the libraries can load."""

from __future__ import annotations

from triptych.devices import choose_device
from triptych.encoding.encoder import Encoder

IMAGES, TEXTS = "efficientnet-lite0", "all-minilm-l6-v2"  # what is meant where no encoder is named


def image_encoder(name: str = IMAGES, device: str = "auto") -> Encoder:
    """A picture encoder: `efficientnet-lite0`, a local folder, or a name on the model hub. Raises TriptychError."""
    from triptych.encoding.efficientnet import efficientnet
    from triptych.encoding.image_encoders import load_image_encoder

    return efficientnet(choose_device(device)) if name == IMAGES else load_image_encoder(name, choose_device(device))


def text_encoder(name: str = TEXTS, device: str = "auto") -> Encoder:
    """A text encoder: `all-minilm-l6-v2`, a local folder, or a name on the model hub. Raises TriptychError."""
    from triptych.encoding.text_encoders import load_text_encoder, minilm

    return minilm(choose_device(device)) if name == TEXTS else load_text_encoder(name, choose_device(device))
