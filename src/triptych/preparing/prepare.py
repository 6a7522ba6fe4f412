"""Prepare data sets: `prepare` from files into a folder, `dataset_from_frames` from frames in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from triptych import forks
from triptych.artefacts import check_output
from triptych.bars import shows_progress
from triptych.content.metadata import parse_separators
from triptych.data.dataset import Dataset, open_dataset, save_dataset
from triptych.data.formats.database import read_any_table
from triptych.data.formats.features import FeatureSource, open_features
from triptych.data.formats.format import Source
from triptych.data.formats.frames import table_from_frame
from triptych.data.formats.item_rows import DuplicateItems
from triptych.data.formats.item_tables import join_item_tables
from triptych.data.formats.log import Log, log_from_table
from triptych.data.formats.neighbours import NeighbourSource
from triptych.data.formats.registry import read_source
from triptych.data.formats.split_files import join_logs
from triptych.data.formats.tables import Table
from triptych.databases.address import Address, given_source
from triptych.errors import InputError, SettingsError, location, warn_of
from triptych.preparing.assemble import assemble
from triptych.preparing.drop_modality import check_shares
from triptych.preparing.frames import features_from_memory
from triptych.preparing.settings import PrepareSettings
from triptych.preparing.users import GivenUsers
from triptych.progress import Listener, automatic_progress
from triptych.settings import settings_of


@shows_progress
def prepare(
    source: Path | str,
    output: Path | str,
    settings: PrepareSettings | Mapping[str, object] | None = None,
    *,
    items: Path | str | Sequence[Path | str] | None = None,
    features: Sequence[FeatureSource] = (),
    neighbours: Sequence[NeighbourSource] = (),
    users: Path | str | Sequence[Path | str] | None = None,
    user_features: Sequence[FeatureSource] = (),
    overwrite: bool = False,
    listener: Listener = automatic_progress,
) -> Dataset:
    """Read interactions, an item table and feature files, and write the data set folder `output` atomically.

    source, items, users: files, or addresses of databases (sqlite:///FILE#TABLE, postgresql://…#TABLE).
    items: the item table, or several, which are joined by item id.
    users, user_features: the same for users. Users of the table without interactions become users of the data set.
    neighbours: nearest items in a modality, computed by another program; models use them instead of their own search.
    Feature tables are streamed from file to file, so they need not fit in memory. Returns the data set, opened from
    `output`. What the owner of the data should know about how they were read is an InputWarning each, and a line of
    `about["notes"]`. Raises InputError (with file, row and hint), SettingsError, ArtefactError.
    """
    forks.require_polars("preparing data")
    settings = settings_of(PrepareSettings, settings, of="prepare")
    parse_separators((*settings.multi, *settings.user_multi))
    check_shares(settings.drop_modality)
    check_output(Path(output), overwrite=overwrite)
    for given in (features, user_features):
        if len({each.modality for each in given}) < len(given):
            raise SettingsError("a modality is given twice", hint="give each modality once")
    reading = replace(settings.reading, listener=listener)
    contents = _with_held_out_files(read_source(source, reading, settings.format), settings)
    tables, user_tables = _sources(items), _sources(users)
    read = [read_any_table(each, replace(settings.items_reading, listener=listener)) for each in tables]
    read = read or ([] if contents.items is None else [contents.items])
    table = join_item_tables(read, settings.item_id_column, "item", settings.duplicate_items) if read else None
    sources = {each.modality: each for each in (*contents.features, *features)}
    if len(sources) < len(contents.features) + len(features):
        raise SettingsError("a modality is given twice", hint="give each modality once")
    other_reading = replace(settings.other_reading, listener=listener)
    files = [open_features(each, other_reading) for each in sources.values()]
    read_users = [read_any_table(each, other_reading) for each in user_tables]
    user_table = join_item_tables(read_users, settings.user_id_column, "user") if read_users else contents.users
    user_files = [open_features(replace(each, noun="user"), other_reading) for each in user_features]
    made = assemble(contents, table, files, settings, neighbours, GivenUsers(user_table, user_files))
    log = contents.log.path.name if isinstance(given_source(source), Address) else Path(source).name
    names = [log, *(_name(each) for each in (*tables, *user_tables))]
    about = {**made.dataset.about, "sources": names}
    if settings.query:
        about["query"] = settings.query
    save_dataset(
        replace(made.dataset, about=about),
        made.neighbours,
        made.streams,
        Path(output),
        user_streams=made.user_streams,
        overwrite=overwrite,
        listener=listener,
    )
    warn_of(about["notes"])
    return open_dataset(Path(output))


def _with_held_out_files(source: Source, settings: PrepareSettings) -> Source:
    """Return the source with the interactions of the files for validation and test. Raises InputError."""
    logs = {
        name: read_source(file, replace(settings.reading, query="")).log
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
    users: Any = None,
    user_features: Mapping[str, Any] | None = None,
    settings: PrepareSettings | Mapping[str, object] | None = None,
) -> Dataset:
    """Prepare a data set from frames (pandas, polars or Arrow) and arrays, in memory.

    validation, test: held-out interactions, if `interactions` has the others only. With a test but no validation, a
    share of `interactions` becomes validation (settings: validation=0 declines it).
    items: the item table, or a list of several, which are joined. features: modality -> matrix [n_items, width] in the
    order of the item table, (item ids, matrix), item id -> vector, or a frame; a matrix may be a NumPy array, a torch
    tensor, a sparse matrix of SciPy, or lists. Rows of a frame belong to the items of its index (pandas)
    or of its first column that is not of floats; without them, or with the index that pandas makes itself, they are in
    the order of the item table. Items without a row lack the modality. users, user_features: the same for users; users
    of the table without interactions become users of the data set. Warns as `prepare` does. Raises InputError,
    SettingsError.
    """
    forks.require_polars("preparing data")
    settings = settings_of(PrepareSettings, settings, of="prepare")
    source = Source(log_from_table(table_from_frame(interactions, "interactions"), settings.reading))
    held_out = {
        name: log_from_table(table_from_frame(frame, name), settings.reading)
        for name, frame in (("validation", validation), ("test", test))
        if frame is not None
    }
    table = _table_of_frames(items, "items", settings.item_id_column, "item", settings.duplicate_items)
    files = [features_from_memory(modality, values) for modality, values in (features or {}).items()]
    given_users = GivenUsers(
        _table_of_frames(users, "users", settings.user_id_column, "user"),
        [features_from_memory(modality, values, "user") for modality, values in (user_features or {}).items()],
    )
    made = assemble(_with_held_out(source, held_out), table, files, settings, given_users=given_users)
    warn_of(made.dataset.about["notes"])
    return made.collect()


def _sources(given: Path | str | Sequence[Path | str] | None) -> list[Path | Address]:
    return [given_source(each) for each in ([given] if isinstance(given, Path | str) else given or ())]


def _name(source: Path | Address) -> str:
    """Return the name of a file or database, without its folder, user and password."""
    return source.name.name if isinstance(source, Address) else source.name


def _table_of_frames(
    given: Any, name: str, id_column: str, noun: str, duplicates: DuplicateItems = "error"
) -> Table | None:
    """Return a frame, or several frames joined by id, as one table; None if none is given."""
    if given is None:
        return None
    frames = list(given) if isinstance(given, list | tuple) else [given]
    names = [name] if len(frames) == 1 else [f"{name}[{number}]" for number in range(len(frames))]
    tables = [table_from_frame(frame, each) for frame, each in zip(frames, names, strict=True)]
    return join_item_tables(tables, id_column, noun, duplicates) if tables else None
