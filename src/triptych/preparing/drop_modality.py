"""Drop modalities for a share of the items, to study the effect of missing modalities."""

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
    """Return data set, features and neighbours with modalities dropped for a share of the items.

    shares: ["image=0.25", …]. The items are the first ones of a single random order. So the items of a larger share
    include those of a smaller one, and several modalities are dropped for the same items. Given neighbours are dropped
    with the features: those of the items, and those that point to the items. Raises SettingsError.
    """
    shares_by_name = _parse_shares(shares, [stream.modality for stream in streams])
    order = numpy_generator(seed, Purpose.DROP_MODALITY).permutation(dataset.n_items)
    dropped = {name: np.zeros(dataset.n_items, dtype=np.bool_) for name in shares_by_name}
    for name, share in shares_by_name.items():
        dropped[name][order[: round(share * dataset.n_items)]] = True
    return (
        replace(dataset, about={**dataset.about, "dropped_modalities": shares_by_name}),
        [
            _drop_features(stream, dropped[stream.modality]) if stream.modality in dropped else stream
            for stream in streams
        ],
        {name: _drop_neighbours(each, dropped[name]) if name in dropped else each for name, each in neighbours.items()},
    )


def check_shares(entries: Sequence[str]) -> dict[str, float]:
    """Parse MODALITY=SHARE entries, whatever the modalities are. Raises SettingsError."""
    shares: dict[str, float] = {}
    for entry in entries:
        name, _, value = entry.partition("=")
        if name in shares:
            raise SettingsError(f'modality "{name}" is dropped twice', hint="name it once")
        try:
            shares[name] = float(value)
        except ValueError:
            shares[name] = -1.0
        if not 0 <= shares[name] <= 1:
            raise SettingsError(f'"{entry}" is not MODALITY=SHARE', hint="write for example image=0.25")
    return shares


def _parse_shares(entries: Sequence[str], modalities: Sequence[str]) -> dict[str, float]:
    """Parse MODALITY=SHARE entries of known modalities. Raises SettingsError."""
    shares = check_shares(entries)
    for name in shares:
        if name not in modalities:
            raise SettingsError(f'no modality "{name}" to drop', hint=did_you_mean(name, modalities))
    return shares


def _drop_features(stream: FeatureStream, dropped: NDArray[np.bool_]) -> FeatureStream:
    """Return the stream without the features of the items where `dropped`, bool [n_items], is true."""

    def rows(items: slice) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        values, present = stream.rows(items)
        return values, present & ~dropped[items]

    return replace(stream, rows=rows, provenance={**stream.provenance, "dropped": int(dropped.sum())})


def _drop_neighbours(neighbours: Neighbours, dropped: NDArray[np.bool_]) -> Neighbours:
    """Return the neighbours among the items where `dropped`, bool [n_items], is false."""
    kept = ~dropped
    return neighbours.filter((neighbours.items >= 0) & kept[neighbours.items] & kept[:, None])
