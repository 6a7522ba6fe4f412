"""Change files of an artefact and make its manifest honest again: no checksum finds such a change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import save

from triptych.artefacts.manifest import MANIFEST, write_manifest
from triptych.artefacts.tensors import map_tensors
from triptych.data.dataset import Dataset, save_dataset
from triptych.data.features import Features, FeatureStream
from triptych.data.neighbours import Neighbours
from triptych.ranking.outside_scores import recommender_from_scores
from triptych.studies.blend import weighted_blend
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_split

Arrays = dict[str, NDArray[Any]]


def forge(
    folder: Path, change: Callable[[Path], None], about: Callable[[dict[str, Any]], object] | None = None
) -> None:
    """Change the files of a folder, or what its manifest says about it, and write a manifest that fits."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    change(folder)
    if about is not None:
        about(manifest["about"])
    (folder / MANIFEST).unlink()
    write_manifest(folder, manifest["kind"], manifest["about"])


def forge_tensors(folder: Path, name: str, change: Callable[[Arrays], object]) -> None:
    """Change the arrays of one file."""

    def rewrite(copy: Path) -> None:
        arrays = {key: np.array(value) for key, value in map_tensors(copy / name).items()}
        change(arrays)
        (copy / name).write_bytes(save(arrays))

    forge(folder, rewrite)


def forge_table(folder: Path, name: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change a Parquet table."""
    forge(folder, lambda copy: change(pl.read_parquet(copy / name, glob=False)).write_parquet(copy / name))


def copied(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target


def write_file(name: str, content: bytes) -> Callable[[Path], None]:
    """Return a change that writes one file."""

    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def write_originals(folder: Path) -> Path:
    """Write a data set with everything that one can have, and a recommender of every shape."""
    split = random_split()
    train = split.train
    neighbours = Neighbours(
        np.random.default_rng(0).integers(-1, train.n_items, (train.n_items, 3)),
        np.zeros((train.n_items, 3), np.float32),
    )
    n = len(train.interactions)
    whole = Dataset(
        train.users,
        train.items,
        train.interactions,
        times=np.arange(n, dtype=np.float64),
        split_codes=np.zeros(n, np.int8),
    )
    streams = [FeatureStream.from_features(features) for features in train.features.values()]
    age = Features("age", np.ones((train.n_users, 2), np.float32), np.ones(train.n_users, np.bool_))
    of_users = [FeatureStream.from_features(age)]
    save_dataset(whole, {"image": neighbours}, streams, folder / "data", user_streams=of_users)
    settings: dict[str, dict[str, object]] = {"bpr": {"embedding_size": 4}, "ease": {}, "item-knn": {}}
    models = {name: fit(name, split, each, TrainingSettings(epochs=1)) for name, each in settings.items()}
    with_age = replace(split, train=replace(train, user_features={"age": age}))
    models["lightgcn"] = fit("lightgcn", with_age, {"embedding_size": 4}, TrainingSettings(epochs=1))
    for name, model in models.items():
        model.save(folder / name)
    weighted_blend([models["bpr"], models["item-knn"]], (0.5, 0.5)).save(folder / "blend")
    scores = recommender_from_scores(
        {f"u{n:02d}": {f"i{n % 25:02d}": 1.5, "i07": 2.5} for n in range(25)}, models["bpr"].dataset
    )
    weighted_blend([models["bpr"], scores], (0.5, 0.5)).save(folder / "scores")
    return folder
