"""`triptych encode` on the command line: results, resuming, error messages with hints, progress."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from encoding.encoders import draw, picture_encoder, text_encoder
from triptych.cli import encode as encode_command
from triptych.cli.app import run
from triptych.cli.printing import show_progress
from triptych.errors import TriptychError
from triptych.progress import Progress


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve items with pictures, one broken, and texts, one missing. The encoders are small and load at once."""
    (tmp_path / "pictures").mkdir()
    for number in range(12):
        draw(number).save(tmp_path / "pictures" / f"i{number}.png")
    (tmp_path / "pictures" / "i5.png").write_bytes(b"broken")
    pl.DataFrame(
        {
            "item_id": [f"i{number}" for number in range(12)],
            "picture": [f"pictures/i{number}.png" for number in range(12)],
            "title": [None if number == 3 else f"title {number}" for number in range(12)],
            "tags": ["a|b"] * 12,
        }
    ).write_csv(tmp_path / "items.csv")

    def encoder(modality: str, name: str, device: str) -> Any:
        return picture_encoder(len(name)) if modality == "image" else text_encoder()

    monkeypatch.setattr(encode_command, "_encoder", encoder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


ALL_MODALITIES = ["encode", "items.csv", "--image", "picture", "--text", "title", "--multi", "tags=|", "-o", "f"]


def test_prepare_reads_the_folders_of_encoded_pictures_texts_and_columns(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(ALL_MODALITIES) == 0
    output = capsys.readouterr().out
    assert "missing: item i5 pictures/i5.png, row 7: is not a picture" in output
    assert "1 item lacks it; all of them: f/image/missing.csv" in output
    assert "missing: item i3, row 5: no text" in output
    pairs = {"user_id": [f"u{n % 9}" for n in range(80)], "item_id": [f"i{n * n % 12}" for n in range(80)]}
    pl.DataFrame(pairs).write_csv(shop / "log.csv")
    options = [option for name in ("image", "text", "metadata") for option in ("-f", f"{name}=f/{name}")]
    assert run(["prepare", "log.csv", "--items", "items.csv", *options, "-o", "data", "--json"]) == 0
    modalities = json.loads(capsys.readouterr().out)["modalities"]
    assert {name: each["missing"] for name, each in modalities.items()} == {
        "image": 1,
        "text": 1,
        "metadata": 0,
    }


def test_json_counts_encoded_and_unchanged_items(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(ALL_MODALITIES) == 0
    draw(99).save(shop / "pictures" / "i0.png")
    capsys.readouterr()
    assert run([*ALL_MODALITIES, "--json"]) == 0
    modalities = json.loads(capsys.readouterr().out)["modalities"]
    image, text = modalities["image"], modalities["text"]
    assert (image["n_encoded"], image["n_unchanged"], text["n_encoded"]) == (1, 10, 0)
    assert image["missing"][0]["item"] == "i5"
    assert image["missing"][0]["row"] == 7


def test_a_folder_of_pictures_needs_no_table(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["encode", "pictures", "-o", "f", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["modalities"]["image"]["n_items"] == 12


def test_an_interrupted_encoding_says_that_work_is_kept_and_resumes(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def stop(size: int) -> None:
        if len(sizes) == 2:
            raise KeyboardInterrupt
        sizes.append(size)

    with monkeypatch.context() as patch:
        patch.setattr(encode_command, "_encoder", lambda *_: picture_encoder(18, on_batch=stop))
        assert run(["encode", "pictures", "-o", "f", "--batch-size", "3"]) == 130
    assert "run the same command again to resume" in capsys.readouterr().err
    assert run(["encode", "pictures", "-o", "f", "--batch-size", "3", "--json"]) == 0
    image = json.loads(capsys.readouterr().out)["modalities"]["image"]
    assert (image["n_resumed"], image["n_encoded"]) == (sum(sizes), 11 - sum(sizes))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["encode", "items.csv", "-o", "f"], 2, "nothing to encode"),
        (["encode", "itms.csv", "-o", "f"], 1, 'did you mean "items.csv"'),
        (["encode", "items.csv", "--image", "pictur", "-o", "f"], 1, 'did you mean "picture"'),
        (["encode", "items.csv", "--text", "titel", "-o", "f"], 1, 'did you mean "title"'),
        (["encode", "items.csv", "--template", "{titel}", "-o", "f"], 2, 'did you mean "title"'),
        (["encode", "items.csv", "--pictures", "pics", "-o", "f"], 1, 'did you mean "pictures"'),
        (["encode", "items.csv", "--text", "title", "--precision", "float8", "-o", "f"], 2, "float16"),
        (["encode", "items.csv", "--text", "title", "--batch-size", "0", "-o", "f"], 2, "batch_size"),
        (["encode", "pictures", "--text", "title", "-o", "f"], 2, "folder of pictures"),
        (["encode", "pictures", "--numeric", "price", "-o", "f"], 2, "no columns"),
        (["encode", "pictures", "-o", "items.csv"], 1, "is a file, not a folder"),
    ],
)
def test_errors_come_with_a_hint_and_an_exit_code(
    arguments: list[str], code: int, message: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    output = capsys.readouterr().err
    assert message in output
    assert "hint:" in output


def test_a_misspelt_text_encoder_is_reported_before_the_first_picture_is_encoded(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def encoder(modality: str, name: str, device: str) -> Any:
        if modality == "text":
            raise TriptychError("cannot be loaded", where=name)
        return picture_encoder()

    monkeypatch.setattr(encode_command, "_encoder", encoder)
    assert run([*ALL_MODALITIES, "--text-encoder", "minilmm"]) == 1
    assert "minilmm: cannot be loaded" in capsys.readouterr().err
    assert not (shop / "f" / "image").exists()


def test_another_encoder_is_refused_without_overwrite(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["encode", "pictures", "-o", "f"]) == 0
    other = ["encode", "pictures", "-o", "f", "--image-encoder", "other"]
    assert run(other) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert run([*other, "--overwrite"]) == 0


def test_progress_without_a_terminal_estimates_the_remaining_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 0.0, 100.0, 200.0])
    monkeypatch.setattr("triptych.cli.printing.time.monotonic", lambda: next(clock, 200.0))
    with show_progress() as listener:
        listener(Progress("encoding pictures", 600, 1000))  # resumed: earlier work does not count for the speed
        listener(Progress("encoding pictures", 650, 1000))
        listener(Progress("encoding pictures", 1000, 1000))
    output = capsys.readouterr().err
    assert "encoding pictures 650/1000, about 12 min left" in output
    assert "1000/1000, about" not in output
