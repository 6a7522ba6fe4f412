"""Cases of broken files and options, and the check that `prepare` refuses them with file, row and hint."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from triptych.errors import InputError, TriptychError
from triptych.preparing import FeatureSource, PrepareSettings, prepare

LOG = "user_id,item_id,rating,timestamp\nu1,a,5,1\nu1,b,4,2\nu2,a,3,3\nu2,c,2,4\n"
ITEMS = "item_id,genre,price\na,x,1\nb,x,2\nc,y,3\n"

Content = str | bytes | NDArray[Any] | pl.DataFrame | dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Broken:
    """One defect and the expected error.

    message: a part of the error's message. where: its location (file, row, column), None if no file is at fault. hint:
    a part of its hint. files: name -> content, added to a good log.csv and items.csv. features: modality -> file, or
    (file, id file).
    """

    message: str
    where: str | None
    hint: str
    files: Mapping[str, Content] = field(default_factory=dict)
    source: str = "log.csv"
    items: str | None = None
    features: Mapping[str, str | tuple[str, str]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    error: type[TriptychError] = InputError


def log(text: str, message: str, where: str, hint: str, **settings: Any) -> Broken:
    """A broken log.csv."""
    return Broken(message, where, hint, files={"log.csv": text}, settings=settings)


def table(text: str, message: str, where: str, hint: str, **settings: Any) -> Broken:
    """A broken items.csv."""
    return Broken(message, where, hint, files={"items.csv": text}, items="items.csv", settings=settings)


def matrix(name: str, content: Content, message: str, where: str, hint: str, **settings: Any) -> Broken:
    """A broken feature file of the items a, b, c."""
    return Broken(
        message, where, hint, files={name: content}, items="items.csv", features={"image": name}, settings=settings
    )


def id_file(text: str, message: str, where: str, hint: str) -> Broken:
    """A broken file of item ids."""
    return Broken(
        message,
        where,
        hint,
        files={"image.npy": rows(), "ids.csv": text},
        items="items.csv",
        features={"image": ("image.npy", "ids.csv")},
    )


def option(
    message: str, where: str | None, hint: str, error: type[TriptychError] = InputError, **settings: Any
) -> Broken:
    """A bad option with good files."""
    return Broken(message, where, hint, items="items.csv", settings=settings, error=error)


def rows(bad: float | None = None, *, dtype: str = "float32") -> NDArray[Any]:
    """A feature matrix of three items and two columns; `bad` is the value at row 1, column 1."""
    values = np.arange(1, 7, dtype=dtype).reshape(3, 2)
    if bad is not None:
        values[1, 1] = bad
    return values


def npy_bytes(values: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def npz_bytes() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, rows())
    return stream.getvalue()


MMREC_LOG = "userID\titemID\tx_label\n0\t0\t0\n0\t1\t1\n1\t4\t0\n"
HEADER = "user_id,item_id,rating,timestamp\n"


def write_files(folder: Path, files: Mapping[str, Content]) -> None:
    """Write each content in the file format of its type."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        match content:
            case str():
                path.write_text(content, encoding="utf-8")
            case bytes():
                path.write_bytes(content)
            case pl.DataFrame():
                content.write_parquet(path)
            case dict():
                save_file(content, path)
            case _:
                np.save(path, content)


def all_paths(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def assert_refused(case: Broken, tmp_path: Path) -> None:
    """Check that the error has the expected message, location and hint, and that no file is written."""
    write_files(tmp_path, {"log.csv": LOG, "items.csv": ITEMS, **case.files})
    before = all_paths(tmp_path)
    features = []
    for modality, files in case.features.items():
        name, ids = files if isinstance(files, tuple) else (files, None)
        features.append(FeatureSource(modality, tmp_path / name, None if ids is None else tmp_path / ids))
    with pytest.raises(TriptychError) as caught:
        prepare(
            tmp_path / case.source,
            tmp_path / "prepared",
            PrepareSettings(**case.settings),
            items=None if case.items is None else tmp_path / case.items,
            features=features,
        )
    error = caught.value
    assert type(error) is case.error
    assert case.message in error.what
    assert error.where == (None if case.where is None else str(tmp_path / case.where))
    assert error.hint is not None
    assert case.hint in error.hint
    assert all(part in str(error) for part in (error.what, error.hint, error.where or ""))
    assert all_paths(tmp_path) == before
