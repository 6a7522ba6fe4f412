"""The codes of `Dataset.split_codes`: the split of an interaction, or its splits where people buy the same again.

Codes 0, 1, 2 are train, validation, test. A pair of user and item may be in several splits (`prepare --seen keep`);
then its code is 3 or more.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(len(SPLITS))
SPLITS_OF_CODE: tuple[tuple[int, ...], ...] = (
    (TRAIN,),
    (VALIDATION,),
    (TEST,),
    (TRAIN, VALIDATION),
    (TRAIN, TEST),
    (VALIDATION, TEST),
    (TRAIN, VALIDATION, TEST),
)
N_CODES = len(SPLITS_OF_CODE)
Seen = Literal["drop", "keep"]

_BITS = np.array([sum(1 << split for split in splits) for splits in SPLITS_OF_CODE], dtype=np.int8)
_CODES = np.full(1 << len(SPLITS), -1, dtype=np.int8)
_CODES[_BITS] = np.arange(N_CODES, dtype=np.int8)


def bits_of(codes: NDArray[np.integer]) -> NDArray[np.int8]:
    """Return int8 [n]: the splits of each code as a sum of 1 (train), 2 (validation) and 4 (test)."""
    return np.asarray(_BITS[codes])


def codes_of(bits: NDArray[np.integer]) -> NDArray[np.int8]:
    """Return int8 [n]: the code of each sum of bits, which is at least 1."""
    return np.asarray(_CODES[bits])


def in_split(codes: NDArray[np.integer], split: int) -> NDArray[np.bool_]:
    """Return bool [n]: which of the codes are in a split, alone or among others."""
    return (bits_of(codes) & (1 << split)).astype(np.bool_)


def earliest(codes: NDArray[np.integer]) -> NDArray[np.int8]:
    """Return int8 [n]: each code with only the first of its splits."""
    first = np.array([splits[0] for splits in SPLITS_OF_CODE], dtype=np.int8)
    return np.asarray(first[codes])
