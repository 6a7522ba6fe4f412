"""Data sets: vocabularies, interactions and features; check, save and open them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych import forks
from triptych.artefacts import OpenFolder, json_bytes, read_folder, write_tensor_stream, write_tensors, writing_folder
from triptych.bars import shows_progress
from triptych.data.cards import card_of_dataset
from triptych.data.features import Features, FeatureStream
from triptych.data.id_types import stored_types
from triptych.data.interactions import Interactions
from triptych.data.neighbours import Neighbours
from triptych.data.parquet import write_parquet
from triptych.data.stored import (
    ID_TYPES,
    USER_FEATURES,
    check_modalities,
    read_features,
    read_ids,
    read_log,
    read_stored_neighbours,
)
from triptych.data.vocabulary import Vocabulary
from triptych.display import displayed
from triptych.errors import InputError, UnknownIdError, did_you_mean
from triptych.progress import Listener, automatic_progress, ignore_progress, track

KIND = "data set"


@displayed(card_of_dataset)
@dataclass(frozen=True)
class Dataset:
    """Users, items, their interactions, and the features of the items and of the users.

    interactions: pairs of rows of `users` and `items`. features: modality -> Features, row i = item i. neighbours:
    modality -> Neighbours, for modalities whose neighbours were given; for other modalities, models compute them from
    the features. item_table: descriptive columns of the items (title, …) for readable lists; row i = item i.
    user_features, user_table: the same for the users, row u = user u. times:
    float64 [n] or None, the time of each interaction (seconds, or any other number that grows with time). weights:
    float64 [n] or None, how much each interaction counts, more than 0; None if all count the same. The training data of
    a `Split` have weights whose mean is 1. split_codes: int8 [n] or None, the split, or splits, of each interaction:
    `data/split_codes.py` lists the codes. about: the origin of the data (sources, cleaning, split), for the manifest
    and for reports. fingerprint: the checksum of the folder that the data set was opened from, or None. Raises
    InputError if sizes do not agree.
    """

    users: Vocabulary
    items: Vocabulary
    interactions: Interactions
    features: Mapping[str, Features] = field(default_factory=dict)
    neighbours: Mapping[str, Neighbours] = field(default_factory=dict)
    item_table: pl.DataFrame | None = None
    times: NDArray[np.float64] | None = None
    split_codes: NDArray[np.int8] | None = None
    weights: NDArray[np.float64] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    user_features: Mapping[str, Features] = field(default_factory=dict)
    user_table: pl.DataFrame | None = None

    def __post_init__(self) -> None:
        sizes = (self.interactions.n_users, self.interactions.n_items)
        if sizes != (len(self.users), len(self.items)):
            raise InputError(
                f"the interactions are over {sizes[0]} users and {sizes[1]} items, "
                f"but the vocabularies have {len(self.users)} users and {len(self.items)} items"
            )
        for noun, n, described, table in (
            ("item", self.n_items, self.features, self.item_table),
            ("user", self.n_users, self.user_features, self.user_table),
        ):
            for modality, features in described.items():
                if features.n_items != n:
                    raise InputError(
                        f"{features.n_items} rows of features for {n} {noun}s",
                        where=f'modality "{modality}"',
                        hint=f"give one row per {noun}",
                    )
            if table is not None and len(table) != n:
                article = "an" if noun == "item" else "a"
                raise InputError(f"{article} {noun} table of {len(table)} rows for {n} {noun}s")
        for modality, neighbours in self.neighbours.items():
            if modality not in self.features or len(neighbours.items) != self.n_items:
                raise InputError(
                    f"{len(neighbours.items)} rows of neighbours for {self.n_items} items, or no features",
                    where=f'modality "{modality}"',
                    hint="give one row per item, and the features of the modality too",
                )
        for name, column in (("times", self.times), ("split codes", self.split_codes), ("weights", self.weights)):
            if column is not None and len(column) != len(self.interactions):
                raise InputError(f"{len(column)} {name} for {len(self.interactions)} interactions")

    @property
    def n_users(self) -> int:
        return len(self.users)

    @property
    def n_items(self) -> int:
        return len(self.items)

    @property
    def keeps_seen(self) -> bool:
        """Whether people buy the same again: held-out pairs may be in train too, and lists keep the seen items."""
        return self.about.get("seen") == "keep"

    def with_modalities(self, modalities: list[str] | None) -> Dataset:
        """Return the data set with only these modalities; None keeps all. Raises UnknownIdError for an unknown one."""
        if modalities is None:
            return self
        for modality in modalities:
            if modality not in self.features:
                raise UnknownIdError(f'no modality "{modality}"', hint=did_you_mean(modality, self.features))
        return replace(
            self,
            features={modality: self.features[modality] for modality in modalities},
            neighbours={name: each for name, each in self.neighbours.items() if name in modalities},
        )

    def with_user_modalities(self, modalities: Iterable[str]) -> Dataset:
        """Return the data set with only these modalities of the users. Raises UnknownIdError for an unknown one."""
        for modality in modalities:
            if modality not in self.user_features:
                hint = did_you_mean(modality, self.user_features)
                raise UnknownIdError(f'no modality "{modality}" of users', hint=hint)
        return replace(self, user_features={modality: self.user_features[modality] for modality in modalities})

    @shows_progress
    def save(self, path: Path | str, *, overwrite: bool = False, listener: Listener = automatic_progress) -> None:
        """Write a folder that `open_dataset` opens, atomically.

        Raises ArtefactError if `path` exists and `overwrite` is false.
        """
        streams = [FeatureStream.from_features(features) for features in self.features.values()]
        save_dataset(self, self.neighbours, streams, Path(path), overwrite=overwrite, listener=listener)


def save_dataset(
    dataset: Dataset,
    neighbours: Mapping[str, Neighbours],
    streams: list[FeatureStream],
    path: Path,
    *,
    user_streams: Sequence[FeatureStream] | None = None,
    overwrite: bool = False,
    listener: Listener = ignore_progress,
) -> None:
    """Write a data set whose features are streams, so that no feature table has to fit in memory.

    user_streams: the features of the users; None: those of the data set. Raises ArtefactError if `path` exists and
    `overwrite` is false, InputError if a stream finds a bad value. On an error nothing is written.
    """
    modalities: dict[str, Any] = {}
    user_modalities: dict[str, Any] = {}
    if user_streams is None:
        user_streams = [FeatureStream.from_features(features) for features in dataset.user_features.values()]
    about = {
        **dataset.about,
        **id_types_of(dataset),
        "n_users": dataset.n_users,
        "n_items": dataset.n_items,
        "n_interactions": len(dataset.interactions),
        "modalities": modalities,
        **({"user_modalities": user_modalities} if user_streams else {}),
    }
    with writing_folder(path, KIND, about, overwrite=overwrite) as folder:
        save_tables(dataset, folder)
        for stream in streams:
            modalities[stream.modality] = _save_features(folder / "features", stream, listener)
        for stream in user_streams:
            user_modalities[stream.modality] = _save_features(folder / USER_FEATURES, stream, listener)
        for modality, nearest in neighbours.items():
            arrays: dict[str, NDArray[Any]] = {"items": nearest.items, "cosines": nearest.cosines}
            write_tensors(folder / f"{modality}.neighbours.safetensors", arrays)


def id_types_of(dataset: Dataset) -> dict[str, Any]:
    """Return what a manifest says about the types of the ids; nothing if they are texts."""
    types = stored_types({"user": dataset.users.id_type, "item": dataset.items.id_type})
    return {ID_TYPES: types} if types else {}


def parse_modalities(text: str) -> list[str]:
    """Parse a command line's list of modalities: names separated by commas, or "none" for an empty list."""
    return [] if text == "none" else [name.strip() for name in text.split(",")]


@shows_progress
def open_dataset(path: Path | str, listener: Listener = automatic_progress) -> Dataset:
    """Open a folder that `Dataset.save` or `triptych prepare` wrote; feature tables are memory-mapped.

    Every file is compared with its checksum, once per process. Raises ArtefactError if the folder is missing, damaged
    or of another kind.
    """
    return read_folder(Path(path), KIND, _read_dataset, listener)


def save_tables(dataset: Dataset, folder: Path) -> None:
    """Write users, items and interactions (with times and split) as Parquet files into a folder; no features."""
    forks.require_polars("writing a data set or a model")
    for noun, ids, described in (
        ("user", dataset.users.ids, dataset.user_table),
        ("item", dataset.items.ids, dataset.item_table),
    ):
        table = ids.alias(f"{noun}_id").to_frame()
        if described is not None:
            table = table.hstack(described.drop(f"{noun}_id", strict=False))
        write_parquet(table, folder / f"{noun}s.parquet")
    columns: dict[str, Any] = {"user": dataset.interactions.users, "item": dataset.interactions.items}
    if dataset.times is not None:
        columns["time"] = dataset.times
    if dataset.weights is not None:
        columns["weight"] = dataset.weights
    if dataset.split_codes is not None:
        columns["split"] = dataset.split_codes
    write_parquet(pl.DataFrame(columns), folder / "interactions.parquet")


def _read_dataset(folder: OpenFolder) -> Dataset:
    dataset = read_tables(folder)
    features, neighbours = {}, {}
    for modality, each in check_modalities(folder).items():
        features[modality] = read_features(folder, modality, each["provenance"], dataset.n_items)
        if folder.has(f"{modality}.neighbours.safetensors"):
            neighbours[modality] = read_stored_neighbours(folder, f"{modality}.neighbours.safetensors", dataset.n_items)
    user_features = {
        modality: read_features(folder, modality, each["provenance"], dataset.n_users, "user")
        for modality, each in check_modalities(folder, "user_modalities").items()
    }
    about = {
        name: value
        for name, value in folder.manifest.about.items()
        if not name.endswith("modalities") and name != ID_TYPES
    }
    return replace(
        dataset,
        features=features,
        neighbours=neighbours,
        user_features=user_features,
        about=about,
        fingerprint=folder.manifest.fingerprint,
    )


def read_tables(folder: OpenFolder) -> Dataset:
    """Read the files of `save_tables` into a data set without features. Raises ArtefactError if one is damaged."""
    users, user_table = read_ids(folder, "users.parquet", "user")
    items, item_table = read_ids(folder, "items.parquet", "item")
    log = read_log(folder, len(users), len(items))
    return Dataset(
        users,
        items,
        log.interactions,
        item_table=item_table,
        times=log.times,
        split_codes=log.split_codes,
        weights=log.weights,
        user_table=user_table if user_table.width > 1 else None,
    )


def _save_features(folder: Path, stream: FeatureStream, listener: Listener) -> dict[str, Any]:
    """Write the features and the encoder of one modality. Returns its description for the manifest."""
    folder.mkdir(exist_ok=True)
    code = {"float16": "F16", "float32": "F32", "float64": "F64"}[str(stream.dtype)]
    shapes = {"table": (code, (stream.n_items, stream.width)), "present": ("BOOL", (stream.n_items,))}
    present = np.zeros(stream.n_items, dtype=np.bool_)

    def rows() -> Iterator[NDArray[Any]]:
        for items in track(f"writing {stream.modality} features", stream.chunks(), listener):
            values, has_modality = stream.rows(items)
            present[items] = has_modality
            yield values if has_modality.all() else np.where(has_modality[:, None], values, 0)

    pieces = {"table": rows(), "present": [present]}  # `present` is filled while the table is written
    write_tensor_stream(folder / f"{stream.modality}.safetensors", shapes, pieces)
    if stream.encoder is not None:
        (folder / f"{stream.modality}.encoder.json").write_bytes(json_bytes(stream.encoder))
    return {
        "width": stream.width,
        "dtype": str(stream.dtype),
        "missing": int((~present).sum()),
        "provenance": dict(stream.provenance),
    }
