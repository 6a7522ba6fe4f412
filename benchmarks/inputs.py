"""Inputs of the benchmarks: synthetic training data, written once into a folder.

    python -m benchmarks.inputs FOLDER [--share 1.0]

The interactions are drawn as in `benchmarks.synthetic_data`, in the number of its training interactions. The features
are random: the time of a step does not depend on their values. Only the first rows of a larger table are used.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic_data import CHUNK, Sizes, draw_interactions
from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.data.interactions import Interactions
from triptych.data.neighbours import Neighbours
from triptych.data.vocabulary import Vocabulary

TRAINING_SHARE = 0.74  # of all interactions


@dataclass(frozen=True)
class Inputs:
    """The paths of the input files for data of these sizes. `n_interactions` counts training interactions only."""

    folder: Path
    sizes: Sizes

    @property
    def interactions(self) -> Path:
        sizes = self.sizes
        return self.folder / f"pairs-{sizes.n_users}x{sizes.n_items}x{sizes.n_interactions}.npy"

    def features(self, modality: str) -> Path:
        """The feature table of a modality, with at least `n_items` rows."""
        return self.folder / f"{modality}-features.npy"

    @property
    def widths(self) -> dict[str, int]:
        return {"image": self.sizes.image_width, "text": self.sizes.text_width}


def training_sizes(share: float = 1.0) -> Sizes:
    """Return the sizes of the training data for a share of the full scale."""
    sizes = Sizes().scaled(share)
    return replace(sizes, n_interactions=int(sizes.n_interactions * TRAINING_SHARE))


def write_inputs(inputs: Inputs, seed: int = 0) -> None:
    """Write the files that do not exist yet."""
    inputs.folder.mkdir(parents=True, exist_ok=True)
    sizes = inputs.sizes
    if not inputs.interactions.exists():
        themes = np.random.default_rng([seed, 0]).integers(0, sizes.n_themes, sizes.n_items)
        pairs = draw_interactions(sizes, themes, np.random.default_rng([seed, 1]))
        _save(inputs.interactions, np.stack(pairs))
    for position, (modality, width) in enumerate(inputs.widths.items()):
        path = inputs.features(modality)
        if not path.exists() or len(np.load(path, mmap_mode="r")) < sizes.n_items:
            generator = np.random.default_rng([seed, 3 + position])
            _write_random_features(path, sizes.n_items, width, generator)


def open_inputs(inputs: Inputs, *, neighbours: int = 0) -> Dataset:
    """Return the inputs as a data set with memory-mapped features.

    neighbours: the number of random neighbours per item and modality. A product with the item graph takes as long as
    with the true neighbours, which would take minutes to find.
    """
    sizes = inputs.sizes
    users, items = np.load(inputs.interactions)
    present = np.ones(sizes.n_items, dtype=np.bool_)
    features = {
        modality: Features(modality, np.load(inputs.features(modality), mmap_mode="r")[: sizes.n_items], present)
        for modality in inputs.widths
    }
    return Dataset(
        users=Vocabulary([f"u{row}" for row in range(sizes.n_users)], noun="user"),
        items=Vocabulary([f"i{row}" for row in range(sizes.n_items)]),
        interactions=Interactions(users, items, sizes.n_users, sizes.n_items),
        features=features,
        neighbours={
            modality: _random_neighbours(sizes.n_items, neighbours, np.random.default_rng([7, position]))
            for position, modality in enumerate(features if neighbours else ())
        },
    )


def _random_neighbours(n_items: int, k: int, generator: np.random.Generator) -> Neighbours:
    """k distinct neighbours per item, the first of which is the item itself."""
    distances = np.stack([generator.choice(n_items - 1, k - 1, replace=False) + 1 for _ in range(64)])
    rows = np.arange(n_items, dtype=np.int64)[:, None]
    items = np.concatenate([rows, (rows + distances[rows[:, 0] % 64]) % n_items], axis=1)
    return Neighbours(items, np.full(items.shape, 0.5, dtype=np.float32))


def _write_random_features(path: Path, n_rows: int, width: int, generator: np.random.Generator) -> None:
    temporary = path.with_name(f"{path.name}.writing")
    table = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=(n_rows, width))
    for begin in range(0, n_rows, CHUNK):
        rows = table[begin : begin + CHUNK]
        rows[...] = generator.standard_normal(rows.shape, dtype=np.float32)
    table.flush()
    temporary.replace(path)


def _save(path: Path, array: NDArray[np.int64]) -> None:
    temporary = path.with_name(f"{path.stem}.writing.npy")
    np.save(temporary, array)
    temporary.replace(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the inputs of the benchmarks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="share of the users, items and interactions")
    arguments = parser.parse_args()
    write_inputs(Inputs(arguments.folder, training_sizes(arguments.share)))
