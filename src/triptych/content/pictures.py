"""Decode picture files safely: upright, RGB and of a limited size; damaged files raise InputError. And thumbnails."""

from __future__ import annotations

import io
import os
import stat
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from triptych.errors import InputError, location

MAX_PIXELS = 64_000_000  # a limit is needed: a file of a few kilobytes can decode to gigabytes
MAX_ASPECT_RATIO = 50  # long side : short side; encoders scale the short side up, and the long side grows with it
MAX_BYTES = 1 << 28  # of a file
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "MPO", "PPM", "ICO", "TGA")
DECODING = "upright by EXIF, first frame, transparency on white, RGB"  # what `decode_picture` does, for provenance


def picture_path(folder: Path, name: str) -> Path:
    """Return the path of a picture that a table names. Raises InputError if it is outside the folder.

    A name may be absolute, may contain "..", and may be a symbolic link, as long as it leads into the folder: a table
    that comes from others must not reach other files.
    """
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a name that no file can have, or links in a circle
        raise InputError("is not the name of a file", where=location(path), hint="correct it") from None
    if not inside:
        raise InputError(
            f"is outside the folder {folder}", where=location(path), hint="name the folder of the pictures"
        )
    return path


def read_picture(path: Path) -> bytes:
    """Return the bytes of a picture file. Raises InputError if it is missing, too large or no file, such as a pipe."""
    try:
        # without waiting: opening a pipe would wait for its writer
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise InputError("is not a file", where=location(path), hint="name a picture file")
            if status.st_size > MAX_BYTES:
                raise _too_large(path, f"{status.st_size:,} bytes are more than {MAX_BYTES:,}")
            return file.read(MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError("no such file", where=location(path), hint="check the path, or leave it empty") from None
    except IsADirectoryError:
        raise InputError("is not a file", where=location(path), hint="name a picture file") from None
    except (OSError, ValueError) as error:  # no permission, or a name that no file can have
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read: {reason}", where=location(path), hint="check the file") from None


def decode_picture(
    content: bytes, path: Path, *, max_pixels: int = MAX_PIXELS, draft: tuple[int, int] | None = None
) -> Image.Image:
    """Decode the bytes of a picture file into RGB, rotated by its EXIF orientation. Raises InputError for any defect.

    path: the file's name, for errors. draft: a JPEG may be decoded at a smaller size of at least this width and height.
    """
    if not content:
        raise InputError("is empty", where=location(path), hint="fetch it again")
    try:
        with Image.open(io.BytesIO(content), formats=_formats()) as picture:
            _check_size(*picture.size, path, max_pixels)
            if draft is not None:
                picture.draft("RGB", draft)
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
    picture = decode_picture(read_picture(path), path, draft=(width, height))
    picture.thumbnail((width, height))
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=78)
    return jpeg.getvalue()


@cache
def _formats() -> list[str]:
    """The formats of `FORMATS` that this Pillow knows. Others are never opened: EPS, for one, starts a program."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _check_size(width: int, height: int, path: Path, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise _too_large(path, f"{width:,} x {height:,} pixels are more than {max_pixels:,}")
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise InputError(
            f"is too narrow: {width:,} x {height:,} pixels", where=location(path), hint="crop it, or leave it out"
        )


def _too_large(path: Path, reason: str) -> InputError:
    return InputError(
        f"is too large: {reason}", where=location(path), hint="make it smaller, or allow more `max_pixels`"
    )


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I;16", "I")):  # 16-bit grey: Pillow would clip values above 255
        grey = np.asarray(picture, dtype=np.float64)
        return Image.fromarray((grey / 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        foreground = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", foreground.size, "white"), foreground).convert("RGB")
    return picture.convert("RGB")
