"""Assemble a data set from a log, an item table and feature files: clean, collect the items, align, split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import polars as pl

from triptych.content.metadata import MetadataColumns, parse_separators
from triptych.data.cleaning import clean
from triptych.data.dataset import Dataset
from triptych.data.features import FeatureStream
from triptych.data.formats.features import FeatureFile, with_known_ids
from triptych.data.formats.format import Source
from triptych.data.formats.log import Log
from triptych.data.formats.neighbours import NeighbourSource, read_neighbours
from triptych.data.formats.tables import Table, read_item_ids
from triptych.data.id_types import description, first_without_type
from triptych.data.interactions import Interactions
from triptych.data.neighbours import Neighbours
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError, location
from triptych.preparing.aligning import align_features, align_table, metadata_features
from triptych.preparing.drop_modality import drop_modality
from triptych.preparing.later_rows import without_later_rows
from triptych.preparing.settings import PrepareSettings
from triptych.preparing.splitting import chosen_split, row_splitter, split_dataset
from triptych.preparing.users import AlignedUsers, GivenUsers, align_users


@dataclass(frozen=True)
class Assembled:
    """A data set without features; its features and those of its users as streams, and given neighbours by modality."""

    dataset: Dataset
    streams: list[FeatureStream]
    user_streams: list[FeatureStream]
    neighbours: dict[str, Neighbours]

    def collect(self) -> Dataset:
        """Read all features into memory."""
        return replace(
            self.dataset,
            features={stream.modality: stream.collect() for stream in self.streams},
            user_features={stream.modality: stream.collect() for stream in self.user_streams},
        )


def assemble(
    source: Source,
    table: Table | None,
    files: list[FeatureFile],
    settings: PrepareSettings,
    neighbours: Sequence[NeighbourSource] = (),
    given_users: GivenUsers | None = None,
) -> Assembled:
    """Clean, align and split what was read.

    `about["notes"]` of the data set has what the owner of the data should know about how they were read.
    """
    catalogue, row_ids = _catalogue(source, table, files, settings)
    cleaned = clean(
        source.log,
        catalogue=catalogue,
        min_rating=settings.min_rating,
        negative_ratings=settings.negative_ratings,
        weighting=settings.weighting,
        nulls=settings.nulls,
        unknown_items=settings.unknown_items,
        k_core=settings.k_core,
        split_rows=row_splitter(source.log, settings),
    )
    frame = cleaned.frame
    types = source.log.id_types
    items = _kept_items(frame, catalogue, settings).with_type(types.get("item", "string"))
    kept_users = frame["user_id"].unique(maintain_order=True)
    aligned_users = align_users(given_users or GivenUsers(), source.log, kept_users, settings)
    known = _known_ids(source.log, catalogue, items)
    files = [with_known_ids(file, known) for file in files]
    unknown: Literal["error", "drop"] = "error" if settings.unknown_items == "error" else "drop"
    streams = align_features(files, items, row_ids, known, settings, unknown=unknown)
    item_table = align_table(table, row_ids, items, "item") if table is not None and row_ids is not None else None
    columns = MetadataColumns(
        settings.categorical, parse_separators(settings.multi), settings.numeric, settings.max_values
    )
    metadata_notes: list[str] = []
    if columns:
        metadata, metadata_notes = metadata_features(table, item_table, columns, streams, "item")
        streams.append(metadata)
    notes = [
        *metadata_notes,
        *source.notes,
        *source.log.notes,
        *cleaned.notes,
        *(table.notes if table else ()),
        *(note for file in files for note in file.notes),
        *aligned_users.notes,
        *_notes_on_types(source.log, {"user": aligned_users.users, "item": items}),
    ]
    about = {
        "cleaning": asdict(cleaned.counts),
        "ratings": cleaned.ratings if settings.min_rating is None else {},
        "weights": cleaned.weights,
        "columns": {**source.log.columns, "unused": list(source.log.unused)},
        "notes": list(dict.fromkeys(notes)),
    }
    dataset = split_dataset(_dataset(frame, aligned_users, items, item_table, about), source.log, settings)
    if settings.seen == "drop" and not source.log.has("split"):
        dataset = without_later_rows(dataset, cleaned.repeats, chosen_split(source.log, settings), source.log.path.name)
    aligned = _align_neighbours(neighbours, streams, row_ids, items)
    if settings.drop_modality:
        dataset, streams, aligned = drop_modality(dataset, streams, aligned, settings.drop_modality, settings.seed)
    return Assembled(dataset, streams, aligned_users.streams, aligned)


def _kept_items(frame: pl.DataFrame, catalogue: Vocabulary | None, settings: PrepareSettings) -> Vocabulary:
    """Return the items of the data set.

    Without a catalogue these are the items of the cleaned log; with a k-core, the catalogue's items in the cleaned log;
    otherwise the whole catalogue, and after it the items of the log that it lacks.
    """
    log_items = frame["item_id"].unique(maintain_order=True)
    if catalogue is None:
        return Vocabulary(log_items)
    if settings.k_core > 1:
        return Vocabulary(catalogue.ids.filter(catalogue.ids.is_in(log_items.implode())))
    unknown = log_items.filter(catalogue.find(log_items) < 0)
    return Vocabulary(pl.concat([catalogue.ids, unknown.alias("id")]))


def _notes_on_types(log: Log, vocabularies: Mapping[str, Vocabulary]) -> list[str]:
    """Return a note for ids that are text in lists, because not all have the type of those of the log."""
    notes = []
    for noun, vocabulary in vocabularies.items():
        came = log.id_types.get(noun, "string")
        if vocabulary.id_type == "string" and came != "string":
            other, article = first_without_type(vocabulary.ids, came), "a" if noun == "user" else "an"
            notes.append(
                f'{log.path.name}: its {noun} ids are {description(came)}, but "{other}" is {article} {noun} too: '
                f"lists have {noun} ids as text"
            )
    return notes


def _known_ids(log: Log, catalogue: Vocabulary | None, items: Vocabulary) -> Vocabulary:
    """Return all item ids of the log and the catalogue, also those that cleaning dropped: files may contain them."""
    ids = [items.ids.alias("id"), log.frame["item_id"].drop_nulls().alias("id")]
    if catalogue is not None:
        ids.append(catalogue.ids.alias("id"))
    return Vocabulary(pl.concat(ids).unique(maintain_order=True))


def _align_neighbours(
    sources: Sequence[NeighbourSource], streams: list[FeatureStream], row_ids: pl.Series | None, items: Vocabulary
) -> dict[str, Neighbours]:
    aligned: dict[str, Neighbours] = {}
    for source in sources:
        name = source.modality
        if name not in [stream.modality for stream in streams]:
            raise SettingsError(f'neighbours by "{name}", but no features of that modality', hint="give its features")
        if row_ids is None:
            raise SettingsError("neighbours are rows of the item table, but there is none", hint="give it with `items`")
        if name in aligned:
            raise SettingsError(f'neighbours by "{name}" are given twice', hint="give them once")
        aligned[name] = read_neighbours(source, items.find(row_ids), len(items))
    return aligned


def _dataset(
    frame: pl.DataFrame,
    aligned_users: AlignedUsers,
    items: Vocabulary,
    item_table: pl.DataFrame | None,
    about: dict[str, Any],
) -> Dataset:
    """Return the data set without features, with the split of its log if it has one."""
    users = aligned_users.users
    rows = pl.DataFrame({"user": users.find(frame["user_id"]), "item": items.find(frame["item_id"])})
    kept = [column for column in ("time", "split", "weight") if column in frame.columns]
    rows = rows.with_columns(frame[column] for column in kept).sort("user", "item")
    return Dataset(
        users=users,
        items=items,
        interactions=Interactions(rows["user"].to_numpy(), rows["item"].to_numpy(), len(users), len(items)),
        item_table=item_table,
        user_table=aligned_users.table,
        times=rows["time"].to_numpy() if "time" in rows.columns else None,
        weights=rows["weight"].to_numpy() if "weight" in rows.columns else None,
        split_codes=rows["split"].to_numpy() if "split" in rows.columns else None,
        about=about,
    )


def _catalogue(
    source: Source, table: Table | None, files: list[FeatureFile], settings: PrepareSettings
) -> tuple[Vocabulary | None, pl.Series | None]:
    """Return all items, and the item id of each row of the item table (and so of each feature matrix without ids).

    They come from the item table; without one, from a format that numbers its items. Otherwise both are None, and the
    items are those of the log.
    """
    if table is not None:
        ids = read_item_ids(table, settings.item_id_column)
        return Vocabulary(ids), ids
    if source.n_items is not None:
        n_rows = max([len(file.values) for file in files if not file.has_ids], default=source.n_items)
        if n_rows < source.n_items:
            raise InputError(
                f"item {source.n_items - 1} is in the interactions, but the features end at item {n_rows - 1}",
                where=location(source.log.path),
                hint="give one row of features per item id",
            )
        ids = pl.Series("id", [str(row) for row in range(n_rows)], dtype=pl.String)
        return Vocabulary(ids), ids
    return None, None
