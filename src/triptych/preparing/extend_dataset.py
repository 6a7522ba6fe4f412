"""Extend a data set by new items: their rows of the item table and their features come after the existing ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.bars import shows_progress
from triptych.content.metadata import encode_metadata
from triptych.data.dataset import Dataset, open_dataset, save_dataset
from triptych.data.features import Features, FeatureStream
from triptych.data.formats.alignment import Store, match_rows, stream_features
from triptych.data.formats.features import FeatureSource, open_features, with_known_ids
from triptych.data.formats.item_rows import DuplicateItems, merge_item_rows
from triptych.data.formats.read_table import read_table
from triptych.data.formats.reading import Reading
from triptych.data.formats.tables import Table, find_id_column, read_item_ids
from triptych.data.formats.value_lists import value_lists
from triptych.data.interactions import Interactions
from triptych.data.neighbours import Neighbours
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError, did_you_mean, warn_of
from triptych.progress import Listener, automatic_progress


@shows_progress
def extend_dataset(
    dataset: Dataset,
    items: Path | str,
    output: Path | str,
    *,
    features: Sequence[FeatureSource] = (),
    item_id_column: str = "",
    encoding: str = "",
    duplicate_items: DuplicateItems = "error",
    overwrite: bool = False,
    listener: Listener = automatic_progress,
) -> Dataset:
    """Write `dataset`, followed by the items of an item table that it lacks, to the folder `output`.

    features: feature files of the new items, for modalities of the data set. Rows of items that are already in the data
    set are ignored; features that are not given are missing. Metadata are encoded with the encoder of the data set.
    Interactions and split do not change. encoding: of text files. duplicate_items: as in `prepare`. Warns of what
    should be known about how the files were read (InputWarning). Returns the extended data set, opened from `output`.
    Raises InputError (with file, row and hint), SettingsError, ArtefactError.
    """
    reading = Reading(encoding=encoding)
    table = read_table(Path(items), reading)
    id_column = find_id_column(table, item_id_column)
    table = merge_item_rows(table, id_column, duplicate_items)
    ids = read_item_ids(table, id_column)
    is_new = dataset.items.find(ids) < 0
    if not is_new.any():
        raise InputError("has no new item", where=table.location(), hint="give items that the data set lacks")
    new, rows = Vocabulary(ids.filter(is_new)), np.flatnonzero(is_new)
    added, notes = _new_features(dataset, table, rows, features, ids, new, reading)
    streams = [_concatenate(dataset.features[name], stream) for name, stream in added.items()]
    old = dataset.interactions
    extended = replace(
        dataset,
        items=dataset.items.extended_by(new.ids),
        interactions=Interactions(old.users, old.items, old.n_users, dataset.n_items + len(new)),
        features={},
        neighbours={},
        item_table=_extend_table(dataset, _like_stored(table, dataset)[rows], new),
        about={**dataset.about, "added": [*dataset.about.get("added", []), {"file": table.path.name, "n": len(new)}]},
    )
    neighbours = {name: _pad(each, len(new)) for name, each in dataset.neighbours.items()}
    save_dataset(extended, neighbours, streams, Path(output), overwrite=overwrite, listener=listener)
    warn_of((*table.notes, *notes, *_unknown_columns(table, dataset, id_column)))
    return open_dataset(Path(output))


def _unknown_columns(table: Table, dataset: Dataset, id_column: str) -> list[str]:
    """Return a note that names the columns of new items which the item table of the data set does not have."""
    if dataset.item_table is None:
        return []
    unknown = [name for name in table.frame.columns if name not in (*dataset.item_table.columns, id_column)]
    names = ", ".join(unknown[:10])
    return [f"{table.path.name}: columns that the data set does not have are left out: {names}"] if unknown else []


def _like_stored(table: Table, dataset: Dataset) -> pl.DataFrame:
    """Return the rows of new items with the types that the item table of the data set has: lists, or texts of lists."""
    frame = table.frame
    stored = dataset.item_table.schema if dataset.item_table is not None else {}
    for name in (name for name in frame.columns if name in stored):
        is_list, was_list = isinstance(frame.schema[name], pl.List), isinstance(stored[name], pl.List)
        if was_list and not is_list:
            frame = frame.with_columns(value_lists(table, name, "|")[0])
        elif is_list and not was_list:
            texts = [None if each is None else json.dumps(each, ensure_ascii=False) for each in frame[name].to_list()]
            frame = frame.with_columns(pl.Series(name, texts, dtype=pl.String))
    return frame


def _new_features(
    dataset: Dataset,
    table: Table,
    rows: NDArray[np.int64],
    sources: Sequence[FeatureSource],
    ids: pl.Series,
    new: Vocabulary,
    reading: Reading,
) -> tuple[dict[str, FeatureStream], list[str]]:
    """Return the features of the new items in each modality of the data set, and the notes about their files.

    ids: the item ids of the table. rows: the rows of the table that are new items.
    """
    given = {source.modality: source for source in sources}
    for name in given:
        if name not in dataset.features:
            raise SettingsError(
                f'the data set has no modality "{name}"', hint=did_you_mean(name, dataset.features) or "leave it out"
            )
    if len(given) < len(sources):
        raise SettingsError("a modality is given twice", hint="give each modality once")
    known = dataset.items.extended_by(new.ids)
    streams: dict[str, FeatureStream] = {}
    notes: list[str] = []
    for name, old in dataset.features.items():
        if old.encoder is not None and name not in given:
            values, present = encode_metadata(old.encoder, table)
            metadata = Features(name, values[rows], present[rows], {"file": table.path.name})
            streams[name] = FeatureStream.from_features(metadata)
        elif name not in given:
            streams[name] = _all_missing(old, len(new))
        else:
            file = with_known_ids(open_features(given[name], reading), known)
            if file.values.shape[1] != old.width:
                raise InputError(
                    f"features have width {file.values.shape[1]}, those of the data set {old.width}",
                    where=file.location(0),
                    hint="encode them with the encoder of the data set's features",
                )
            notes += file.notes
            store: Store = "float16" if old.table.dtype == np.float16 else "float32"
            streams[name] = stream_features(file, match_rows(file, new, ids, known), store=store)
    return streams, notes


def _all_missing(like: Features, n_items: int) -> FeatureStream:
    """Return a stream of the same modality, width and dtype in which every item lacks the modality."""

    def rows(items: slice) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        n = len(range(*items.indices(n_items)))
        return np.zeros((n, like.width), like.table.dtype), np.zeros(n, np.bool_)

    return FeatureStream(like.modality, n_items, like.width, like.table.dtype, rows)


def _concatenate(old: Features, new: FeatureStream) -> FeatureStream:
    """Return the old rows followed by the new ones. The provenance of the new rows is listed in "added"."""
    n, dtype = old.n_items, old.table.dtype

    def rows(items: slice) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        begin, end, _ = items.indices(n + new.n_items)
        pieces = []
        if begin < n:
            pieces.append((old.table[begin : min(end, n)], old.present[begin : min(end, n)]))
        if end > n:
            pieces.append(new.rows(slice(max(begin - n, 0), end - n)))
        values, present = zip(*pieces, strict=True)
        return np.concatenate(values).astype(dtype, copy=False), np.concatenate(present)

    provenance: Mapping[str, Any] = {
        **old.provenance,
        "added": [*old.provenance.get("added", []), dict(new.provenance)],
    }
    return FeatureStream(old.modality, n + new.n_items, old.width, dtype, rows, provenance, old.encoder)


def _extend_table(dataset: Dataset, rows: pl.DataFrame, new: Vocabulary) -> pl.DataFrame | None:
    """Return the item table with the rows of the new items; columns that it does not have are dropped."""
    if dataset.item_table is None:
        return None
    columns = dataset.item_table.columns
    new_rows = rows.drop("item_id", strict=False).insert_column(0, new.ids.alias("item_id"))
    common = [name for name in columns if name in new_rows.columns]
    return pl.concat([dataset.item_table, new_rows.select(common)], how="diagonal_relaxed").select(columns)


def _pad(neighbours: Neighbours, n: int) -> Neighbours:
    """Add n items without given neighbours; models compute theirs from the features."""
    items = np.pad(neighbours.items, ((0, n), (0, 0)), constant_values=-1)
    return Neighbours(items, np.pad(neighbours.cosines, ((0, n), (0, 0))))
