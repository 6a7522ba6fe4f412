"""Open feature files: a matrix, memory-mapped where possible, and the item ids of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.formats.encoded import FEATURES, ROWS, open_encoded
from triptych.data.formats.feature_ids import IdFile, choose_known_ids, read_feature_ids
from triptych.data.formats.matrices.matrix import check_values
from triptych.data.formats.matrices.registry import read_matrix
from triptych.data.formats.read_table import path_not_found
from triptych.data.formats.reading import GUESS, Reading
from triptych.data.formats.tables import Table
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, location


@dataclass(frozen=True)
class FeatureSource:
    """The feature file of a modality, of a kind in `matrices/registry.py`; or a folder of `triptych encode`.

    ids: a file with the item id of each row, if the feature file does not have the ids itself. noun: "item", or "user"
    for features of the users.
    """

    modality: str
    path: Path
    ids: Path | None = None
    noun: str = "item"


@dataclass(frozen=True)
class FeatureFile:
    """An open feature file.

    values: [n_rows, width], memory-mapped if the file type allows it. ids: String [n_rows], the item of each row, or
    None. id_file: the file of the ids; its columns may be ids until `with_known_ids` has chosen one. table: the rows of
    features that are a table. first_id: the number of the first id of a folder in error messages. present: bool
    [n_rows], false for rows without features, or None. provenance, encoder: as in `Features`. notes: what the owner of
    the file should know about how it was read; see `InputWarning`.
    """

    source: FeatureSource
    values: NDArray[Any]
    ids: pl.Series | None
    id_file: IdFile | None = None
    table: Table | None = None
    first_id: int = 0
    present: NDArray[np.bool_] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    encoder: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @property
    def has_ids(self) -> bool:
        """Whether the rows have ids of their own."""
        return self.ids is not None or self.id_file is not None

    def location(self, row: int, column: int | None = None) -> str:
        """Return the location of a row of the matrix, or of one value, for an error."""
        name = None if column is None else str(column)
        if self.table is not None:
            return self.table.location(row, name)
        return location(self.source.path, row=row, column=name)

    def id_location(self, row: int) -> str:
        """Return the location of the id of a row."""
        if self.id_file is not None:
            return self.id_file.table.location(row)
        if self.table is not None:
            return self.table.location(row)
        return location(self.source.ids or self.source.path, row=row + self.first_id)


def open_features(source: FeatureSource, reading: Reading = GUESS) -> FeatureFile:
    """Open a feature file; the values of .npy and .safetensors files are not read yet.

    reading: how text files are read: tables of features, and files of ids.

    Raises InputError if the file does not exist, has another extension, is not a matrix of numbers, is pickled or
    truncated; or if the ids are empty, repeated or not as many as the rows.
    """
    path = source.path
    if not path.exists():
        raise path_not_found(path)
    if path.is_dir():
        return _open_folder(source)
    matrix = read_matrix(path, reading)
    check_values(matrix.values, location(path))
    if source.ids is None:
        return FeatureFile(source, matrix.values, matrix.ids, table=matrix.table, notes=matrix.notes)
    id_file = read_feature_ids(source.ids, len(matrix.values), path, reading)
    if matrix.ids is not None and (id_file.ids is None or matrix.ids.to_list() != id_file.ids.to_list()):
        raise InputError(
            f"has ids of its own, which are not those of {source.ids.name}",
            where=location(path),
            hint="leave the id file out",
        )
    return FeatureFile(source, matrix.values, id_file.ids, id_file, matrix.table, notes=(*matrix.notes, *id_file.notes))


def with_known_ids(file: FeatureFile, known: Vocabulary) -> FeatureFile:
    """Return the file with ids, if its file of ids has several columns: those that are all known. Raises InputError."""
    if file.ids is not None or file.id_file is None:
        return file
    chosen = choose_known_ids(file.id_file, known)
    return replace(file, ids=chosen.ids, id_file=chosen, notes=(*file.notes, *chosen.notes[len(file.id_file.notes) :]))


def _open_folder(source: FeatureSource) -> FeatureFile:
    if source.ids is not None:
        raise InputError("contains its own ids", where=location(source.path), hint="leave the id file out")
    encoded = open_encoded(source.path)
    files = FeatureSource(source.modality, source.path / FEATURES, source.path / ROWS, source.noun)
    fitted = encoded.manifest.about.get("fitted")
    return FeatureFile(
        files,
        encoded.values,
        encoded.ids,
        first_id=2,
        present=encoded.present,
        provenance=encoded.provenance,
        encoder=fitted,
    )
