"""Files or frames -> a data set: read, clean, align, split. The shell and Python share this one walk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import narwhals as nw
import numpy as np
import polars as pl
from annotated_types import Interval
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Doc

from triptych.content.metadata import MetadataColumns, fit_metadata
from triptych.data.cleaning import Nulls, UnknownItems, clean
from triptych.data.dataset import Dataset, open_dataset, save_dataset
from triptych.data.features import Features, FeatureStream, collected, streamed
from triptych.data.formats.features import (
    FeatureFile,
    FeatureSource,
    Store,
    ZeroRows,
    good_ids,
    open_features,
    order_of,
    stream_features,
)
from triptych.data.formats.log import Columns, Log, log_of_table
from triptych.data.formats.registry import Source, read_source
from triptych.data.formats.tables import Table, read_table
from triptych.data.interactions import Interactions
from triptych.data.split import with_parts
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError, place
from triptych.progress import Listener, silent
from triptych.settings import parse

__all__ = ["FeatureSource", "PrepareSettings", "dataset_of_frames", "prepare"]

ITEM_IDS = ("item_id", "itemid", "item", "movieid", "product_id", "productid", "asin", "article_id", "sku", "id")


@dataclass(frozen=True)
class PrepareSettings:
    """How files become a data set. Column names: "" is a guess by the usual names, "-" is none."""

    format: Annotated[str, Doc("auto, table, recbole, literature or movielens")] = "auto"
    user_column: Annotated[str, Doc("column of user ids")] = ""
    item_column: Annotated[str, Doc("column of item ids in the log")] = ""
    rating_column: Annotated[str, Doc("column of ratings")] = ""
    time_column: Annotated[str, Doc("column of times: seconds or ISO dates")] = ""
    split_column: Annotated[str, Doc("column that says train, validation or test (or 0, 1, 2)")] = ""
    item_id_column: Annotated[str, Doc("column of item ids in the item table")] = ""
    min_rating: Annotated[float | None, Doc("drop interactions rated below this")] = None
    nulls: Annotated[Nulls, Doc("rows without a user or item id: error or drop")] = "error"
    unknown_items: Annotated[UnknownItems, Doc("items that the item table lacks: error, drop or keep")] = "error"
    zero_rows: Annotated[ZeroRows, Doc("feature rows of zeros: missing, or keep as they are")] = "missing"
    k_core: Annotated[int, Interval(ge=0), Doc("keep users and items with at least this many interactions")] = 0
    split: Annotated[
        Literal["auto", "ratio", "leave-one-out", "time", "given"],
        Doc("how to split; auto: as given where a column says, else by ratio"),
    ] = "auto"
    train: Annotated[float, Interval(gt=0, le=1), Doc("share of train, for ratio and time")] = 0.8
    validation: Annotated[float, Interval(ge=0, lt=1), Doc("share of validation; the rest is test")] = 0.1
    seed: Annotated[int, Interval(ge=0), Doc("seed of random splits")] = 0
    store: Annotated[
        Literal["same", "float16", "float32"], Doc("precision of stored features; same: as given, float64 as float32")
    ] = "same"
    categorical: Annotated[tuple[str, ...], Doc("item columns of one value each")] = ()
    multi: Annotated[tuple[str, ...], Doc("item columns of several values, as genres=| with the separator")] = ()
    numeric: Annotated[tuple[str, ...], Doc("item columns of numbers")] = ()

    @property
    def columns(self) -> Columns:
        """The columns of the log."""
        return Columns(self.user_column, self.item_column, self.rating_column, self.time_column, self.split_column)


def prepare(
    source: Path | str,
    output: Path | str,
    settings: PrepareSettings | None = None,
    *,
    items: Path | str | None = None,
    features: Sequence[FeatureSource] = (),
    overwrite: bool = False,
    listener: Listener = silent,
) -> Dataset:
    """Read interactions, an item table and feature files, and write the data set folder `output`, whole or not at all.

    Feature tables stream from file to file; they are never in memory whole. Returns the data set, opened from there.
    Raises InputError (naming file, row and mend), SettingsError, ArtefactError.
    """
    settings = parse(PrepareSettings, vars(settings or PrepareSettings()), of="prepare")
    found = read_source(Path(source), settings.columns, settings.format)
    table = read_table(Path(items)) if items is not None else found.items
    given = {each.modality: each for each in (*found.features, *features)}
    if len(given) < len(found.features) + len(features):
        raise SettingsError("a modality is given twice", mend="give each modality once")
    opened = [open_features(each) for each in given.values()]
    dataset, streams = _assemble(found, table, opened, settings)
    about = {**dataset.about, "sources": [Path(source).name, *([Path(items).name] if items else [])]}
    save_dataset(replace(dataset, about=about), streams, Path(output), overwrite=overwrite, listener=listener)
    return open_dataset(Path(output))


def dataset_of_frames(
    interactions: Any,
    *,
    items: Any = None,
    features: Mapping[str, ArrayLike | tuple[Sequence[str], ArrayLike]] | None = None,
    settings: PrepareSettings | None = None,
) -> Dataset:
    """The same from frames (pandas, polars or Arrow) and arrays, in memory.

    items: the item table. features: modality -> matrix [n_items, width] in the order of the item table, or
    (item ids, matrix). Raises InputError, SettingsError.
    """
    settings = parse(PrepareSettings, vars(settings or PrepareSettings()), of="prepare")
    log = log_of_table(_table_of(interactions, "interactions"), settings.columns)
    table = _table_of(items, "items") if items is not None else None
    files = [_file_of(modality, given) for modality, given in (features or {}).items()]
    dataset, streams = _assemble(Source(log), table, files, settings)
    every = {stream.modality: collected(stream) for stream in streams}
    return replace(dataset, features=every)


def _assemble(
    source: Source, table: Table | None, files: list[FeatureFile], settings: PrepareSettings
) -> tuple[Dataset, list[FeatureStream]]:
    """Everything but the feature tables, and those as streams."""
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
    columns = MetadataColumns(settings.categorical, _separators(settings.multi), settings.numeric)
    if columns:
        streams.append(streamed(_metadata(table, item_ids, items, columns, streams)))
    return _split(frame, users, items, item_table, asdict(cleaning), settings), streams


def _split(
    frame: pl.DataFrame,
    users: Vocabulary,
    items: Vocabulary,
    item_table: pl.DataFrame | None,
    cleaning: dict[str, int],
    settings: PrepareSettings,
) -> Dataset:
    rows = pl.DataFrame({"user": users.find(frame["user_id"]), "item": items.find(frame["item_id"])})
    kept = [column for column in ("time", "part") if column in frame.columns]
    rows = rows.with_columns(frame[column] for column in kept).sort("user", "item")
    if "time" in rows.columns and rows["time"].null_count():
        rows = rows.drop("time")  # a time that only some have orders nothing
    dataset = Dataset(
        users=users,
        items=items,
        interactions=Interactions(rows["user"].to_numpy(), rows["item"].to_numpy(), len(users), len(items)),
        item_table=item_table,
        times=rows["time"].to_numpy() if "time" in rows.columns else None,
        parts=rows["part"].to_numpy() if "part" in rows.columns else None,
        about={"cleaning": cleaning},
    )
    ratios = (settings.train, settings.validation, 1 - settings.train - settings.validation)
    if ratios[2] < -1e-9:
        raise SettingsError("train and validation shares add up to more than 1", mend="for example 0.8 and 0.1")
    shares = (ratios[0], ratios[1], max(0.0, ratios[2]))
    return with_parts(dataset, None if settings.split == "auto" else settings.split, ratios=shares, seed=settings.seed)


def _catalogue(
    source: Source, table: Table | None, files: list[FeatureFile], settings: PrepareSettings
) -> tuple[Vocabulary | None, pl.Series | None]:
    """All items there are, and which item each row of an item table (or of a matrix without ids) stands for.

    The item table says; else the numbering of a layout that numbers its items; else the log (None).
    """
    if table is not None:
        lowered = {name.lower(): name for name in reversed(table.frame.columns)}
        column = settings.item_id_column or next((lowered[name] for name in ITEM_IDS if name in lowered), None)
        if column is None:
            raise InputError(
                f"no column looks like item ids (columns: {', '.join(table.frame.columns[:20])})",
                where=table.where(),
                mend="name it with --item-id-column",
            )
        ids = good_ids(table.text(column), lambda row: table.where(row, column), "keep one row per item")
        return Vocabulary(ids), ids
    if source.n_items is not None:
        rows = max([len(file.values) for file in files if file.ids is None], default=source.n_items)
        if rows < source.n_items:
            raise InputError(
                f"item {source.n_items - 1} is in the interactions, but features end at item {rows - 1}",
                where=place(source.log.path),
                mend="give one row of features per item id",
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
        raise SettingsError("metadata columns are named, but there is no item table", mend="give it with --items")
    if any(stream.modality == "metadata" for stream in streams):
        raise SettingsError("a modality is called metadata already", mend="rename that feature file's modality")
    for column in columns.numeric:
        table.numbers(column)  # in the order of the file first: an error names the row there
    return fit_metadata(Table(_aligned(table, ids, items), table.path, table.first_row), columns)


def _separators(multi: tuple[str, ...]) -> dict[str, str]:
    separators = {}
    for each in multi:
        column, equals, separator = each.partition("=")
        if not column or (equals and not separator):
            raise SettingsError(f'"{each}" is not COLUMN=SEPARATOR', mend="write for example genres=|")
        separators[column] = separator or "|"
    return separators


def _table_of(given: Any, name: str) -> Table:
    try:
        frame = nw.from_native(given, eager_only=True).to_polars()
    except TypeError:
        raise InputError(
            f"cannot read a {type(given).__name__}", where=name, mend="give a pandas, polars or Arrow frame"
        ) from None
    if not len(frame):
        raise InputError("has no rows", where=name, mend="give at least one row")
    return Table(frame, Path(name), 0)


def _file_of(modality: str, given: ArrayLike | tuple[Sequence[str], ArrayLike]) -> FeatureFile:
    ids, matrix = given if isinstance(given, tuple) else (None, given)
    values: NDArray[Any] = np.asarray(matrix)
    source = FeatureSource(modality, Path(f"features[{modality!r}]"))
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
        raise InputError(
            f"features must be a matrix of floats, got {values.dtype} {values.shape}",
            where=str(source.path),
            mend="give one row per item: float16, float32 or float64",
        )
    series = None
    if ids is not None:
        series = pl.Series("id", [str(each) for each in ids], dtype=pl.String)
        if len(series) != len(values):
            raise InputError(
                f"{len(series)} ids for {len(values)} rows", where=str(source.path), mend="give one id per row"
            )
        series = good_ids(series, lambda row: place(source.path, row=row))
    return FeatureFile(source, values, series, first_id=0)
