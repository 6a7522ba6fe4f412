"""The users of a data set: those of the log, then those of the user table; their table and their features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from triptych.content.metadata import MetadataColumns, parse_separators
from triptych.data.features import FeatureStream
from triptych.data.formats.features import FeatureFile, with_known_ids
from triptych.data.formats.tables import Table, read_row_ids
from triptych.data.vocabulary import Vocabulary
from triptych.preparing.aligning import align_features, align_table, metadata_features
from triptych.preparing.settings import PrepareSettings

if TYPE_CHECKING:
    from triptych.data.formats.log import Log


@dataclass(frozen=True)
class GivenUsers:
    """What is given about users besides their interactions: a table, and feature files."""

    table: Table | None = None
    files: Sequence[FeatureFile] = ()


@dataclass(frozen=True)
class AlignedUsers:
    """The users of the data set, with their table and their features in the same order.

    table: row u = user u; users that are not in the given table have nulls. notes: see `InputWarning`.
    """

    users: Vocabulary
    table: pl.DataFrame | None
    streams: list[FeatureStream]
    notes: list[str]


def align_users(given: GivenUsers, log: Log, kept: pl.Series, settings: PrepareSettings) -> AlignedUsers:
    """Return the users of the cleaned log, and after them those of the user table that have no interactions there.

    kept: the user ids of the cleaned log. With a k-core, users of the table without interactions are left out: they
    have fewer than k. Raises InputError, SettingsError.
    """
    users, table = Vocabulary(kept, noun="user"), given.table
    notes: list[str] = []
    known = log.frame["user_id"].drop_nulls().alias("id")
    row_ids: pl.Series | None = None
    aligned: pl.DataFrame | None = None
    if table is not None:
        row_ids, notes = read_row_ids(table, settings.user_id_column, "user")
        notes = [*table.notes, *notes]
        row_ids = row_ids.alias("id")
        known = pl.concat([known, row_ids])
        users = _with_users_of_table(users, table, row_ids, settings, notes)
        aligned = align_table(table, row_ids, users, "user")
        absent = users.ids.filter(~users.ids.is_in(row_ids.implode()))
        if len(absent):
            notes.append(
                f'{table.path.name}: {len(absent):,} users of the interactions are not in it, as "{absent[0]}": they '
                "have none of its columns"
            )
    all_ids = Vocabulary(known.unique(maintain_order=True), noun="user")
    files = [with_known_ids(file, all_ids) for file in given.files]
    streams = align_features(files, users, row_ids, all_ids, settings)
    notes += [note for file in files for note in file.notes]
    columns = MetadataColumns(
        settings.user_categorical, parse_separators(settings.user_multi), settings.user_numeric, settings.max_values
    )
    if columns:
        stream, metadata_notes = metadata_features(table, aligned, columns, streams, "user")
        streams.append(stream)
        notes += metadata_notes
    return AlignedUsers(users.with_type(log.id_types.get("user", "string")), aligned, streams, notes)


def _with_users_of_table(
    users: Vocabulary, table: Table, row_ids: pl.Series, settings: PrepareSettings, notes: list[str]
) -> Vocabulary:
    """Return the users followed by the others of the table, and add a note about these to `notes`."""
    others = row_ids.filter(users.find(row_ids) < 0)
    if not len(others):
        return users
    if settings.k_core > 1:
        notes.append(
            f"{table.path.name}: {len(others):,} of its users have fewer than {settings.k_core} interactions: left out"
        )
        return users
    notes.append(f"{table.path.name}: {len(others):,} of its users have no interactions: kept as users without history")
    return Vocabulary(pl.concat([users.ids.alias("id"), others]), noun="user")
