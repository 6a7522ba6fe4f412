"""Decode picture files safely: upright, RGB and of a limited size; damaged files raise InputError. And thumbnails."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from triptych.errors import InputError, location

MAX_PIXELS = 64_000_000  # a limit is needed: a file of a few kilobytes can decode to gigabytes
MAX_ASPECT_RATIO = 50  # long side : short side; encoders scale the short side up, and the long side grows with it
DECODING = "upright by EXIF, first frame, transparency on white, RGB"  # what `decode_picture` does, for provenance


@contextmanager
def open_picture(path: Path) -> Iterator[Image.Image]:
    """Yield a picture. Raises InputError if the file is missing or not a picture; also while the block reads it."""
    try:
        with Image.open(path) as picture:
            yield picture
    except FileNotFoundError:
        raise InputError("no such picture", where=location(path), hint="check the path, or leave it empty") from None
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        raise InputError(
            "is not a picture, or is damaged", where=location(path), hint="save it as PNG or JPEG"
        ) from None


def decode_picture(content: bytes, path: Path, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode the bytes of a picture file into RGB, rotated by its EXIF orientation. Raises InputError for any defect.

    path: the file's name, for errors.
    """
    if not content:
        raise InputError("is empty", where=location(path), hint="fetch it again")
    try:
        with Image.open(io.BytesIO(content)) as picture:
            _check_size(*picture.size, path, max_pixels)
            return _to_rgb(ImageOps.exif_transpose(picture))
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise InputError("is not a picture", where=location(path), hint="save it as PNG or JPEG") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(path, "it has far too many pixels") from None
    except Exception as error:  # on damaged files, decoders also raise SyntaxError, struct.error, IndexError, …
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"is damaged: {reason}", where=location(path), hint="fetch or save it again") from None


def thumbnail(path: Path, width: int, height: int) -> bytes:
    """Return a picture as a JPEG that fits into width x height pixels. Raises InputError."""
    with open_picture(path) as original:
        original.draft("RGB", (width, height))
        picture = original.convert("RGB")
        picture.thumbnail((width, height))
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=78)
    return jpeg.getvalue()


def _check_size(width: int, height: int, path: Path, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise _too_large(path, f"{width:,} x {height:,} pixels are more than {max_pixels:,}")
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise InputError(
            f"is too narrow: {width:,} x {height:,} pixels", where=location(path), hint="crop it, or leave it out"
        )


def _too_large(path: Path, reason: str) -> InputError:
    return InputError(
        f"is too large: {reason}", where=location(path), hint="make it smaller, or allow more --max-pixels"
    )


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I;16", "I")):  # 16-bit grey: Pillow would clip values above 255
        grey = np.asarray(picture, dtype=np.float64)
        return Image.fromarray((grey / 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        foreground = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", foreground.size, "white"), foreground).convert("RGB")
    return picture.convert("RGB")
