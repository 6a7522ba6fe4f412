"""The folder that `triptych encode` writes for one modality.

features.npy    float16 or float32 [n_items, width]; rows of items that lack the modality are zeros
ids.txt         the item ids, one per line, in the same order
rows.csv        per item: item_id, source, sha256 of the encoded content, and the reason if it is missing
missing.csv     the missing items only, with their rows in the input
manifest.json   the encoder, its settings and inputs, and the checksums of all these files
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
    """The contents of the folder. values: [n_items, width], memory-mapped. present: bool [n_items]."""

    values: NDArray[Any]
    ids: pl.Series
    sha256: pl.Series
    present: NDArray[np.bool_]
    manifest: Manifest

    @property
    def provenance(self) -> dict[str, Any]:
        """The origin of the features, without the fitted encoder, which a data set stores in another file."""
        return {name: value for name, value in self.manifest.about.items() if name != "fitted"}


def open_encoded(path: Path, *, verify: bool = False) -> EncodedFolder:
    """Open a folder of `triptych encode`. verify: as in `open_folder`. Raises ArtefactError."""
    manifest = open_folder(path, KIND, verify=verify)
    rows = pl.read_csv(path / ROWS, infer_schema=False).with_columns(pl.all().fill_null(""))
    values: NDArray[Any] = np.load(path / FEATURES, mmap_mode="r", allow_pickle=False)
    return EncodedFolder(values, rows["item_id"], rows["sha256"], (rows["missing"] == "").to_numpy(), manifest)
