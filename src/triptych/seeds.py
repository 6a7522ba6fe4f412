"""All randomness comes from one seed: a generator per purpose, so that one use never changes another."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """The uses of randomness. The values are part of every result: they never change."""

    RESTORE = 0
    RATIO_SPLIT = 1
    LEAVE_ONE_OUT = 2
    COLD_ITEMS = 3
    NEW_USERS = 4
    DROP_MODALITY = 5
    COLD_USERS = 6
    INITIALISATION = 10
    BATCH_ORDER = 11
    NEGATIVES = 12
    LOSS = 13
    EPOCH = 14


def numpy_generator(seed: int, purpose: Purpose, *path: int) -> np.random.Generator:
    """Return numpy's generator for one purpose. path: where in the run, for example (epoch, step)."""
    return np.random.default_rng([seed, int(purpose), *path])


def torch_seed(seed: int, purpose: Purpose, *path: int) -> int:
    """Return the seed of torch's generator for one purpose, in [0, 2⁶³)."""
    state = np.random.SeedSequence([seed, int(purpose), *path]).generate_state(1, np.uint64)[0]
    return int(state >> np.uint64(1))
