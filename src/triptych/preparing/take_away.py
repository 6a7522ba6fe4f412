"""Modalities taken away from a share of the items: what a study of missing ones is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.data.dataset import Dataset
from triptych.data.features import FeatureStream
from triptych.data.neighbours import Neighbours
from triptych.errors import SettingsError, did_you_mean


def take_away(
    dataset: Dataset,
    streams: Sequence[FeatureStream],
    neighbours: Mapping[str, Neighbours],
    shares: Sequence[str],
    seed: int,
) -> tuple[Dataset, list[FeatureStream], dict[str, Neighbours]]:
    """The same, of which a share of the items lacks a modality. shares: ["image=0.25", …].

    The items are the first of one random order, so larger shares hold the smaller ones, and of several modalities the
    same items lose them. Given neighbours go with the features, on both sides. Raises SettingsError.
    """
    asked = _read(shares, [stream.modality for stream in streams])
    order = np.random.default_rng([seed, 5]).permutation(dataset.n_items)
    lost = {name: np.zeros(dataset.n_items, dtype=np.bool_) for name in asked}
    for name, share in asked.items():
        lost[name][order[: round(share * dataset.n_items)]] = True
    return (
        replace(dataset, about={**dataset.about, "without": asked}),
        [_thinned(stream, lost[stream.modality]) if stream.modality in lost else stream for stream in streams],
        {name: _between(near, ~lost[name]) if name in lost else near for name, near in neighbours.items()},
    )


def _read(shares: Sequence[str], modalities: Sequence[str]) -> dict[str, float]:
    asked: dict[str, float] = {}
    for each in shares:
        name, _, value = each.partition("=")
        if name in asked:
            raise SettingsError(f'"{name}" is taken away twice', mend="name it once")
        if name not in modalities:
            raise SettingsError(f'no modality "{name}" to take away', mend=did_you_mean(name, modalities))
        try:
            asked[name] = float(value)
        except ValueError:
            asked[name] = -1.0
        if not 0 <= asked[name] <= 1:
            raise SettingsError(f'"{each}" is not MODALITY=SHARE', mend="write for example image=0.25")
    return asked


def _thinned(stream: FeatureStream, lost: NDArray[np.bool_]) -> FeatureStream:
    def rows(items: slice) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        values, present = stream.rows(items)
        return values, present & ~lost[items]

    return replace(stream, rows=rows, provenance={**stream.provenance, "taken away": int(lost.sum())})


def _between(near: Neighbours, kept: NDArray[np.bool_]) -> Neighbours:
    """The neighbours among the items that are kept, bool [n_items]."""
    return near.where((near.items >= 0) & kept[near.items] & kept[:, None])
