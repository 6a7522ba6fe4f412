"""Settings of an encoding besides its encoder. None of them changes what a vector means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval
from typing_extensions import Doc

from triptych.content.pictures import MAX_PIXELS
from triptych.settings import checked


@dataclass(frozen=True)
@checked
class EncodeSettings:
    """Settings of `encode`."""

    batch_size: Annotated[int, Interval(ge=1, le=65536), Doc("pictures or texts per batch")] = 32
    workers: Annotated[int, Interval(ge=1, le=256), Doc("threads that read and decode ahead of the encoder")] = 2
    precision: Annotated[Literal["float16", "float32"], Doc("dtype of the stored vectors")] = "float16"
    max_pixels: Annotated[int, Interval(ge=1), Doc("pictures with more pixels are not decoded")] = MAX_PIXELS
