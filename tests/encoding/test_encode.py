"""New and changed content is encoded once, missing content is listed, and `prepare` reads the result."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from encoding.encoders import draw, picture_encoder, text_encoder
from triptych.content.metadata import MetadataColumns, encode_metadata
from triptych.data.formats.encoded import open_encoded
from triptych.data.formats.read_table import read_table
from triptych.encoding import (
    EncodeSettings,
    EncodingInputs,
    encode,
    encode_columns,
    folder_pictures,
    table_pictures,
    table_texts,
)
from triptych.errors import ArtefactError, InputError, SettingsError
from triptych.preparing import FeatureSource, prepare


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


# a few bytes whose header claims 60,000 x 60,000 pixels
BOMB = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)) + chunk(b"IEND", b"")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(10):
        draw(number).save(folder / f"i{number}.png")
    return folder


@pytest.fixture
def items(tmp_path: Path, pictures: Path) -> Path:
    """Ten items: i2 has no picture, the picture of i3 does not exist, i4 has no text."""
    paths = [f"i{number}.png" for number in range(10)]
    frame = pl.DataFrame(
        {
            "item_id": [f"i{number}" for number in range(10)],
            "picture": [
                None if number == 2 else "no/such.png" if number == 3 else path for number, path in enumerate(paths)
            ],
            "title": [None if number == 4 else f"title {number}" for number in range(10)],
            "tags": [None if number == 4 else "a|b" for number in range(10)],
            "price": [float(number) for number in range(10)],
        }
    )
    frame.write_csv(tmp_path / "items.csv")
    return tmp_path / "items.csv"


def test_a_second_run_encodes_only_what_is_new_or_changed(pictures: Path, tmp_path: Path) -> None:
    sizes = list[int]()
    encoder = picture_encoder(on_batch=sizes.append)
    encode(folder_pictures(pictures), encoder, tmp_path / "out")
    before = open_encoded(tmp_path / "out").values.copy()
    draw(100).save(pictures / "i3.png")
    draw(101).save(pictures / "new.png")
    (pictures / "i5.png").unlink()
    sizes.clear()
    result = encode(folder_pictures(pictures), encoder, tmp_path / "out")
    assert (sizes, result.n_encoded, result.n_unchanged) == ([2], 2, 8)
    after = open_encoded(tmp_path / "out")
    assert after.ids.to_list() == ["i0", "i1", "i2", "i3", "i4", "i6", "i7", "i8", "i9", "new"]
    np.testing.assert_array_equal(np.delete(after.values, [3, 9], axis=0), np.delete(before, [3, 5], axis=0))
    sizes.clear()
    stamp = (tmp_path / "out" / "features.npy").stat().st_mtime_ns
    assert encode(folder_pictures(pictures), encoder, tmp_path / "out").n_encoded == 0
    assert (tmp_path / "out" / "features.npy").stat().st_mtime_ns == stamp, "rewritten without a change"
    assert not sizes


def test_renamed_and_repeated_pictures_are_encoded_once(pictures: Path, tmp_path: Path) -> None:
    sizes = list[int]()
    encoder = picture_encoder(on_batch=sizes.append)
    (pictures / "copy.png").write_bytes((pictures / "i1.png").read_bytes())
    encode(folder_pictures(pictures), encoder, tmp_path / "out")
    assert sum(sizes) == 10
    (pictures / "i1.png").rename(pictures / "z.png")
    encode(folder_pictures(pictures), encoder, tmp_path / "out")
    assert sum(sizes) == 10
    encoded = open_encoded(tmp_path / "out")
    row = dict(zip(encoded.ids, encoded.values, strict=True))
    np.testing.assert_array_equal(row["copy"], row["z"])


def test_features_of_another_encoder_are_never_mixed(pictures: Path, tmp_path: Path) -> None:
    inputs, out = folder_pictures(pictures), tmp_path / "out"
    encode(inputs, picture_encoder(0), out)
    before = (out / "features.npy").read_bytes()
    with pytest.raises(ArtefactError, match=r"another encoder: tiny \(float16\), now tiny .*differ in seed"):
        encode(inputs, picture_encoder(1), out)
    with pytest.raises(ArtefactError, match=r"now tiny \(float32\)"):
        encode(inputs, picture_encoder(0), out, EncodeSettings(precision="float32"))
    assert (out / "features.npy").read_bytes() == before
    assert encode(inputs, picture_encoder(1), out, overwrite=True).n_encoded == 10
    encode(inputs, picture_encoder(1), tmp_path / "fresh")
    assert (out / "features.npy").read_bytes() == (tmp_path / "fresh" / "features.npy").read_bytes()
    assert encode(inputs, picture_encoder(1, name="the same by another name"), out).n_encoded == 0


def test_a_folder_of_the_first_format_opens_and_is_rewritten_without_encoding(pictures: Path, tmp_path: Path) -> None:
    sizes, out = list[int](), tmp_path / "out"
    inputs, encoder = folder_pictures(pictures), picture_encoder(on_batch=sizes.append)
    encode(inputs, encoder, out)
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    manifest = json.loads(before["manifest.json"])
    manifest["about"] = {"takes" if key == "input_kind" else key: value for key, value in manifest["about"].items()}
    del manifest["xxh3"]  # the first format had no checksum of its manifest
    (out / "manifest.json").write_text(json.dumps({**manifest, "version": 1}))
    assert open_encoded(out).manifest.about["takes"] == "pictures"
    sizes.clear()
    result = encode(inputs, encoder, out)
    assert (sizes, result.n_encoded, result.n_unchanged) == ([], 0, 10)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_an_earlier_result_survives_a_failure_of_the_next_run(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    encode(folder_pictures(pictures), picture_encoder(), out)
    draw(55).save(pictures / "i0.png")

    def fail(size: int) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        encode(folder_pictures(pictures), picture_encoder(on_batch=fail), out)
    assert len(open_encoded(out).values) == 10


def test_bad_pictures_are_missing_rows_and_all_of_them_are_listed(pictures: Path, tmp_path: Path) -> None:
    (pictures / "i1.png").write_bytes(b"")
    (pictures / "i2.png").write_bytes((pictures / "i3.png").read_bytes()[:200])
    (pictures / "i4.png").write_bytes(BOMB)
    (pictures / "i5.png").write_text("<html>404</html>")
    draw(0, 1).resize((4000, 2)).save(pictures / "i6.png")
    (pictures / "i7.png").unlink()
    (pictures / "i7.png").symlink_to(tmp_path / "gone.png")
    result = encode(folder_pictures(pictures), picture_encoder(), tmp_path / "out")
    reasons = {each.item: each.reason for each in result.missing}
    assert list(reasons) == ["i1", "i2", "i4", "i5", "i6", "i7"]
    assert reasons["i1"] == "is empty"
    assert reasons["i2"].startswith("is damaged")
    assert reasons["i4"].startswith("is too large")
    assert reasons["i5"] == "is not a picture"
    assert "too narrow" in reasons["i6"]
    assert reasons["i7"] == "no such file"
    listed = pl.read_csv(tmp_path / "out" / "missing.csv", infer_schema=False)
    assert dict(zip(listed["item_id"], listed["missing"], strict=True)) == reasons
    encoded = open_encoded(tmp_path / "out")
    assert [bool(row.any()) for row in encoded.values] == encoded.present.tolist()
    draw(1).save(pictures / "i1.png")
    assert encode(folder_pictures(pictures), picture_encoder(), tmp_path / "out").n_encoded == 1


def test_more_pixels_than_allowed_are_not_decoded(pictures: Path, tmp_path: Path) -> None:
    draw(0, 40).save(pictures / "large.png")
    result = encode(folder_pictures(pictures), picture_encoder(), tmp_path / "out", EncodeSettings(max_pixels=500))
    assert [each.item for each in result.missing] == ["large"]


def test_items_without_picture_or_text_are_missing_and_their_rows_in_the_table_are_named(
    items: Path, pictures: Path, tmp_path: Path
) -> None:
    table = read_table(items)
    result = encode(table_pictures(table, pictures, "picture"), picture_encoder(), tmp_path / "image")
    assert [(each.item, each.row, each.reason) for each in result.missing] == [
        ("i2", 4, "no picture"),
        ("i3", 5, "no such file"),
    ]
    texts = encode(table_texts(table, {"title": "", "tags": "|"}), text_encoder(), tmp_path / "text")
    assert [(each.item, each.row, each.reason) for each in texts.missing] == [("i4", 6, "no text")]


def test_if_no_input_can_be_encoded_there_is_an_error_and_no_folder(items: Path, tmp_path: Path) -> None:
    inputs = table_pictures(read_table(items), tmp_path, "title")
    with pytest.raises(InputError, match="none of 10 pictures can be encoded; the first: no such file"):
        encode(inputs, picture_encoder(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_picture_that_the_encoder_cannot_prepare_does_not_end_the_encoding(pictures: Path, tmp_path: Path) -> None:
    plain = picture_encoder()
    Image.new("RGB", (4, 4), "white").save(pictures / "odd.png")
    Image.new("RGB", (4, 4), "black").save(pictures / "black.png")

    def prepare_(picture: object) -> Any:
        prepared = plain.prepare(picture)
        if prepared[0] == 1:
            raise IndexError("no such pixel")
        return prepared * np.nan if prepared[0] == 0 else prepared

    result = encode(folder_pictures(pictures), replace(plain, prepare=prepare_, encode=np.stack), tmp_path / "out")
    assert {each.item: each.reason for each in result.missing} == {
        "odd": "cannot be prepared: no such pixel",
        "black": "the encoder gave NaN",
    }


def test_vectors_too_large_for_float16_are_refused(tmp_path: Path) -> None:
    texts = EncodingInputs("texts", ["a"], ["aaa"], [""], {})
    encoder = text_encoder()
    large = replace(encoder, encode=lambda batch: np.full((len(batch), 26), 1e6))
    with pytest.raises(SettingsError, match='`precision="float32"`'):
        encode(texts, large, tmp_path / "out")
    encode(texts, large, tmp_path / "wide", EncodeSettings(precision="float32"))
    assert open_encoded(tmp_path / "wide").values.max() == np.float32(1e6)


def test_a_folder_that_triptych_did_not_write_is_never_replaced(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ArtefactError):
        encode(folder_pictures(pictures), picture_encoder(), tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "letter.txt").read_text(encoding="utf-8") == "dear"


def test_provenance_has_the_encoder_the_inputs_and_every_checksum(items: Path, tmp_path: Path) -> None:
    encode(table_texts(read_table(items), {"title": "", "tags": "|"}), text_encoder(3), tmp_path / "text")
    about = json.loads((tmp_path / "text" / "manifest.json").read_text(encoding="utf-8"))["about"]
    assert about["encoder"]["identity"] == {"seed": 3}
    assert about["input"]["template"] == "{title}. {tags}"
    assert len(about["input"]["table_sha256"]) == 64
    rows = pl.read_csv(tmp_path / "text" / "rows.csv", infer_schema=False)
    assert [len(sha or "") for sha in rows["sha256"]] == [0 if number == 4 else 64 for number in range(10)]


def test_prepare_reads_the_folders_with_their_missing_rows_and_provenance(
    items: Path, pictures: Path, tmp_path: Path
) -> None:
    table = read_table(items)
    encode(table_pictures(table, pictures, "picture"), picture_encoder(), tmp_path / "f" / "image")
    encode(table_texts(table, {"title": ""}), text_encoder(), tmp_path / "f" / "text")
    columns = MetadataColumns(multi={"tags": "|"}, numeric=("price",))
    encode_columns(table, columns, tmp_path / "f" / "metadata", EncodeSettings())
    log = pl.DataFrame({"user_id": [f"u{n % 7}" for n in range(60)], "item_id": [f"i{n * n % 10}" for n in range(60)]})
    log.write_csv(tmp_path / "log.csv")
    names = ["image", "text", "metadata"]
    sources = [FeatureSource(name, tmp_path / "f" / name) for name in names]
    dataset = prepare(tmp_path / "log.csv", tmp_path / "shop", items=items, features=sources)
    assert {name: each.n_missing for name, each in dataset.features.items()} == {"image": 2, "text": 1, "metadata": 0}
    assert dataset.features["image"].table.dtype == np.float16
    assert dataset.features["image"].provenance["encoder"]["identity"] == {"seed": 0}
    encoded = open_encoded(tmp_path / "f" / "image")
    for item, row in zip(encoded.ids, encoded.values, strict=True):
        position = int(dataset.items.find(pl.Series([item]))[0])
        np.testing.assert_array_equal(dataset.features["image"].table[position], row)
    encoder = dataset.features["metadata"].encoder
    assert encoder is not None
    assert encode_metadata(encoder, table)[0].shape[1] == dataset.features["metadata"].width
    by_files = FeatureSource("text", tmp_path / "f" / "text" / "features.npy", tmp_path / "f" / "text" / "ids.txt")
    other = prepare(tmp_path / "log.csv", tmp_path / "shop2", items=items, features=[by_files])
    np.testing.assert_array_equal(other.features["text"].table, dataset.features["text"].table)
