"""How things are encoded, beside by which encoder: none of these may decide what a vector means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval
from typing_extensions import Doc

from triptych.content.opening import MAX_PIXELS


@dataclass(frozen=True)
class EncodeSettings:
    """How things are encoded."""

    batch_size: Annotated[int, Interval(ge=1, le=65536), Doc("things encoded at a time")] = 32
    workers: Annotated[int, Interval(ge=1, le=256), Doc("threads that read and decode ahead of the encoder")] = 2
    precision: Annotated[Literal["float16", "float32"], Doc("of the vectors that are stored")] = "float16"
    max_pixels: Annotated[int, Interval(ge=1), Doc("pictures of more are not decoded")] = MAX_PIXELS
