"""Picture files -> pixels, whatever is in them: upright, RGB, and never larger than was agreed to."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from triptych.errors import InputError, location

MAX_PIXELS = 64_000_000  # a file of a few kilobytes can unpack to gigabytes
MAX_RATIO = 50  # long side : short side; encoders enlarge the short one, and the long one would grow along
DECODING = "upright by EXIF, first frame, transparency on white, RGB"  # for provenance: what `upright` does


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture to read from. Raises InputError, while it is read too."""
    try:
        with Image.open(path) as picture:
            yield picture
    except FileNotFoundError:
        raise InputError("no such picture", where=location(path), hint="check the path, or leave it empty") from None
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        raise InputError(
            "is not a picture that can be read", where=location(path), hint="save it as PNG or JPEG"
        ) from None


def upright(content: bytes, path: Path, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture in a file's bytes, RGB, turned as its EXIF says. Raises InputError, whatever is wrong with it."""
    if not content:
        raise InputError("is empty", where=location(path), hint="fetch it again")
    try:
        with Image.open(io.BytesIO(content)) as picture:
            _refuse_odd_sizes(*picture.size, path, max_pixels)
            return _rgb(ImageOps.exif_transpose(picture))
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise InputError("is not a picture", where=location(path), hint="save it as PNG or JPEG") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(path, "it has far more pixels than a picture should") from None
    except Exception as error:  # decoders of damaged files raise nearly anything: SyntaxError, struct.error, IndexError
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"is damaged: {why}", where=location(path), hint="fetch or save it again") from None


def _refuse_odd_sizes(width: int, height: int, path: Path, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise _too_large(path, f"{width:,} x {height:,} pixels are more than {max_pixels:,}")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise InputError(
            f"{width:,} x {height:,} pixels are too narrow", where=location(path), hint="crop it, or leave it out"
        )


def _too_large(path: Path, what: str) -> InputError:
    return InputError(f"is too large: {what}", where=location(path), hint="make it smaller, or allow more --max-pixels")


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I;16", "I")):  # 16-bit grey: Pillow would cut off all above 255
        grey = np.asarray(picture, dtype=np.float64)
        return Image.fromarray((grey / 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        over = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return picture.convert("RGB")
