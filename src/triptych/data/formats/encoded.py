"""The folder that `triptych encode` writes for one modality: a matrix, whose rows they are, and how they came to be.

features.npy    float16 or float32 [n_items, width]; rows of items that lack the modality are zeros
ids.txt         the items' ids, one a line, in the same order
rows.csv        item_id, source, sha256 of what was encoded, and why it is missing where it is
missing.csv     the same for the missing ones alone, with their rows in the input
manifest.json   the encoder, its settings and inputs, and the checksums of all of these files
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.artefacts import Manifest, open_folder

KIND = "feature set"
FEATURES, IDS, ROWS, MISSING = "features.npy", "ids.txt", "rows.csv", "missing.csv"


@dataclass(frozen=True)
class EncodedFolder:
    """What is in such a folder; values [n_items, width] are mapped. present: bool [n_items]."""

    values: NDArray[Any]
    ids: pl.Series
    sha256: pl.Series
    present: NDArray[np.bool_]
    manifest: Manifest

    @property
    def provenance(self) -> dict[str, Any]:
        """How the features came to be, without what a data set stores elsewhere."""
        return {name: value for name, value in self.manifest.about.items() if name != "fitted"}


def open_encoded(path: Path, *, verify: bool = False) -> EncodedFolder:
    """The features in a folder of `triptych encode`. Raises ArtefactError."""
    manifest = open_folder(path, KIND, verify=verify)
    rows = pl.read_csv(path / ROWS, infer_schema=False).with_columns(pl.all().fill_null(""))
    values: NDArray[Any] = np.load(path / FEATURES, mmap_mode="r", allow_pickle=False)
    return EncodedFolder(values, rows["item_id"], rows["sha256"], (rows["missing"] == "").to_numpy(), manifest)
