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
from triptych.seeds import Purpose, numpy_generator


def drop_modality(
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
    shares_by_name = _parse(shares, [stream.modality for stream in streams])
    order = numpy_generator(seed, Purpose.DROP_MODALITY).permutation(dataset.n_items)
    lost = {name: np.zeros(dataset.n_items, dtype=np.bool_) for name in shares_by_name}
    for name, share in shares_by_name.items():
        lost[name][order[: round(share * dataset.n_items)]] = True
    return (
        replace(dataset, about={**dataset.about, "dropped_modalities": shares_by_name}),
        [_thinned(stream, lost[stream.modality]) if stream.modality in lost else stream for stream in streams],
        {name: _between(near, ~lost[name]) if name in lost else near for name, near in neighbours.items()},
    )


def _parse(shares: Sequence[str], modalities: Sequence[str]) -> dict[str, float]:
    asked: dict[str, float] = {}
    for each in shares:
        name, _, value = each.partition("=")
        if name in asked:
            raise SettingsError(f'"{name}" is taken away twice', hint="name it once")
        if name not in modalities:
            raise SettingsError(f'no modality "{name}" to take away', hint=did_you_mean(name, modalities))
        try:
            asked[name] = float(value)
        except ValueError:
            asked[name] = -1.0
        if not 0 <= asked[name] <= 1:
            raise SettingsError(f'"{each}" is not MODALITY=SHARE', hint="write for example image=0.25")
    return asked


def _thinned(stream: FeatureStream, lost: NDArray[np.bool_]) -> FeatureStream:
    def rows(items: slice) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        values, present = stream.rows(items)
        return values, present & ~lost[items]

    return replace(stream, rows=rows, provenance={**stream.provenance, "dropped": int(lost.sum())})


def _between(near: Neighbours, kept: NDArray[np.bool_]) -> Neighbours:
    """The neighbours among the items that are kept, bool [n_items]."""
    return near.where((near.items >= 0) & kept[near.items] & kept[:, None])
