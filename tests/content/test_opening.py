"""Whatever is in a picture's file: pixels as a person would see them, or an error in words."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from triptych.content.opening import upright
from triptych.errors import InputError

HERE = Path("picture")


def written(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def test_a_picture_stands_as_its_exif_says() -> None:
    lying = Image.new("RGB", (20, 10), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter
    assert upright(written(lying, "JPEG", exif=exif), HERE).size == (10, 20)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_every_mode_becomes_rgb_and_keeps_light_and_dark(mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.array([[0, 65535]], dtype=np.uint16))
    else:
        picture = Image.fromarray(np.array([[[0] * 3, [255] * 3]], dtype=np.uint8)).convert(mode)
    picture = picture.resize((20, 10), Image.Resampling.NEAREST)
    kind = "TIFF" if mode in ("CMYK", "YCbCr", "LA") else "PNG"
    seen = upright(written(picture, kind), HERE)
    assert seen.mode == "RGB"
    assert np.asarray(seen)[0, 0].max() < 5
    assert np.asarray(seen)[0, -1].min() > 250


def test_what_is_transparent_is_white() -> None:
    glass = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert np.asarray(upright(written(glass, "PNG"), HERE)).min() == 255


def test_the_first_frame_of_a_moving_picture_is_seen() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    content = written(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.asarray(upright(content, HERE))[0, 0].tolist() == [255, 0, 0]


@given(st.binary(max_size=60), st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]), st.integers(0, 400))
def test_damaged_files_are_errors_or_pictures_and_never_anything_else(noise: bytes, kind: str, begin: int) -> None:
    content = written(Image.linear_gradient("L").resize((16, 16)).convert("RGB"), kind)
    begin = min(begin, len(content))
    for damaged in (content[:begin], content[:begin] + noise + content[begin + len(noise) :], noise):
        with contextlib.suppress(InputError):
            assert upright(damaged, HERE).mode == "RGB"
