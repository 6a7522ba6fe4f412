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
from polars.exceptions import PanicException, PolarsError

from triptych.artefacts import MANIFEST, Manifest, OpenFolder, read_folder
from triptych.data.npy import map_npy
from triptych.progress import Listener, ignore_progress

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


def open_encoded(path: Path, listener: Listener = ignore_progress) -> EncodedFolder:
    """Open a folder of `triptych encode`; every file is compared with its checksum. Raises ArtefactError."""
    return read_folder(path, KIND, _read_encoded, listener)


def _read_encoded(folder: OpenFolder) -> EncodedFolder:
    try:
        content = folder.file(ROWS).read_bytes()
        rows = pl.read_csv(content, infer_schema=False).with_columns(pl.all().fill_null(""))
        ids, sha256, missing = (rows[name] for name in ("item_id", "sha256", "missing"))
    except (PolarsError, PanicException):
        raise folder.damaged(ROWS, "is damaged: it is not a table of items") from None
    if not sha256.str.contains("^([0-9a-f]{64})?$").all():
        raise folder.damaged(ROWS, "is damaged: a sha256 is not one")
    try:
        values = map_npy(folder.file(FEATURES))
    except ValueError:
        raise folder.damaged(FEATURES, "is damaged: it is not a .npy file") from None
    if values.ndim != 2 or values.shape[0] != len(ids) or values.dtype not in (np.float16, np.float32, np.float64):
        raise folder.damaged(FEATURES, f"is damaged: {values.dtype} {values.shape} for {len(ids)} items")
    for name in ("encoder", "fitted"):
        if not isinstance(folder.manifest.about.get(name, {}), dict):
            raise folder.damaged(MANIFEST, f'is damaged: "{name}" is of the wrong kind')
    return EncodedFolder(values, ids, sha256, (missing == "").to_numpy(), folder.manifest)
