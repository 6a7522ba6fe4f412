"""Format `mmrec`: the folder layout of MMRec and of many papers on multimodal recommendation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from triptych.data.formats.features import FeatureSource
from triptych.data.formats.format import Format, Source, not_read
from triptych.data.formats.log import log_from_table
from triptych.data.formats.read_table import read_table
from triptych.data.formats.reading import Reading
from triptych.data.formats.recbole import the_log_in
from triptych.errors import InputError, location


def read_mmrec(path: Path, reading: Reading) -> Source:
    """Read a folder with NAME.inter (split in x_label) and MODALITY_feat.npy, whose row i belongs to item id i.

    Raises InputError.
    """
    log = the_log_in(path)
    files = sorted(path.glob("*_feat.npy"))
    features = tuple(FeatureSource(file.name.removesuffix("_feat.npy"), file) for file in files)
    source = Source(log_from_table(read_table(log, reading), reading), notes=not_read(path, {log, *files}))
    ids = source.log.frame["item_id"].drop_nulls()
    numbers = ids.cast(pl.Int64, strict=False)
    if features and (numbers.null_count() or (len(numbers) and int(numbers.min() or 0) < 0)):  # type: ignore[arg-type]
        raise InputError(
            "item ids must be whole numbers from 0, because the features are in the order of the item ids",
            where=location(log),
            hint="number the items, or give the features with an id file",
        )
    n_items = int(numbers.max()) + 1 if features and len(numbers) else None  # type: ignore[arg-type]
    return replace(source, features=features, n_items=n_items)


MMREC = Format(
    layout="an MMRec folder (NAME.inter, MODALITY_feat.npy)",
    recognises=lambda path: path.is_dir() and any(path.glob("*.inter")) and any(path.glob("*_feat.npy")),
    read=read_mmrec,
)
