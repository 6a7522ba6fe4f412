"""`triptych encode` in the shell: it teaches, tells, goes on, and names what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from encoding.encoders import draw, encoder_of_pictures, encoder_of_texts
from triptych.cli import encode as shell
from triptych.cli import show
from triptych.cli.app import run
from triptych.errors import TriptychError
from triptych.progress import Progress


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve items with pictures, one of them broken, and texts, one of them missing; encoders that load at once."""
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
        return encoder_of_pictures(len(name)) if modality == "image" else encoder_of_texts()

    monkeypatch.setattr(shell, "_encoder", encoder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


EVERYTHING = ["encode", "items.csv", "--image", "picture", "--text", "title", "--multi", "tags=|", "-o", "f"]


def test_pictures_texts_and_columns_become_folders_that_prepare_takes(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(EVERYTHING) == 0
    told = capsys.readouterr().out
    assert "missing: item i5 pictures/i5.png, row 7: is not a picture" in told
    assert "1 item lacks it; all of them: f/image/missing.csv" in told
    assert "missing: item i3, row 5: no text" in told
    pairs = {"user_id": [f"u{n % 9}" for n in range(80)], "item_id": [f"i{n * n % 12}" for n in range(80)]}
    pl.DataFrame(pairs).write_csv(shop / "log.csv")
    options = [word for name in ("image", "text", "metadata") for word in ("-f", f"{name}=f/{name}")]
    assert run(["prepare", "log.csv", "--items", "items.csv", *options, "-o", "data", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {name: each["missing"] for name, each in told["modalities"].items()} == {
        "image": 1,
        "text": 1,
        "metadata": 0,
    }


def test_json_tells_what_was_encoded_and_what_was_known(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(EVERYTHING) == 0
    draw(99).save(shop / "pictures" / "i0.png")
    capsys.readouterr()
    assert run([*EVERYTHING, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["modalities"]
    assert (told["image"]["n_encoded"], told["image"]["n_known"], told["text"]["n_encoded"]) == (1, 10, 0)
    assert told["image"]["missing"][0]["item"] == "i5"
    assert told["image"]["missing"][0]["row"] == 7


def test_a_folder_of_pictures_is_enough(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["encode", "pictures", "-o", "f", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["modalities"]["image"]["n_items"] == 12


def test_interrupted_it_says_what_is_kept_and_goes_on(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def stop(size: int) -> None:
        if len(sizes) == 2:
            raise KeyboardInterrupt
        sizes.append(size)

    with monkeypatch.context() as patch:
        patch.setattr(shell, "_encoder", lambda *_: encoder_of_pictures(18, seen=stop))
        assert run(["encode", "pictures", "-o", "f", "--batch-size", "3"]) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert run(["encode", "pictures", "-o", "f", "--batch-size", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["modalities"]["image"]
    assert (told["n_resumed"], told["n_encoded"]) == (sum(sizes), 11 - sum(sizes))


@pytest.mark.parametrize(
    ("words", "code", "says"),
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
def test_mistakes_are_told_with_the_mend(
    words: list[str], code: int, says: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == code
    told = capsys.readouterr().err
    assert says in told
    assert "mend:" in told


def test_a_misspelt_text_encoder_is_told_before_the_first_picture_is_encoded(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def encoder(modality: str, name: str, device: str) -> Any:
        if modality == "text":
            raise TriptychError("cannot be loaded", where=name)
        return encoder_of_pictures()

    monkeypatch.setattr(shell, "_encoder", encoder)
    assert run([*EVERYTHING, "--text-encoder", "minilmm"]) == 1
    assert "minilmm: cannot be loaded" in capsys.readouterr().err
    assert not (shop / "f" / "image").exists()


def test_another_encoder_is_refused_until_overwriting_is_asked_for(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["encode", "pictures", "-o", "f"]) == 0
    other = ["encode", "pictures", "-o", "f", "--image-encoder", "other"]
    assert run(other) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert run([*other, "--overwrite"]) == 0


def test_progress_without_a_terminal_says_how_long_the_rest_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Console(stderr=True, soft_wrap=True, force_terminal=False)  # whatever the environment says of colours
    monkeypatch.setattr(show, "err", plain)
    clock = iter([0.0, 0.0, 100.0, 200.0])
    monkeypatch.setattr("triptych.cli.show.time.monotonic", lambda: next(clock, 200.0))
    with show.listening() as listener:
        listener(Progress("encoding pictures", 600, 1000))  # resumed: what was done before says nothing about the speed
        listener(Progress("encoding pictures", 650, 1000))
        listener(Progress("encoding pictures", 1000, 1000))
    told = capsys.readouterr().err
    assert "encoding pictures 650/1000, about 12 min left" in told
    assert "1000/1000, about" not in told
