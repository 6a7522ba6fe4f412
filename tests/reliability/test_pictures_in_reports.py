"""Pictures that a table names: `encode`, `report` and `explain` read the same files, in bounded memory."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

import triptych
from encoding.encoders import picture_encoder
from triptych.content.pictures import decode_picture, picture_path, read_picture, thumbnail
from triptych.data.formats.read_table import read_table
from triptych.encoding import encode, folder_pictures, table_pictures
from triptych.errors import InputError
from triptych.explaining.item_display import ItemDisplay

posix = pytest.mark.skipif(sys.platform == "win32", reason="file systems of Windows have none")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *extra: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = zlib.compress(b"\0" * min((width + 1) * height, 1 << 20))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


BOMB = zlib.compress(b"\0" * (80 << 20), 9)


def write(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


def hostile_files() -> dict[str, Callable[[Path], None]]:
    """Name -> what makes the file."""
    return {
        "huge.png": write(png(13_000, 13_000)),
        "text.png": write(png(8, 8, chunk(b"zTXt", b"a\0\0" + BOMB))),
        "texts.png": write(png(8, 8, *[chunk(b"zTXt", b"a\0\0" + zlib.compress(b"b" * (1 << 20)))] * 70)),
        "cut.png": write(png(8, 8)[:-30]),
        "empty.png": write(b""),
        "script.png": write(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n%%EOF\n"),
        "folder.png": lambda path: path.mkdir(),
        "circle.png": lambda path: path.symlink_to(path),
        "pipe.png": lambda path: os.mkfifo(path),
        "device.png": lambda path: path.symlink_to("/dev/zero"),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (30, 20), "red").save(tmp_path / "pictures" / "good.png")
    Image.new("RGB", (30, 20), "red").save(tmp_path / "secret.png")
    return tmp_path / "pictures"


@posix
def test_no_hostile_file_is_shown_or_encoded_and_none_ends_the_work(folder: Path, tmp_path: Path) -> None:
    for name, make in hostile_files().items():
        make(folder / name)
    names = ["good.png", *hostile_files(), "missing.png", "bad\0name.png", "x" * 5000]
    pl.DataFrame({"id": names, "picture": names}).write_parquet(tmp_path / "items.parquet")
    inputs = table_pictures(read_table(tmp_path / "items.parquet"), folder, "picture")
    result = encode(inputs, picture_encoder(), tmp_path / "out")
    assert result.n_encoded == 1
    assert {each.item for each in result.missing} == set(names[1:])
    assert all(each.reason for each in result.missing)
    dataset = dataset_with_pictures(names)
    display = ItemDisplay(picture_column="picture", picture_folder=folder)
    shown = [display.picture_of(dataset, row) is not None for row in range(len(names))]
    assert shown == [True] + [False] * (len(names) - 1)


def dataset_with_pictures(names: list[str]) -> triptych.Dataset:
    log = pl.DataFrame({"user_id": ["u", "v"] * 4, "item_id": (["0", "1", "2"] * 3)[:8]})
    items = pl.DataFrame({"item_id": [str(n) for n in range(len(names))], "picture": names})
    return triptych.dataset_from_frames(log, items=items)


@posix
@pytest.mark.parametrize("name", ["../secret.png", "{outside}/secret.png", "link.png", "folder/secret.png"])
def test_pictures_outside_the_folder_are_refused(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "folder").symlink_to(tmp_path)
    name = name.format(outside=tmp_path)
    with pytest.raises(InputError, match="is outside the folder"):
        picture_path(folder, name)
    display = ItemDisplay(picture_column="picture", picture_folder=folder)
    assert display.picture_of(dataset_with_pictures([name, "good.png", "good.png"]), 0) is None
    pl.DataFrame({"id": ["a", "b"], "picture": [name, "good.png"]}).write_csv(tmp_path / "items.csv")
    inputs = table_pictures(read_table(tmp_path / "items.csv"), folder, "picture")
    result = encode(inputs, picture_encoder(), tmp_path / "out")
    assert [(each.item, "outside the folder" in each.reason) for each in result.missing] == [("a", True)]


def test_names_that_lead_back_into_the_folder_are_read(folder: Path) -> None:
    for name in ("good.png", "../pictures/good.png", str(folder / "good.png")):
        assert thumbnail(picture_path(folder, name), 10, 10)


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse names that are not UTF-8")
def test_a_picture_whose_name_is_not_utf8_is_reported_as_missing(folder: Path, tmp_path: Path) -> None:
    (folder / "good.png").rename(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
    Image.new("RGB", (30, 20), "blue").save(folder / "other.png")
    result = encode(folder_pictures(folder), picture_encoder(), tmp_path / "out")
    assert [(each.item, each.reason) for each in result.missing] == [
        ("caf\\xe9", "has a name that is not UTF-8: rename it")
    ]
    assert (tmp_path / "out" / "ids.txt").read_text("utf-8").splitlines() == ["caf\\xe9", "other"]


def test_a_picture_of_a_format_that_starts_a_program_is_not_opened() -> None:
    with pytest.raises(InputError, match="is not a picture"):
        decode_picture(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n%%EOF\n", Path("x.png"))


def test_a_thumbnail_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 200), "red").save(tmp_path / "a.jpg", exif=exif)
    content = thumbnail(tmp_path / "a.jpg", 50, 50)
    assert decode_picture(content, tmp_path / "a.jpg").size == (25, 50)
    assert read_picture(tmp_path / "a.jpg")
