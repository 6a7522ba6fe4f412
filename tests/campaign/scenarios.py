"""What the campaign disturbs: every command that writes, on a small shop, and how its outputs are read again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from encoding.encoders import draw, picture_encoder
from triptych.cli.app import run
from triptych.encoding import EncodeSettings, encode, folder_pictures
from triptych.errors import TriptychError

N_USERS, N_ITEMS, N_PICTURES = 40, 30, 9
VOLATILE = ("seconds", "megabytes", "checksum", "xxh3")  # in the names of values that two equal runs may differ in
PREPARE = ["prepare", "log.csv", "--items", "items.csv", "-f", "image=image.npy", "-f", "text=text.npy"]
PREPARE += ["--multi", "genres=|", "--numeric", "year", "--split", "ratio"]
SMALL = ["-s", "embedding_size=8", "-s", "batch_size=64", "-s", "epochs=3", "-s", "checkpoint_seconds=0"]
QUIET = ["-q", "--threads", "1"]

Work = Callable[[], int]


@dataclass(frozen=True)
class Scenario:
    """One command that writes.

    needs: the scenarios whose outputs it reads. work: runs in a folder with these outputs and the raw files; returns
    the exit code. outputs: files and folders that it writes. reads: commands that read the outputs, with the answer on
    standard output; a damaged output must not change an answer. again: replaces an output that exists.
    multiprocess: starts processes, so that a try takes seconds.
    """

    name: str
    work: Work
    outputs: tuple[str, ...]
    needs: tuple[str, ...] = ()
    reads: tuple[Work, ...] = ()
    again: bool = False
    multiprocess: bool = False


def triptych(*arguments: str) -> Work:
    """Return a call of the command line."""
    return lambda: run(list(arguments))


def write_raw_files(folder: Path, seed: int = 0) -> int:
    """Write a log, an item table, features and pictures, and the table and features of new items."""
    generator = np.random.default_rng(seed)
    liked = generator.random((N_USERS, N_ITEMS)) < 0.3
    liked[:, 0] = True
    users, items = np.nonzero(liked)
    log = {"user_id": [f"u{user:02d}" for user in users], "item_id": [f"i{item:02d}" for item in items]}
    pl.DataFrame(log).write_csv(folder / "log.csv")
    _write_items(folder / "items.csv", range(N_ITEMS), generator)
    _write_items(folder / "new.csv", range(N_ITEMS, N_ITEMS + 4), generator)
    for name, rows in (("", N_ITEMS), ("new_", 4)):
        np.save(folder / f"{name}image.npy", generator.standard_normal((rows, 12)).astype(np.float32))
        np.save(folder / f"{name}text.npy", generator.standard_normal((rows, 6)).astype(np.float32))
    (folder / "users.txt").write_text("u01\nu02\nu03\n", encoding="utf-8")
    (folder / "pictures").mkdir()
    for number in range(N_PICTURES):
        draw(number).save(folder / "pictures" / f"i{number:02d}.png")
    return 0


def _write_items(path: Path, items: range, generator: np.random.Generator) -> None:
    columns = {
        "item_id": [f"i{item:02d}" for item in items],
        "title": [f"Item {item}" for item in items],
        "genres": ["a|b" if item % 3 else "c" for item in items],
        "year": generator.integers(1950, 2020, len(items)),
    }
    pl.DataFrame(columns).write_csv(path)


def _encode() -> int:
    """Encode with a small encoder of our own, which the command line does not know; it fails as a command does."""
    try:
        encode(folder_pictures(Path("pictures")), picture_encoder(), "encoded", EncodeSettings(batch_size=3))
    except TriptychError as error:
        print(f"error: {error}")
        return 1
    return 0


def _recommend(model: str) -> Work:
    return triptych("recommend", model, "--users", "users.txt", "-k", "10", "--json", "-q")


def _evaluate(model: str) -> Work:
    return triptych("evaluate", model, "--json", "-q")


def _train(data: str, model: str, folder: str) -> Work:
    settings = SMALL if model == "bm3" else []
    return triptych("train", data, "-m", model, *settings, "--run", folder, *QUIET)


def _read_dataset(folder: str) -> Work:
    """Train on the data set in another folder, and recommend: all of its files are read."""

    def read() -> int:
        shutil.rmtree("read", ignore_errors=True)
        code = _train(folder, "content-ease", "read")()
        return code or _recommend("read")()

    return read


ADD_ITEMS = ["add-items", "run", "shop", "new.csv", "-f", "image=new_image.npy", "-f", "text=new_text.npy"]
TUNE = ["tune", "shop", "-m", "item-knn", "--trials", "3", "-o", "search", *QUIET]
COMPARE = ["compare", "shop", "-m", "popularity,item-knn", "-o", "comparison", *QUIET]

SCENARIOS = (
    Scenario("prepare", triptych(*PREPARE, "-o", "shop", "-q"), ("shop",), (), (_read_dataset("shop"),)),
    Scenario(
        "prepare again",
        triptych(*PREPARE, "-o", "shop", "--seed", "1", "--overwrite", "-q"),
        ("shop",),
        ("prepare",),
        (_read_dataset("shop"),),
        again=True,
    ),
    Scenario(
        "encode",
        _encode,
        ("encoded",),
        (),
        (
            triptych(
                "prepare",
                "log.csv",
                "-f",
                "image=encoded",
                "-o",
                "read",
                "--unknown-items",
                "drop",
                "--overwrite",
                "--json",
                "-q",
            ),
        ),
    ),
    Scenario("train", _train("shop", "bm3", "run"), ("run",), ("prepare",), (_recommend("run"), _evaluate("run"))),
    Scenario("train closed form", _train("shop", "item-knn", "knn"), ("knn",), ("prepare",), (_recommend("knn"),)),
    Scenario(
        "blend",
        triptych("blend", "run", "knn", "-o", "blend", "-q"),
        ("blend",),
        ("prepare", "train", "train closed form"),
        (_recommend("blend"),),
    ),
    Scenario(
        "add-items",
        triptych(*ADD_ITEMS, "-o", "extended", "-q"),
        ("extended",),
        ("prepare", "train"),
        (_recommend("extended"), _read_dataset("extended/data")),
    ),
    Scenario(
        "recommend",
        triptych("recommend", "run", "-o", "lists.parquet", "--overwrite", "-q"),
        ("lists.parquet",),
        ("prepare", "train"),
        again=True,
    ),
    Scenario(
        "export",
        triptych("export", "run", "--to", "vectors.parquet", "--overwrite", "-q"),
        ("vectors.parquet",),
        ("prepare", "train"),
        again=True,
    ),
    Scenario(
        "explain",
        triptych("explain", "run", "-u", "u01", "-d", "shop", "--drawing", "why.svg"),
        ("why.svg",),
        ("prepare", "train"),
    ),
    Scenario(
        "compare", triptych(*COMPARE), ("comparison",), ("prepare",), (triptych(*COMPARE, "--json"),), multiprocess=True
    ),
    Scenario("report", triptych("report", "comparison", "-q"), ("comparison",), ("prepare", "compare")),
    Scenario("tune", triptych(*TUNE), ("search",), ("prepare",), (triptych(*TUNE, "--json"),), multiprocess=True),
)
