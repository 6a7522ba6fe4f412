"""Small encoders for tests. Their vectors depend on the other rows of the batch, as real ones do a little."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.encoding import Encoder

WIDTH = 6


def picture_encoder(
    seed: int = 0, *, pause: float = 0, on_batch: Callable[[int], None] = lambda n: None, name: str = "tiny"
) -> Encoder:
    """Mean and standard deviation of the colours, times a matrix. pause: seconds per batch. on_batch: gets its size."""
    return Encoder("pictures", name, WIDTH, {"seed": seed}, _colours, _encode(seed, WIDTH, pause, on_batch))


def text_encoder(seed: int = 0, *, on_batch: Callable[[int], None] = lambda n: None) -> Encoder:
    """Counts of the letters of a text, times a matrix."""
    return Encoder("texts", "letters", 26, {"seed": seed}, _letters, _encode(seed, 26, 0, on_batch))


def _encode(
    seed: int, width: int, pause: float, on_batch: Callable[[int], None]
) -> Callable[[Sequence[Any]], NDArray[Any]]:
    matrix = np.random.default_rng(seed).normal(size=(width, width)).astype(np.float32)

    def encode(batch: Sequence[Any]) -> NDArray[Any]:
        on_batch(len(batch))
        time.sleep(pause)
        rows = np.stack(list(batch)).astype(np.float32)
        return np.asarray((rows + rows.mean(axis=0) / 8) @ matrix)

    return encode


def _colours(picture: Image.Image) -> NDArray[np.float32]:
    pixels = np.asarray(picture, np.float32).reshape(-1, 3) / 255
    return np.concatenate([pixels.mean(axis=0), pixels.std(axis=0)])


def _letters(text: str) -> NDArray[np.float32]:
    return np.array([text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"], np.float32)


def draw(seed: int, side: int = 12) -> Image.Image:
    """A picture of coloured noise."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8))
