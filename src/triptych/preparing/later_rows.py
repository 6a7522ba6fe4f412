"""Keep what came after the moment of a split out of the weights of training pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from triptych.data.dataset import Dataset
from triptych.data.row_splits import How
from triptych.data.split_codes import TRAIN, in_split


def without_later_rows(dataset: Dataset, repeats: pl.DataFrame | None, how: How, name: str) -> Dataset:
    """Return the data set in which the weights of training pairs count no row from the time of held-out pairs on.

    A pair that comes again is split by its earliest row, and its weight is the sum of all rows. After a split by time,
    or leave-one-out, rows of a training pair that are not before the first held-out interaction (of all users, or of
    the user) are taken out of that sum, and a note in `about["notes"]` counts them. repeats: see `Cleaned`. name: of
    the log.
    """
    codes, times, weights = dataset.split_codes, dataset.times, dataset.weights
    if repeats is None or how not in ("time", "leave-one-out") or codes is None or times is None or weights is None:
        return dataset
    pairs, train = dataset.interactions, in_split(codes, TRAIN)
    ends = np.full(dataset.n_users, np.inf)
    np.minimum.at(ends, pairs.users[~train], times[~train])
    if how == "time" and len(ends):
        ends[:] = ends.min()
    users, items = dataset.users.find(repeats["user_id"]), dataset.items.find(repeats["item_id"])
    moments = repeats["time"].to_numpy()
    pair = np.searchsorted(pairs.keys, users.astype(np.int64) * dataset.n_items + items)
    pair[(users < 0) | (items < 0) | (pair == len(pairs))] = 0
    of_train = (pairs.users[pair] == users) & (pairs.items[pair] == items) & train[pair]  # others left in a k-core
    too_late = of_train & (moments >= ends[users]) & (moments > times[pair])
    if not too_late.any():
        return dataset
    counted = of_train & ~too_late
    sums = np.bincount(pair[counted], repeats["weight"].to_numpy()[counted], len(pairs))
    changed = np.unique(pair[too_late])
    weights = weights.copy()
    weights[changed] = sums[changed]
    note = (
        f"{name}: {int(too_late.sum()):,} repeated rows of training pairs are not before the held-out interactions; "
        "they do not count in the weights"
    )
    notes = [*dataset.about.get("notes", []), note]
    return replace(dataset, weights=weights, about={**dataset.about, "notes": notes})
