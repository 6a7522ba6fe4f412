"""What is left out of lists: all that a user is known to have, or the items of some splits only, as `evaluate` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.split import Split, fitted_on
from triptych.errors import InputError, SettingsError
from triptych.ranking.protocol import EvaluationProtocol, Exclude

HELD_OUT_TOO = "all known items, those of validation and test too"


def check_exclude(exclude: Exclude | None, include_seen: bool | None) -> None:
    """Raise SettingsError for an unknown choice, or if seen items are included and excluded."""
    if exclude is None:
        return
    EvaluationProtocol(exclude=exclude)
    if include_seen:
        raise SettingsError("seen items are included and excluded", hint="leave out include_seen, or exclude")


def known_interactions(dataset: Dataset, about: Mapping[str, Any], exclude: Exclude | None) -> Interactions:
    """Return what counts as known when lists are made: popular items are those with most of these interactions.

    exclude: None for all interactions, or the splits that `evaluate` leaves out. about: the description of the model.
    Raises InputError if the data set has no split, or if the model was fitted on all interactions.
    """
    if exclude is None:
        return dataset.interactions
    if fitted_on(about) == "all":
        raise InputError(
            f"the model was fitted on all interactions: lists without the items of {exclude} alone would say nothing",
            where="exclude",
            hint="leave exclude out, or recommend by the run that was fitted on train",
        )
    split = Split.from_dataset(dataset)
    train = split.train.interactions
    return train if exclude == "train" else train.union(split.validation)


def left_out(
    dataset: Dataset, known: Interactions, exclude: Exclude | None, include_seen: bool | None
) -> Interactions | None:
    """Return what is left out of the lists, or None. known: see `known_interactions`.

    include_seen: None leaves nothing out if the data set keeps seen items and no splits are named by `exclude`.
    """
    keeps = dataset.keeps_seen and exclude is None if include_seen is None else include_seen
    return None if keeps else known


def left_out_text(dataset: Dataset, exclude: Exclude | None, include_seen: bool | None) -> str:
    """Return what is left out of the lists as text; "" for nothing."""
    if exclude is not None:
        return EvaluationProtocol(exclude=exclude).excluded
    if dataset.keeps_seen if include_seen is None else include_seen:
        return ""
    held_out = dataset.split_codes is not None and dataset.split_codes.any()
    return HELD_OUT_TOO if held_out else "all known items"
