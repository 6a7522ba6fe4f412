"""Prepare data sets: `prepare` from files into a folder, `dataset_from_frames` from frames in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from triptych import forks
from triptych.content.metadata import parse_separators
from triptych.data.dataset import Dataset, open_dataset, save_dataset
from triptych.data.formats.features import FeatureFile, FeatureSource, open_features
from triptych.data.formats.format import Source
from triptych.data.formats.log import log_from_table
from triptych.data.formats.neighbours import NeighbourSource
from triptych.data.formats.registry import read_source
from triptych.data.formats.tables import Table, check_item_ids, read_table
from triptych.errors import InputError, SettingsError, location
from triptych.outputs import check_folder
from triptych.preparing.assemble import assemble
from triptych.preparing.drop_modality import check_shares
from triptych.preparing.settings import PrepareSettings
from triptych.progress import Listener, ignore_progress


def prepare(
    source: Path | str,
    output: Path | str,
    settings: PrepareSettings | None = None,
    *,
    items: Path | str | None = None,
    features: Sequence[FeatureSource] = (),
    neighbours: Sequence[NeighbourSource] = (),
    overwrite: bool = False,
    listener: Listener = ignore_progress,
) -> Dataset:
    """Read interactions, an item table and feature files, and write the data set folder `output` atomically.

    neighbours: nearest items in a modality, computed by another program; models use them instead of their own search.
    Feature tables are streamed from file to file, so they need not fit in memory. Returns the data set, opened from
    `output`. Raises InputError (with file, row and hint), SettingsError, ArtefactError.
    """
    forks.require_polars("preparing data")
    settings = settings or PrepareSettings()
    parse_separators(settings.multi)
    check_shares(settings.drop_modality)
    check_folder(Path(output), overwrite=overwrite)
    if len({each.modality for each in features}) < len(features):
        raise SettingsError("a modality is given twice", hint="give each modality once")
    contents = read_source(Path(source), settings.columns, settings.format)
    table = read_table(Path(items)) if items is not None else contents.items
    sources = {each.modality: each for each in (*contents.features, *features)}
    if len(sources) < len(contents.features) + len(features):
        raise SettingsError("a modality is given twice", hint="give each modality once")
    files = [open_features(each) for each in sources.values()]
    dataset, streams, aligned = assemble(contents, table, files, settings, neighbours)
    about = {**dataset.about, "sources": [Path(source).name, *([Path(items).name] if items else [])]}
    save_dataset(replace(dataset, about=about), aligned, streams, Path(output), overwrite=overwrite, listener=listener)
    return open_dataset(Path(output))


def dataset_from_frames(
    interactions: Any,
    *,
    items: Any = None,
    features: Mapping[str, ArrayLike | tuple[Sequence[str], ArrayLike]] | None = None,
    settings: PrepareSettings | None = None,
) -> Dataset:
    """Prepare a data set from frames (pandas, polars or Arrow) and arrays, in memory.

    items: the item table. features: modality -> matrix [n_items, width] in the order of the item table, or
    (item ids, matrix). Raises InputError, SettingsError.
    """
    forks.require_polars("preparing data")
    settings = settings or PrepareSettings()
    log = log_from_table(_table_from_frame(interactions, "interactions"), settings.columns)
    table = _table_from_frame(items, "items") if items is not None else None
    files = [_file_from_array(modality, values) for modality, values in (features or {}).items()]
    dataset, streams, _ = assemble(Source(log), table, files, settings)
    return replace(dataset, features={stream.modality: stream.collect() for stream in streams})


def _table_from_frame(native: Any, name: str) -> Table:
    try:
        frame = nw.from_native(native, eager_only=True).to_polars()
    except TypeError:
        raise InputError(
            f"cannot read a {type(native).__name__}", where=name, hint="give a pandas, polars or Arrow frame"
        ) from None
    if not len(frame):
        raise InputError("has no rows", where=name, hint="give at least one row")
    return Table(frame, Path(name), 0)


def _file_from_array(modality: str, features: ArrayLike | tuple[Sequence[str], ArrayLike]) -> FeatureFile:
    ids, matrix = features if isinstance(features, tuple) else (None, features)
    values: NDArray[Any] = np.asarray(matrix)
    source = FeatureSource(modality, Path(f"features[{modality!r}]"))
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
        raise InputError(
            f"features must be a matrix of floats, got {values.dtype} {values.shape}",
            where=str(source.path),
            hint="give one row per item: float16, float32 or float64",
        )
    series = None
    if ids is not None:
        series = pl.Series("id", [str(each) for each in ids], dtype=pl.String)
        if len(series) != len(values):
            raise InputError(
                f"{len(series)} ids for {len(values)} rows", where=str(source.path), hint="give one id per row"
            )
        series = check_item_ids(series, lambda row: location(source.path, row=row))
    return FeatureFile(source, values, series, first_id=0)
