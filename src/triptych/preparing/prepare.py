"""Prepare data sets: `prepare` from files into a folder, `dataset_from_frames` from frames in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from triptych import forks
from triptych.artefacts import check_output
from triptych.content.metadata import parse_separators
from triptych.data.dataset import Dataset, open_dataset, save_dataset
from triptych.data.formats.features import FeatureSource, open_features
from triptych.data.formats.format import Source
from triptych.data.formats.item_tables import join_item_tables
from triptych.data.formats.log import Log, log_from_table
from triptych.data.formats.neighbours import NeighbourSource
from triptych.data.formats.read_table import read_table
from triptych.data.formats.registry import read_source
from triptych.data.formats.split_files import join_logs
from triptych.errors import InputError, SettingsError, location, warn_of
from triptych.preparing.assemble import assemble
from triptych.preparing.drop_modality import check_shares
from triptych.preparing.frames import features_from_memory, table_from_frame
from triptych.preparing.settings import PrepareSettings
from triptych.progress import Listener, ignore_progress


def prepare(
    source: Path | str,
    output: Path | str,
    settings: PrepareSettings | None = None,
    *,
    items: Path | str | Sequence[Path | str] | None = None,
    features: Sequence[FeatureSource] = (),
    neighbours: Sequence[NeighbourSource] = (),
    overwrite: bool = False,
    listener: Listener = ignore_progress,
) -> Dataset:
    """Read interactions, an item table and feature files, and write the data set folder `output` atomically.

    items: the item table, or several, which are joined by item id.
    neighbours: nearest items in a modality, computed by another program; models use them instead of their own search.
    Feature tables are streamed from file to file, so they need not fit in memory. Returns the data set, opened from
    `output`. What the owner of the data should know about how they were read is an InputWarning each, and a line of
    `about["notes"]`. Raises InputError (with file, row and hint), SettingsError, ArtefactError.
    """
    forks.require_polars("preparing data")
    settings = settings or PrepareSettings()
    parse_separators(settings.multi)
    check_shares(settings.drop_modality)
    check_output(Path(output), overwrite=overwrite)
    if len({each.modality for each in features}) < len(features):
        raise SettingsError("a modality is given twice", hint="give each modality once")
    contents = _with_held_out_files(read_source(Path(source), settings.reading, settings.format), settings)
    tables = [items] if isinstance(items, Path | str) else list(items or ())
    read = [read_table(Path(each), settings.items_reading) for each in tables]
    read = read or ([] if contents.items is None else [contents.items])
    table = join_item_tables(read, settings.item_id_column, settings.duplicate_items) if read else None
    sources = {each.modality: each for each in (*contents.features, *features)}
    if len(sources) < len(contents.features) + len(features):
        raise SettingsError("a modality is given twice", hint="give each modality once")
    files = [open_features(each) for each in sources.values()]
    dataset, streams, aligned = assemble(contents, table, files, settings, neighbours)
    about = {**dataset.about, "sources": [Path(source).name, *(Path(each).name for each in tables)]}
    save_dataset(replace(dataset, about=about), aligned, streams, Path(output), overwrite=overwrite, listener=listener)
    warn_of(about["notes"])
    return open_dataset(Path(output))


def _with_held_out_files(source: Source, settings: PrepareSettings) -> Source:
    """Return the source with the interactions of the files for validation and test. Raises InputError."""
    logs = {
        name: read_source(Path(file), settings.reading).log
        for name, file in (("validation", settings.validation_file), ("test", settings.test_file))
        if file
    }
    return _with_held_out(source, logs)


def _with_held_out(source: Source, logs: Mapping[str, Log]) -> Source:
    """logs: of validation and test."""
    if not logs:
        return source
    if source.log.split_by_files:
        raise InputError(
            "has files for train and test already", where=location(source.log.path), hint="name one of them as LOG"
        )
    return replace(source, log=join_logs({"train": source.log, **logs}, source.log.path))


def dataset_from_frames(
    interactions: Any,
    *,
    validation: Any = None,
    test: Any = None,
    items: Any = None,
    features: Mapping[str, Any] | None = None,
    settings: PrepareSettings | None = None,
) -> Dataset:
    """Prepare a data set from frames (pandas, polars or Arrow) and arrays, in memory.

    validation, test: held-out interactions, if `interactions` has the others only. With a test but no validation, a
    share of `interactions` becomes validation (settings: validation=0 declines it).
    items: the item table, or a list of several, which are joined. features: modality -> matrix [n_items, width] in the
    order of the item table, (item ids, matrix), item id -> vector, or a frame; a matrix may be a NumPy array, a torch
    tensor, a sparse matrix of SciPy, or lists. Rows of a frame belong to the items of its index (pandas)
    or of its first column that is not of floats; without them, or with the index that pandas makes itself, they are in
    the order of the item table. Items without a row lack the modality. Warns as `prepare` does. Raises InputError,
    SettingsError.
    """
    forks.require_polars("preparing data")
    settings = settings or PrepareSettings()
    source = Source(log_from_table(table_from_frame(interactions, "interactions"), settings.reading))
    held_out = {
        name: log_from_table(table_from_frame(frame, name), settings.reading)
        for name, frame in (("validation", validation), ("test", test))
        if frame is not None
    }
    frames = list(items) if isinstance(items, list | tuple) else [] if items is None else [items]
    names = ["items"] if len(frames) == 1 else [f"items[{number}]" for number in range(len(frames))]
    tables = [table_from_frame(frame, name) for frame, name in zip(frames, names, strict=True)]
    table = join_item_tables(tables, settings.item_id_column, settings.duplicate_items) if tables else None
    files = [features_from_memory(modality, values) for modality, values in (features or {}).items()]
    dataset, streams, _ = assemble(_with_held_out(source, held_out), table, files, settings)
    warn_of(dataset.about["notes"])
    return replace(dataset, features={stream.modality: stream.collect() for stream in streams})
