"""Split a cleaned log: as its files or column say, or by a method; and say what happened to pairs in several splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.dataset import Dataset
from triptych.data.formats.log import Log
from triptych.data.row_splits import How, Rows, describe_split, exact_shares, split_rows
from triptych.data.split import assign_split
from triptych.data.split_codes import (
    SPLITS,
    SPLITS_OF_CODE,
    TEST,
    TRAIN,
    VALIDATION,
    bits_of,
    codes_of,
    earliest,
    in_split,
)
from triptych.data.vocabulary import Vocabulary
from triptych.errors import SettingsError, argument
from triptych.preparing.settings import PrepareSettings

AGAIN = f"if people buy again, pass {argument(seen='keep')}"


def chosen_split(log: Log, settings: PrepareSettings) -> How:
    """Return the method of splitting: "auto" is the given split if there is one, otherwise a ratio.

    Raises SettingsError for a method that contradicts files for train, validation and test.
    """
    if settings.split == "auto":
        return "given" if log.has("split") else "ratio"
    if log.split_by_files and settings.split != "given":
        if log.has("split") and (log.frame["split"] == VALIDATION).any():
            raise SettingsError(
                f"{argument(split=settings.split)}, but train, validation and test are given as files",
                hint="leave it out",
            )
        if settings.split == "cold-items":
            raise SettingsError(
                f"{argument(split='cold-items')} chooses the test, but it is given as a file", hint="leave one out"
            )
    return settings.split


def row_splitter(log: Log, settings: PrepareSettings) -> Callable[[pl.DataFrame], pl.Series] | None:
    """Return a function that splits the rows of a log before repeated ones are dropped, for `--seen keep`.

    Then a pair that comes again may be in several splits. None: distinct pairs are split, after cleaning.
    """
    how = chosen_split(log, settings)
    if settings.seen == "drop" or how in ("given", "cold-items") or log.split_by_files:
        return None

    def split(frame: pl.DataFrame) -> pl.Series:
        users, items = (Vocabulary(frame[name].unique(maintain_order=True)) for name in ("user_id", "item_id"))
        times = frame["time"].to_numpy() if "time" in frame.columns and not frame["time"].null_count() else None
        rows = Rows(users.find(frame["user_id"]), items.find(frame["item_id"]), len(items), times)
        return pl.Series(split_rows(rows, how, exact_shares(settings.shares), settings.seed))

    return split


def split_dataset(dataset: Dataset, log: Log, settings: PrepareSettings) -> Dataset:
    """Return the data set with its split, and with notes about the split in `about["notes"]`.

    dataset: with the split codes of the cleaned log, if it has any. log: as it was read. Raises SettingsError,
    InputError.
    """
    how, notes = chosen_split(log, settings), []
    about = {**dataset.about, **({"seen": "keep"} if settings.seen == "keep" else {})}
    dataset = replace(dataset, about=about)
    codes = dataset.split_codes
    if codes is not None and settings.seen == "drop":
        notes += _notes_on_repeats(log, codes)
        codes = earliest(codes)
        dataset = replace(dataset, split_codes=codes)
    if codes is None or (log.has("split") and how != "given" and not log.split_by_files):
        split = assign_split(dataset, how, ratios=settings.shares, seed=settings.seed)
    elif not log.has("split"):  # its rows were split by `row_splitter`
        shares = exact_shares(settings.shares)
        text = describe_split(how, shares, settings.seed, has_times=dataset.times is not None)
        split = _described(dataset, codes, f"{text}; what is bought again may be in several splits")
    elif _lacks_validation(log, settings):
        split, note = _with_validation_from_train(dataset, codes, "ratio" if how == "given" else how, log, settings)
        notes.append(note)
    else:
        split = _described(dataset, codes, "as given")
    assert split.split_codes is not None
    if log.has("split") and (how == "given" or log.split_by_files):
        notes += _notes_on_empty(log, split.split_codes)
    return replace(split, about={**split.about, "notes": [*split.about["notes"], *notes]})


def _described(dataset: Dataset, codes: NDArray[np.int8], text: str) -> Dataset:
    return replace(dataset, split_codes=codes, about={**dataset.about, "split": text})


def _lacks_validation(log: Log, settings: PrepareSettings) -> bool:
    """Return whether a given split has test rows but no validation rows, and validation is not declined."""
    given = log.frame["split"]
    wanted = settings.split != "given" and settings.validation_share > 0
    return wanted and not (given == VALIDATION).any() and bool((given == TEST).any())


def _with_validation_from_train(
    dataset: Dataset, codes: NDArray[np.int8], how: How, log: Log, settings: PrepareSettings
) -> tuple[Dataset, str]:
    """Move a share of the training interactions to validation. Returns the data set and a note."""
    share = settings.validation_share
    shares = exact_shares((1 - share, share, 0.0))
    pairs, in_train = dataset.interactions, in_split(codes, TRAIN)
    rows = Rows(pairs.users, pairs.items, dataset.n_items, dataset.times).select(in_train)
    bits = bits_of(codes).astype(np.int64)
    moved = np.flatnonzero(in_train)[split_rows(rows, how, shares, settings.seed) == VALIDATION]
    bits[moved] = bits[moved] & ~(1 << TRAIN) | 1 << VALIDATION
    text = describe_split(how, shares, settings.seed, has_times=dataset.times is not None)
    note = (
        f"{log.path}: no validation is given, so {len(moved)} of {int(in_train.sum())} training interactions "
        f"became validation ({text}); {argument(validation=0)} keeps them in train"
    )
    return _described(dataset, codes_of(bits), f"as given for test, the others {text}"), note


def _notes_on_repeats(log: Log, codes: NDArray[np.int8]) -> list[str]:
    """Say how many pairs of validation and test are also in an earlier split, where alone they count."""
    counts: dict[tuple[int, int], int] = {}
    for code, splits in enumerate(SPLITS_OF_CODE):
        n = int(np.count_nonzero(codes == code)) if len(splits) > 1 else 0
        for later in splits[1:]:
            counts[later, splits[0]] = counts.get((later, splits[0]), 0) + n
    parts = [
        f"{n} {'pair' if n == 1 else 'pairs'} of {SPLITS[later]} {'is' if n == 1 else 'are'} also in {SPLITS[first]}"
        for (later, first), n in counts.items()
        if n
    ]
    if not parts:
        return []
    return [f"{log.path}: {_and(parts)}; each pair counts for the earlier split only ({AGAIN})"]


def _notes_on_empty(log: Log, codes: NDArray[np.int8]) -> list[str]:
    """Say if a given validation or test has nothing left, and why."""
    effects = {VALIDATION: "training cannot stop early and needs `epochs=N`", TEST: "there is nothing to measure"}
    return [
        f"{log.path}: {SPLITS[split]} has no interactions: all of its pairs are in an earlier split too "
        f"({AGAIN}), or were dropped by cleaning; so {effect}"
        for split, effect in effects.items()
        if (log.frame["split"] == split).any() and not in_split(codes, split).any()
    ]


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
