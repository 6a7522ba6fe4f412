"""A small shop whose titles and ids act on terminals, drawings, pages and spreadsheets, and a model of it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

import triptych
from triptych.training.settings import TrainingSettings

TITLES = (
    "Gold [remastered]",
    "[/stereo]",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "one\u202eowt",
    "line\nbreak\tand tab",
    "c1\x9b2J",
    "=1+1",
    "$x^2$ \\frac{1} a_b | `c`",
    "</title></text><script>alert(1)</script>",
    '" onload="alert(1)',
    "javascript:alert(1)",
    "nul\x00 and \ufffe",
    "日本 café…",
    ":smile:",
    "+cmd",
    "@sum",
)
USER = "[bold]u\x1b[1m0"


def hostile_dataset() -> triptych.Dataset:
    """Items with each of the titles, which are their ids as well where an id may be so; 24 users."""
    n = len(TITLES)
    ids = [title.replace("\n", " ") for title in TITLES]
    pairs = [
        (USER if user == 0 else f"u{user}", ids[(user * 5 + step * 3) % n]) for user in range(24) for step in range(5)
    ]
    log = pl.DataFrame(pairs, schema=["user_id", "item_id"], orient="row").unique(maintain_order=True)
    items = pl.DataFrame({"item_id": ids, "title": TITLES})
    return triptych.dataset_from_frames(log, items=items)


def hostile_model(folder: Path) -> Path:
    """Write a model of the shop. Returns its folder."""
    split = triptych.split(hostile_dataset(), "ratio", seed=1)
    triptych.fit("item-knn", split, {}, TrainingSettings()).save(folder / "model")
    return folder / "model"
