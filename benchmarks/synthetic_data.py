"""Synthetic data with as many users, items and interactions, and as wide features, as Amazon Electronics.

    python -m benchmarks.synthetic_data FOLDER [--share 0.1]

writes interactions.parquet (user_id, item_id, split), image.npy float16 [n_items, 4096], text.npy float16
[n_items, 384] and item_ids.txt. Items belong to themes, and their popularity follows a power law. A user prefers a few
themes. Features are the direction of the theme plus noise. The data serve to measure speed and memory; NDCG on them has
no meaning for real data.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

CHUNK = 2048  # items whose features are drawn at a time


@dataclass(frozen=True)
class Sizes:
    """Sizes of the data. `n_interactions` counts all splits; about 74 % of the interactions are for training."""

    n_users: int = 192_403
    n_items: int = 63_001
    n_interactions: int = 1_689_188
    image_width: int = 4096
    text_width: int = 384
    n_themes: int = 400

    def scaled(self, share: float) -> Sizes:
        """Return the sizes with a share of the users, items, interactions and themes, and the same feature widths."""
        return Sizes(
            max(10, int(self.n_users * share)),
            max(10, int(self.n_items * share)),
            max(50, int(self.n_interactions * share)),
            self.image_width,
            self.text_width,
            max(2, int(self.n_themes * share)),
        )


def write_data(folder: Path, sizes: Sizes, seed: int = 0) -> None:
    """Write the files. The same sizes and seed give the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    themes = np.random.default_rng([seed, 0]).integers(0, sizes.n_themes, sizes.n_items)
    users, items = draw_interactions(sizes, themes, np.random.default_rng([seed, 1]))
    codes = np.random.default_rng([seed, 2]).choice(3, size=len(users), p=[0.74, 0.13, 0.13])
    is_first = np.concatenate([[True], users[1:] != users[:-1]])
    codes[is_first] = 0  # every user has at least one training interaction
    names = pl.Series(["train", "valid", "test"]).gather(pl.Series(codes))
    frame = pl.DataFrame({"user_id": users, "item_id": items}).with_columns(
        pl.format("u{}", "user_id").alias("user_id"), pl.format("i{}", "item_id").alias("item_id"), names.alias("split")
    )
    frame.write_parquet(folder / "interactions.parquet")
    (folder / "item_ids.txt").write_text("\n".join(f"i{row}" for row in range(sizes.n_items)) + "\n")
    for name, width, position in (("image", sizes.image_width, 3), ("text", sizes.text_width, 4)):
        _write_features(folder / f"{name}.npy", themes, sizes, width, np.random.default_rng([seed, position]))


def draw_interactions(
    sizes: Sizes, themes: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw `n_interactions` distinct (user, item) pairs, sorted by user, then item."""
    n_themes = int(themes.max()) + 1
    popularity = (np.arange(1, sizes.n_items + 1) ** -0.7)[generator.permutation(sizes.n_items)]
    by_theme = np.argsort(themes, kind="stable")
    ends = np.searchsorted(themes[by_theme], np.arange(n_themes + 1))
    weight = np.concatenate([[0.0], np.cumsum(popularity[by_theme])])
    activity = 3.0 + generator.lognormal(1.2, 1.0, sizes.n_users)
    favourites = generator.integers(0, n_themes, (sizes.n_users, 3))
    keys = np.zeros(0, np.int64)
    while len(keys) < sizes.n_interactions:  # repeated pairs are dropped, so draw until there are enough
        n = int((sizes.n_interactions - len(keys)) * 1.3) + 100
        users = generator.choice(sizes.n_users, n, p=activity / activity.sum())
        theme = favourites[users, generator.integers(0, 3, n)]
        begin, end = weight[ends[theme]], weight[ends[theme + 1]]
        anywhere = generator.random(n) < 0.2
        begin, end = np.where(anywhere, 0.0, begin), np.where(anywhere, weight[-1], end)
        position = np.searchsorted(weight, begin + (end - begin) * generator.random(n), side="right") - 1
        items = by_theme[np.minimum(position, sizes.n_items - 1)]
        keys = np.unique(np.concatenate([keys, users * sizes.n_items + items]))
    keys = np.sort(generator.permutation(keys)[: sizes.n_interactions])
    return keys // sizes.n_items, keys % sizes.n_items


def _write_features(
    path: Path, themes: NDArray[np.int64], sizes: Sizes, width: int, generator: np.random.Generator
) -> None:
    directions = generator.standard_normal((sizes.n_themes, width), dtype=np.float32)
    table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(sizes.n_items, width))
    for begin in range(0, sizes.n_items, CHUNK):
        rows = slice(begin, min(begin + CHUNK, sizes.n_items))
        noise = generator.standard_normal((rows.stop - rows.start, width), dtype=np.float32)
        table[rows] = (directions[themes[rows]] + 2 * noise).astype(np.float16)
    table.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the files of synthetic data.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="share of the users, items and interactions")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    write_data(arguments.folder, Sizes().scaled(arguments.share), arguments.seed)
