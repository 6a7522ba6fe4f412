"""Small encoders for tests. Their vectors depend on who else is in the batch, as real ones do a little."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.encoding import Encoder

WIDTH = 6


def encoder_of_pictures(
    seed: int = 0, *, pause: float = 0, seen: Callable[[int], None] = lambda n: None, name: str = "tiny"
) -> Encoder:
    """Mean and spread of the colours, turned by a matrix. pause: seconds a batch. seen: is told the size of each."""
    return Encoder("pictures", name, WIDTH, {"seed": seed}, _colours, _encode(seed, WIDTH, pause, seen))


def encoder_of_texts(seed: int = 0, *, seen: Callable[[int], None] = lambda n: None) -> Encoder:
    """How often each letter stands in a text, turned by a matrix."""
    return Encoder("texts", "letters", 26, {"seed": seed}, _letters, _encode(seed, 26, 0, seen))


def _encode(
    seed: int, width: int, pause: float, seen: Callable[[int], None]
) -> Callable[[Sequence[Any]], NDArray[Any]]:
    turn = np.random.default_rng(seed).normal(size=(width, width)).astype(np.float32)

    def encode(batch: Sequence[Any]) -> NDArray[Any]:
        seen(len(batch))
        time.sleep(pause)
        rows = np.stack(list(batch)).astype(np.float32)
        return np.asarray((rows + rows.mean(axis=0) / 8) @ turn)

    return encode


def _colours(picture: Image.Image) -> NDArray[np.float32]:
    pixels = np.asarray(picture, np.float32).reshape(-1, 3) / 255
    return np.concatenate([pixels.mean(axis=0), pixels.std(axis=0)])


def _letters(text: str) -> NDArray[np.float32]:
    return np.array([text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"], np.float32)


def draw(seed: int, side: int = 12) -> Image.Image:
    """A picture of coloured noise."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8))
