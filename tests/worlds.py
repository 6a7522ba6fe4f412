"""Small data sets for tests."""

from __future__ import annotations

import numpy as np

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.data.interactions import Interactions
from triptych.data.split import Split, split
from triptych.data.split_codes import TEST, VALIDATION
from triptych.data.vocabulary import Vocabulary


def random_dataset(
    seed: int = 0,
    *,
    n_users: int = 30,
    n_items: int = 25,
    density: float = 0.2,
    modalities: tuple[str, ...] = ("image", "text"),
) -> Dataset:
    """Return a data set of random interactions and features. The first item lacks the first modality."""
    generator = np.random.default_rng(seed)
    interacted = generator.random((n_users, n_items)) < density
    interacted[:, 0] = True
    users, items = np.nonzero(interacted)
    features = {}
    for position, modality in enumerate(modalities):
        present = np.ones(n_items, dtype=np.bool_)
        present[0] = position != 0
        table = generator.standard_normal((n_items, 6 + position)).astype(np.float32) * present[:, None]
        features[modality] = Features(modality, table, present)
    return Dataset(
        users=Vocabulary([f"u{row:02d}" for row in range(n_users)], noun="user"),
        items=Vocabulary([f"i{row:02d}" for row in range(n_items)]),
        interactions=Interactions.from_pairs(users.astype(np.int64), items.astype(np.int64), n_users, n_items),
        features=features,
    )


def random_split(seed: int = 0, modalities: tuple[str, ...] = ("image", "text")) -> Split:
    """Return a random data set, split at random."""
    return split(random_dataset(seed, modalities=modalities), "ratio", seed=seed)


def checkerboard(n_users: int = 24, n_items: int = 24) -> Split:
    """Return a split in which users interact with all items of their colour, and some of these are held out.

    Every user has one item for validation and one for test, so the test item must be ranked first. Features are the
    colour of an item, with a little noise.
    """
    generator = np.random.default_rng(5)
    same = (np.arange(n_users)[:, None] + np.arange(n_items)[None]) % 2 == 0
    users, items = (rows.astype(np.int64) for rows in np.nonzero(same))
    interactions = Interactions(users, items, n_users, n_items)
    n_per_colour = n_items // 2
    position = np.arange(len(users)) % n_per_colour
    codes = np.zeros(len(users), dtype=np.int8)
    codes[position == users // 2 % n_per_colour] = TEST
    codes[position == (users // 2 + 1) % n_per_colour] = VALIDATION
    colour = np.stack([np.arange(n_items) % 2, 1 - np.arange(n_items) % 2], axis=1).astype(np.float32)
    table = colour + 0.1 * generator.standard_normal((n_items, 2)).astype(np.float32)
    dataset = Dataset(
        users=Vocabulary([f"u{row}" for row in range(n_users)], noun="user"),
        items=Vocabulary([f"i{row}" for row in range(n_items)]),
        interactions=interactions,
        features={"image": Features("image", table, np.ones(n_items, dtype=np.bool_))},
        split_codes=codes,
    )
    return split(dataset, "given")
