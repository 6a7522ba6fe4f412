"""Encoder names -> encoders: the two defaults, and all models that the libraries can load."""

from __future__ import annotations

from triptych.devices import choose_device
from triptych.encoding.encoder import Encoder

DEFAULT_IMAGE_ENCODER, DEFAULT_TEXT_ENCODER = "efficientnet-lite0", "all-minilm-l6-v2"


def image_encoder(name: str = DEFAULT_IMAGE_ENCODER, device: str = "auto") -> Encoder:
    """Load a picture encoder: `efficientnet-lite0`, a local folder, or a name on the hub. Raises TriptychError."""
    from triptych.encoding.efficientnet import load_efficientnet
    from triptych.encoding.image_encoders import load_image_encoder

    if name == DEFAULT_IMAGE_ENCODER:
        return load_efficientnet(choose_device(device))
    return load_image_encoder(name, choose_device(device))


def text_encoder(name: str = DEFAULT_TEXT_ENCODER, device: str = "auto") -> Encoder:
    """Load a text encoder: `all-minilm-l6-v2`, a local folder, or a name on the hub. Raises TriptychError."""
    from triptych.encoding.text_encoders import load_minilm, load_text_encoder

    if name == DEFAULT_TEXT_ENCODER:
        return load_minilm(choose_device(device))
    return load_text_encoder(name, choose_device(device))
