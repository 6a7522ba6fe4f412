"""A log, an item table and feature files -> one data set: clean, fix the catalogue, align, split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

import polars as pl

from triptych.content.metadata import MetadataColumns, fit_metadata, separators
from triptych.data.cleaning import clean
from triptych.data.dataset import Dataset
from triptych.data.features import Features, FeatureStream, streamed
from triptych.data.formats.features import FeatureFile, Store, order_of, stream_features
from triptych.data.formats.log import Log
from triptych.data.formats.neighbours import NeighbourSource, read_neighbours
from triptych.data.formats.registry import Source
from triptych.data.formats.tables import Table, item_ids_of
from triptych.data.interactions import Interactions
from triptych.data.neighbours import Neighbours
from triptych.data.split import assign_split
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError, location
from triptych.preparing.drop_modality import drop_modality
from triptych.preparing.settings import PrepareSettings


def assemble(
    source: Source,
    table: Table | None,
    files: list[FeatureFile],
    settings: PrepareSettings,
    neighbours: Sequence[NeighbourSource] = (),
) -> tuple[Dataset, list[FeatureStream], dict[str, Neighbours]]:
    """Everything but the feature tables, those as streams, and the neighbours that are given."""
    catalogue, item_ids = _catalogue(source, table, files, settings)
    frame, cleaning = clean(
        source.log,
        catalogue=catalogue,
        min_rating=settings.min_rating,
        nulls=settings.nulls,
        unknown_items=settings.unknown_items,
        k_core=settings.k_core,
    )
    log_items = frame["item_id"].unique(maintain_order=True)
    if catalogue is None:
        ids = log_items
    elif settings.k_core > 1:
        ids = catalogue.ids.filter(catalogue.ids.is_in(log_items.implode()))
    else:
        strangers = log_items.filter(catalogue.find(log_items) < 0)
        ids = pl.concat([catalogue.ids, strangers.alias("id")])
    users, items = Vocabulary(frame["user_id"].unique(maintain_order=True), noun="user"), Vocabulary(ids)
    known = Vocabulary(pl.concat([ids.alias("id"), *_ids_known(source.log, catalogue)]).unique(maintain_order=True))
    unknown: Literal["error", "drop"] = "error" if settings.unknown_items == "error" else "drop"
    streams = []
    store: Store | None = None if settings.store == "same" else settings.store
    for file in files:
        order = order_of(file, items, item_ids, known, unknown=unknown)
        streams.append(stream_features(file, order, store=store, zero_rows=settings.zero_rows))
    item_table = _aligned(table, item_ids, items) if table is not None and item_ids is not None else None
    columns = MetadataColumns(settings.categorical, separators(settings.multi), settings.numeric)
    if columns:
        streams.append(streamed(_metadata(table, item_ids, items, columns, streams)))
    dataset = _split(frame, users, items, item_table, asdict(cleaning), settings)
    near = _neighbours(neighbours, streams, item_ids, items)
    if settings.drop_modality:
        dataset, streams, near = drop_modality(dataset, streams, near, settings.drop_modality, settings.seed)
    return dataset, streams, near


def _neighbours(
    sources: Sequence[NeighbourSource], streams: list[FeatureStream], ids: pl.Series | None, items: Vocabulary
) -> dict[str, Neighbours]:
    found: dict[str, Neighbours] = {}
    for source in sources:
        name = source.modality
        if name not in [stream.modality for stream in streams]:
            raise SettingsError(f'neighbours by "{name}", but no features of that modality', hint="give its features")
        if ids is None:
            raise SettingsError("neighbours are rows of the item table, and there is none", hint="give it with --items")
        if name in found:
            raise SettingsError(f'neighbours by "{name}" are given twice', hint="give them once")
        found[name] = read_neighbours(source, items.find(ids), len(items))
    return found


def _split(
    frame: pl.DataFrame,
    users: Vocabulary,
    items: Vocabulary,
    item_table: pl.DataFrame | None,
    cleaning: dict[str, int],
    settings: PrepareSettings,
) -> Dataset:
    rows = pl.DataFrame({"user": users.find(frame["user_id"]), "item": items.find(frame["item_id"])})
    kept = [column for column in ("time", "split") if column in frame.columns]
    rows = rows.with_columns(frame[column] for column in kept).sort("user", "item")
    if "time" in rows.columns and rows["time"].null_count():
        rows = rows.drop("time")  # a time that only some have orders nothing
    dataset = Dataset(
        users=users,
        items=items,
        interactions=Interactions(rows["user"].to_numpy(), rows["item"].to_numpy(), len(users), len(items)),
        item_table=item_table,
        times=rows["time"].to_numpy() if "time" in rows.columns else None,
        split_codes=rows["split"].to_numpy() if "split" in rows.columns else None,
        about={"cleaning": cleaning},
    )
    ratios = (settings.train, settings.validation, 1 - settings.train - settings.validation)
    if ratios[2] < -1e-9:
        raise SettingsError("train and validation shares add up to more than 1", hint="for example 0.8 and 0.1")
    shares = (ratios[0], ratios[1], max(0.0, ratios[2]))
    return assign_split(
        dataset, None if settings.split == "auto" else settings.split, ratios=shares, seed=settings.seed
    )


def _catalogue(
    source: Source, table: Table | None, files: list[FeatureFile], settings: PrepareSettings
) -> tuple[Vocabulary | None, pl.Series | None]:
    """All items there are, and which item each row of an item table (or of a matrix without ids) stands for.

    The item table says; else the numbering of a layout that numbers its items; else the log (None).
    """
    if table is not None:
        ids = item_ids_of(table, settings.item_id_column)
        return Vocabulary(ids), ids
    if source.n_items is not None:
        rows = max([len(file.values) for file in files if file.ids is None], default=source.n_items)
        if rows < source.n_items:
            raise InputError(
                f"item {source.n_items - 1} is in the interactions, but features end at item {rows - 1}",
                where=location(source.log.path),
                hint="give one row of features per item id",
            )
        ids = pl.Series("id", [str(row) for row in range(rows)], dtype=pl.String)
        return Vocabulary(ids), ids
    return None, None


def _ids_known(log: Log, catalogue: Vocabulary | None) -> list[pl.Series]:
    """Ids that cleaning may have dropped, but that are no strangers."""
    ids = [log.frame["item_id"].drop_nulls().alias("id")]
    return [*ids, catalogue.ids.alias("id")] if catalogue is not None else ids


def _aligned(table: Table, ids: pl.Series, items: Vocabulary) -> pl.DataFrame:
    """The item table with row i = item i, its ids in `item_id`; items it lacks have nulls."""
    rows = table.frame.drop("item_id", strict=False).insert_column(0, ids.alias("item_id"))
    return items.ids.alias("item_id").to_frame().join(rows, on="item_id", how="left", maintain_order="left")


def _metadata(
    table: Table | None,
    ids: pl.Series | None,
    items: Vocabulary,
    columns: MetadataColumns,
    streams: list[FeatureStream],
) -> Features:
    if table is None or ids is None:
        raise SettingsError("metadata columns are named, but there is no item table", hint="give it with --items")
    if any(stream.modality == "metadata" for stream in streams):
        raise SettingsError("a modality is called metadata already", hint="rename that feature file's modality")
    for column in columns.numeric:
        table.numbers(column)  # in the order of the file first: an error names the row there
    return fit_metadata(Table(_aligned(table, ids, items), table.path, table.first_row), columns)
