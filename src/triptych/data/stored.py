"""Read the files of a data set or recommender: all that later code and native kernels rely on is checked here, once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from triptych.artefacts import MANIFEST, OpenFolder, checked_content, map_tensors, read_json
from triptych.data.features import MODALITY_NAME, Features, first_non_finite
from triptych.data.id_types import check_type
from triptych.data.interactions import Interactions
from triptych.data.neighbours import Neighbours
from triptych.data.parquet import read_stored_parquet
from triptych.data.split_codes import N_CODES
from triptych.data.vocabulary import Vocabulary

ID_TYPES = "ids"  # in a manifest: the types of the ids of users and items
USER_FEATURES = "user_features"  # the folder with the features of the users; those of the items are in "features"
INDEX_TYPES = (np.dtype(np.int32), np.dtype(np.int64))
LARGEST_COSINE = 1.01  # a cosine may exceed 1 by rounding, in float16 as well


@dataclass(frozen=True)
class StoredLog:
    """Interactions with their times and weights, float64 [n] or None, and their splits, int8 [n] or None."""

    interactions: Interactions
    times: NDArray[np.float64] | None
    split_codes: NDArray[np.int8] | None
    weights: NDArray[np.float64] | None


@contextmanager
def checked_file(folder: OpenFolder, name: str) -> Iterator[None]:
    """Turn an error about the content of a file into an ArtefactError that names the file."""
    with checked_content(folder.path / name, f"write the {folder.manifest.kind} again"):
        try:
            yield
        except PolarsError as error:
            raise ValueError(str(error)) from None


def require(condition: object, problem: str) -> None:
    """Raise ValueError with the problem unless the condition holds; see `checked_file`."""
    if not condition:
        raise ValueError(problem)


def read_ids(folder: OpenFolder, name: str, noun: str) -> tuple[Vocabulary, pl.DataFrame]:
    """Read the ids of all users or items, in column `user_id` or `item_id`, and the whole table."""
    table = read_stored_parquet(folder.file(name), folder.manifest.kind)
    with checked_file(folder, name):
        ids = table[f"{noun}_id"]
        require(ids.dtype == pl.String, f"ids are {ids.dtype}, not texts")
        vocabulary = Vocabulary(ids, noun=noun)
    with checked_file(folder, MANIFEST):
        described = folder.manifest.about.get(ID_TYPES, {})
        require(isinstance(described, dict), f'"{ID_TYPES}" is of the wrong kind')
        id_type = check_type(described.get(noun, "string"))  # absent in folders of earlier versions
        typed = vocabulary.with_type(id_type)
        require(typed.id_type == id_type, f"{noun} ids are not {id_type}")
        return typed, table


def read_log(folder: OpenFolder, n_users: int, n_items: int) -> StoredLog:
    """Read the interactions, which are sorted and distinct pairs of rows in range."""
    name, split = "interactions.parquet", "split" if folder.manifest.version > 1 else "part"
    log = read_stored_parquet(folder.file(name), folder.manifest.kind)
    with checked_file(folder, name):
        types = {"user": pl.Int64, "item": pl.Int64, "time": pl.Float64, "weight": pl.Float64, split: pl.Int8}
        for column, dtype in types.items():
            if column in log.columns or dtype == pl.Int64:
                require(log[column].dtype == dtype, f"column {column} is {log[column].dtype}, not {dtype}")
                require(not log[column].null_count(), f"column {column} has empty fields")
        times = log["time"].to_numpy() if "time" in log.columns else None
        codes = log[split].to_numpy() if split in log.columns else None
        require(times is None or np.isfinite(times).all(), "a time is not finite")
        weights = log["weight"].to_numpy() if "weight" in log.columns else None
        require(codes is None or in_range(codes, 0, N_CODES), "a split is unknown")
        require(weights is None or (np.isfinite(weights) & (weights > 0)).all(), "a weight is not a number above 0")
        interactions = Interactions(log["user"].to_numpy(), log["item"].to_numpy(), n_users, n_items)
        return StoredLog(interactions, times, codes, weights)


def check_modalities(folder: OpenFolder, name: str = "modalities") -> Mapping[str, Mapping[str, Any]]:
    """Return the description of each modality in the manifest of a data set: of the items, or "user_modalities"."""
    described = folder.manifest.about.get(name, None if name == "modalities" else {})
    with checked_file(folder, MANIFEST):
        require(isinstance(described, dict), f'"{name}" is missing or of the wrong kind')
        assert isinstance(described, dict)
        for modality, each in described.items():
            require(re.fullmatch(MODALITY_NAME, modality), f'"{modality}" is not a valid modality name')
            require(
                isinstance(each, dict) and isinstance(each.get("provenance"), dict),
                f'"{modality}" has no description of its origin',
            )
    return described


def read_features(
    folder: OpenFolder, modality: str, provenance: Mapping[str, Any], n_rows: int, noun: str = "item"
) -> Features:
    """Read the features of one modality: the table, memory-mapped, the rows that have it, and its encoder if any.

    noun: "item" or "user", whose features they are.
    """
    within = USER_FEATURES if noun == "user" else "features"
    name, encoder = f"{within}/{modality}.safetensors", f"{within}/{modality}.encoder.json"
    arrays = map_tensors(folder.file(name))
    fitted = read_json(folder.file(encoder)) if folder.has(encoder) else None
    if not isinstance(fitted, dict | None):
        raise folder.damaged(encoder, "is damaged: it is not an encoder")
    with checked_file(folder, name):
        table, present = arrays["table"], flags(arrays["present"])
        require(len(table) == n_rows, f"{len(table)} rows of features for {n_rows} {noun}s")
        return Features(modality, table, present, provenance, fitted)


def read_stored_neighbours(folder: OpenFolder, name: str, n_items: int) -> Neighbours:
    """Read the neighbours of all items in one modality: item rows or -1, and their cosines."""
    arrays = map_tensors(folder.file(name))
    with checked_file(folder, name):
        items, cosines = arrays["items"], arrays["cosines"]
        require(items.dtype == np.int64 and cosines.dtype == np.float32, f"{items.dtype} and {cosines.dtype}")
        require(items.ndim == 2 and items.shape == cosines.shape, f"shapes {items.shape} and {cosines.shape}")
        require(len(items) == n_items, f"{len(items)} rows of neighbours for {n_items} items")
        require(in_range(items, -1, n_items), "a neighbour is not an item")
        require(in_range(cosines, -LARGEST_COSINE, LARGEST_COSINE), "a cosine is not in [-1, 1]")
        return Neighbours(items, cosines)


def flags(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return truth values after a check of their dtype and bytes. Raises ValueError."""
    require(values.dtype == np.bool_, f"truth values are {values.dtype}")
    require(np.asarray(values).view(np.uint8).max(initial=0) <= 1, "a truth value is neither 0 nor 1")
    return np.asarray(values)


def in_range(values: NDArray[Any], begin: float, end: float) -> bool:
    """Whether all values are in [begin, end), for integers, or in [begin, end], for floats. NaN is not."""
    if not values.size:
        return True
    low, high = values.min(), values.max()
    return bool(begin <= low and (high < end if values.dtype.kind in "iu" else high <= end))


def is_finite(values: NDArray[Any]) -> bool:
    """Whether no value of an array is NaN or infinite."""
    flat = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values.reshape(1, -1)
    return not values.size or first_non_finite(flat) is None
