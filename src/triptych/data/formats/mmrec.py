"""Format `mmrec`: the folder layout of MMRec and of many papers on multimodal recommendation."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from triptych.data.formats.features import FeatureSource
from triptych.data.formats.format import Format, Source
from triptych.data.formats.log import Columns
from triptych.data.formats.recbole import read_recbole
from triptych.errors import InputError, location


def read_mmrec(path: Path, columns: Columns) -> Source:
    """Read a folder with NAME.inter (split in x_label) and MODALITY_feat.npy, whose row i belongs to item id i.

    Raises InputError.
    """
    logs = sorted(path.glob("*.inter"))
    if len(logs) != 1:
        hint = "name the one to read" if logs else "check the path, or name another format"
        raise InputError(f"has {len(logs) or 'no'} .inter files", where=location(path), hint=hint)
    features = tuple(
        FeatureSource(file.name.removesuffix("_feat.npy"), file) for file in sorted(path.glob("*_feat.npy"))
    )
    source = read_recbole(logs[0], columns)
    ids = source.log.frame["item_id"].drop_nulls()
    numbers = ids.cast(pl.Int64, strict=False)
    if features and (numbers.null_count() or (len(numbers) and int(numbers.min() or 0) < 0)):  # type: ignore[arg-type]
        raise InputError(
            "item ids must be whole numbers from 0, because the features are in the order of the item ids",
            where=location(logs[0]),
            hint="number the items, or give the features with an id file",
        )
    n_items = int(numbers.max()) + 1 if features and len(numbers) else None  # type: ignore[arg-type]
    return Source(source.log, features=features, n_items=n_items)


MMREC = Format(
    layout="an MMRec folder (NAME.inter, MODALITY_feat.npy)",
    recognises=lambda path: path.is_dir() and any(path.glob("*.inter")),
    read=read_mmrec,
)
