"""One matrix in files of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.io import savemat

from preparing.small import write_text
from triptych.data.formats.features import FeatureSource
from triptych.preparing import prepare

ITEMS = ["a", "b", "007", "d"]
VECTORS = np.array([[1, 2.5], [3, 4], [-5, 6], [7, 8]], np.float32)
ORDER = [2, 0, 3, 1]
IDS = [ITEMS[row] for row in ORDER]
ROWS = VECTORS[ORDER]
HOT = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 1]], np.int64)

Write = Callable[[Path], Any]


def shop(folder: Path) -> dict[str, Path]:
    lines = [f"u{user},{item}" for user in range(3) for item in ITEMS]
    return {
        "log": write_text(folder / "log.csv", "user_id,item_id\n" + "\n".join(lines) + "\n"),
        "items": write_text(folder / "items.csv", "item_id\n" + "\n".join(ITEMS) + "\n"),
    }


def prepared(folder: Path, features: Path, ids: Path | None = None) -> NDArray[Any]:
    files = shop(folder)
    source = FeatureSource("image", features, ids)
    dataset = prepare(files["log"], folder / "out", items=files["items"], features=[source], overwrite=True)
    assert dataset.features["image"].present.all()
    return np.asarray(dataset.features["image"].table)


def csv(header: str, between: str = ",") -> Write:
    lines = [between.join([item, *map(str, row)]) for item, row in zip(IDS, ROWS.tolist(), strict=True)]
    return lambda path: write_text(path, "\n".join([*([header] if header else []), *lines, ""]))


def vector_column(text: Callable[[list[float]], str]) -> Write:
    return lambda path: pl.DataFrame({"item_id": IDS, "vector": [text(row) for row in ROWS.tolist()]}).write_csv(path)


def json_lines(path: Path) -> None:
    rows = [{"id": item, "vector": row} for item, row in zip(IDS, ROWS.tolist(), strict=True)]
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def hdf5(path: Path, **arrays: Any) -> None:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values


def matlab_73(path: Path) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        file["embeddings"] = ROWS.T  # MATLAB's axes lie in reverse order
        file["ids"] = np.arange(4)[None]
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(512))


FRAME = pl.DataFrame({"item_id": IDS, "x": ROWS[:, 0], "y": ROWS[:, 1]})
WITH_IDS: dict[str, tuple[str, Write]] = {
    "npz with ids": ("f.npz", lambda path: np.savez(path, features=ROWS, item_ids=np.array(IDS))),
    "npz of a vector per item": ("f.npz", lambda path: np.savez(path, **dict(zip(IDS, ROWS, strict=True)))),
    "csv of columns": ("f.csv", csv("asin,x,y")),
    "csv with numbers as names": ("f.csv", csv("asin,0,1")),
    "csv of lists": ("f.csv", vector_column(str)),
    "csv of NumPy's lists": ("f.csv", vector_column(lambda row: str(np.array(row)))),
    "csv of numbers between spaces": ("f.csv", vector_column(lambda row: " ".join(map(str, row)))),
    "tsv": ("f.tsv", csv("item\tx\ty", "\t")),
    "json lines": ("f.jsonl", json_lines),
    "feather": ("f.feather", FRAME.write_ipc),
    "arrow": ("f.arrow", FRAME.write_ipc),
    "torch: item -> vector": ("f.pt", lambda path: torch.save(dict(zip(IDS, torch.tensor(ROWS), strict=True)), path)),
    "torch: ids and a tensor": ("f.pt", lambda path: torch.save({"ids": IDS, "emb": torch.tensor(ROWS)}, path)),
    "hdf5 with ids": ("f.h5", lambda path: hdf5(path, features=ROWS, ids=IDS)),
    "hdf5 of a vector per item": (
        "f.hdf5",
        lambda path: hdf5(path, **{f"g/{i}": v for i, v in zip(IDS, ROWS, strict=True)}),
    ),
    "mat with ids": ("f.mat", lambda path: savemat(path, {"X": ROWS, "ids": np.array(IDS, dtype=object)})),
    "mat with padded ids": ("f.mat", lambda path: savemat(path, {"X": ROWS, "ids": IDS})),
}
IN_ORDER: dict[str, tuple[str, Write]] = {
    "npz of one array": ("f.npz", lambda path: np.savez_compressed(path, VECTORS)),
    "npz of SciPy": ("f.npz", lambda path: sparse.save_npz(path, sparse.csr_array(VECTORS))),
    "tensor": ("f.pt", lambda path: torch.save(torch.tensor(VECTORS), path)),
    "parameter in bfloat16": (
        "f.pt",
        lambda path: torch.save(torch.nn.Parameter(torch.tensor(VECTORS).bfloat16()), path),
    ),
    "sparse tensor": ("f.pt", lambda path: torch.save(torch.tensor(VECTORS).to_sparse(), path)),
    "state of an embedding": ("f.pth", lambda path: torch.save({"weight": torch.tensor(VECTORS)}, path)),
    "hdf5 of one array": ("f.h5", lambda path: hdf5(path, x=VECTORS)),
    "mat of one matrix": ("f.mat", lambda path: savemat(path, {"X": VECTORS})),
    "sparse mat": ("f.mat", lambda path: savemat(path, {"X": sparse.csc_matrix(VECTORS.astype(float))})),
}
