"""A picture file gives the pixels that a person sees, or an InputError."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from triptych.content.pictures import decode_picture
from triptych.errors import InputError

HERE = Path("picture")


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a picture file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def test_a_picture_is_rotated_by_its_exif_orientation() -> None:
    landscape = Image.new("RGB", (20, 10), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    assert decode_picture(encoded(landscape, "JPEG", exif=exif), HERE).size == (10, 20)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_every_mode_becomes_rgb_and_keeps_black_and_white(mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.array([[0, 65535]], dtype=np.uint16))
    else:
        picture = Image.fromarray(np.array([[[0] * 3, [255] * 3]], dtype=np.uint8)).convert(mode)
    picture = picture.resize((20, 10), Image.Resampling.NEAREST)
    kind = "TIFF" if mode in ("CMYK", "YCbCr", "LA") else "PNG"
    decoded = decode_picture(encoded(picture, kind), HERE)
    assert decoded.mode == "RGB"
    assert np.asarray(decoded)[0, 0].max() < 5
    assert np.asarray(decoded)[0, -1].min() > 250


def test_transparent_pixels_become_white() -> None:
    transparent = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert np.asarray(decode_picture(encoded(transparent, "PNG"), HERE)).min() == 255


def test_the_first_frame_of_an_animation_is_used() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.asarray(decode_picture(content, HERE))[0, 0].tolist() == [255, 0, 0]


@given(st.binary(max_size=60), st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]), st.integers(0, 400))
def test_damaged_files_give_a_picture_or_an_input_error_and_no_other_error(noise: bytes, kind: str, begin: int) -> None:
    content = encoded(Image.linear_gradient("L").resize((16, 16)).convert("RGB"), kind)
    begin = min(begin, len(content))
    for damaged in (content[:begin], content[:begin] + noise + content[begin + len(noise) :], noise):
        with contextlib.suppress(InputError):
            assert decode_picture(damaged, HERE).mode == "RGB"
