"""Item tables, feature files and user tables of many kinds, for the interactions of log.csv."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import torch
from scipy.io import savemat

from layouts.rows import ITEMS, USERS, lines

VALUES = np.random.default_rng(1).normal(size=(len(ITEMS), 4)).astype(np.float32)


def write_item_files(folder: Path) -> None:
    lines(folder / "titles.csv", ["item_id,title", *(f"{item},title {item}" for item in ITEMS)])
    genres = [f"""{item},"['Drama', '{"War" if n % 2 else "Comedy"}']",{n}""" for n, item in enumerate(ITEMS)]
    lines(folder / "genres.csv", ["item_id,genres,price", *genres])
    long = [f"{item},{genre}" for n, item in enumerate(ITEMS) for genre in ("Drama", ("Comedy", "War")[n % 2])]
    lines(folder / "long.csv", ["item_id,genre", *long])
    shelves = [f"{item},{n % 3}" for n, item in enumerate(ITEMS)]
    lines(folder / "twice.csv", ["item_id,shelf", *shelves, shelves[0]])


def write_features(folder: Path) -> None:
    np.save(folder / "image.npy", VALUES)
    np.save(folder / "ids.npy", np.array(ITEMS))
    np.savez(folder / "image.npz", features=VALUES, ids=np.array(ITEMS))
    np.save(folder / "genres.npy", np.eye(4, dtype=np.int64)[np.arange(len(ITEMS)) % 4])
    rows = [
        f"{item},{','.join(f'{value:.6f}' for value in vector)}" for item, vector in zip(ITEMS, VALUES, strict=True)
    ]
    lines(folder / "image.csv", ["item_id,v0,v1,v2,v3", *rows])
    torch.save(dict(zip(ITEMS, map(torch.from_numpy, VALUES), strict=True)), folder / "image.pt")
    with h5py.File(folder / "image.h5", "w") as file:
        file["features"] = VALUES
    savemat(folder / "image.mat", {"features": VALUES})
    vectors = [json.dumps({"id": item, "vector": vector.tolist()}) for item, vector in zip(ITEMS, VALUES, strict=True)]
    lines(folder / "text.jsonl", vectors)
    lines(folder / "map.tsv", ["asin\titemID", *(f"{item}\t{n}" for n, item in enumerate(ITEMS))])
    pl.DataFrame({"item_id": ITEMS, "vector": VALUES.tolist()}).write_parquet(folder / "image.parquet")


def write_users(folder: Path) -> None:
    new = ["new1", "new2"]
    people = [f"{user},{20 + n % 40},{('Seoul', 'Paris')[n % 2]}" for n, user in enumerate([*USERS, *new])]
    lines(folder / "users.csv", ["user_id,age,city", *people])
    vectors = np.random.default_rng(2).normal(size=(len(USERS) + len(new), 3)).astype(np.float32)
    np.save(folder / "profile.npy", vectors)
