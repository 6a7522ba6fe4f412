"""New items into a data set: their rows of the item table and their features behind those that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.content.metadata import encode_metadata
from triptych.data.dataset import Dataset, open_dataset, save_dataset
from triptych.data.features import Features, FeatureStream, streamed
from triptych.data.formats.features import FeatureSource, Store, open_features, order_of, stream_features
from triptych.data.formats.tables import Table, item_ids_of, read_table
from triptych.data.interactions import Interactions
from triptych.data.neighbours import Neighbours
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError, did_you_mean
from triptych.progress import Listener, ignore_progress


def extend_dataset(
    dataset: Dataset,
    items: Path | str,
    output: Path | str,
    *,
    features: Sequence[FeatureSource] = (),
    item_id_column: str = "",
    overwrite: bool = False,
    listener: Listener = ignore_progress,
) -> Dataset:
    """Write the data set folder `output`: `dataset` and behind its items those of an item table that it lacks.

    features: of the new items, of modalities that the data set has; rows of items that it has already are passed over,
    and what is not given is missing. Metadata are encoded as the data set's were. Interactions and split stay. Returns
    the data set, opened from there. Raises InputError (naming file, row and mend), SettingsError, ArtefactError.
    """
    table = read_table(Path(items))
    ids = item_ids_of(table, item_id_column)
    fresh = dataset.items.find(ids) < 0
    if not fresh.any():
        raise InputError("brings no new item", where=table.where(), hint="give items that the data set lacks")
    new, rows = Vocabulary(ids.filter(fresh)), np.flatnonzero(fresh)
    streams = [
        _joined(dataset.features[name], stream)
        for name, stream in _new_features(dataset, table, rows, features, ids, new).items()
    ]
    n_items = dataset.n_items + len(new)
    taken = dataset.interactions
    grown = replace(
        dataset,
        items=Vocabulary(pl.concat([dataset.items.ids, new.ids])),
        interactions=Interactions(taken.users, taken.items, taken.n_users, n_items),
        features={},
        neighbours={},
        item_table=_grown_table(dataset, table.frame[rows], new),
        about={**dataset.about, "added": [*dataset.about.get("added", []), {"file": table.path.name, "n": len(new)}]},
    )
    near = {name: _padded(each, len(new)) for name, each in dataset.neighbours.items()}
    save_dataset(grown, near, streams, Path(output), overwrite=overwrite, listener=listener)
    return open_dataset(Path(output))


def _new_features(
    dataset: Dataset,
    table: Table,
    rows: NDArray[np.int64],
    sources: Sequence[FeatureSource],
    ids: pl.Series,
    new: Vocabulary,
) -> dict[str, FeatureStream]:
    """Every modality of the data set, of the new items. ids: of the table; rows: which of its rows are new."""
    given = {source.modality: source for source in sources}
    for name in given:
        if name not in dataset.features:
            raise SettingsError(
                f'the data set has no modality "{name}"', hint=did_you_mean(name, dataset.features) or "leave it out"
            )
    if len(given) < len(sources):
        raise SettingsError("a modality is given twice", hint="give each modality once")
    known = Vocabulary(pl.concat([dataset.items.ids, new.ids]))
    streams = {}
    for name, old in dataset.features.items():
        if old.encoder is not None and name not in given:
            values, present = encode_metadata(old.encoder, table)
            streams[name] = streamed(Features(name, values[rows], present[rows], {"file": table.path.name}))
        elif name not in given:
            streams[name] = _nothing(old, len(new))
        else:
            file = open_features(given[name])
            if file.values.shape[1] != old.width:
                raise InputError(
                    f"features are {file.values.shape[1]}-d, those of the data set {old.width}-d",
                    where=file.where(0),
                    hint="encode them as the others were encoded",
                )
            store: Store = "float16" if old.table.dtype == np.float16 else "float32"
            streams[name] = stream_features(file, order_of(file, new, ids, known), store=store)
    return streams


def _nothing(like: Features, n_items: int) -> FeatureStream:
    def rows(items: slice) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        n = len(range(*items.indices(n_items)))
        return np.zeros((n, like.width), like.table.dtype), np.zeros(n, np.bool_)

    return FeatureStream(like.modality, n_items, like.width, like.table.dtype, rows)


def _joined(old: Features, new: FeatureStream) -> FeatureStream:
    """The old rows, then the new ones; provenance is the old one's, with the new one's below "added"."""
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


def _grown_table(dataset: Dataset, rows: pl.DataFrame, new: Vocabulary) -> pl.DataFrame | None:
    if dataset.item_table is None:
        return None
    columns = dataset.item_table.columns
    theirs = rows.drop("item_id", strict=False).insert_column(0, new.ids.alias("item_id"))
    grown = pl.concat(
        [dataset.item_table, theirs.select(name for name in columns if name in theirs.columns)], how="diagonal_relaxed"
    )
    return grown.select(columns)


def _padded(near: Neighbours, n: int) -> Neighbours:
    """No neighbours are given for the new items: models look for them by their features."""
    return Neighbours(np.pad(near.items, ((0, n), (0, 0)), constant_values=-1), np.pad(near.cosines, ((0, n), (0, 0))))
