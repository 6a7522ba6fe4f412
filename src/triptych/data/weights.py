"""Weights of interactions: a column, the type of an event, and the age.

    w = column (or 1) · weight of the event type (or 1) · 2^(−age / half-life)

The age counts from the newest interaction. Where a pair of user and item comes several times, its weights are summed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.formats.log import Log
from triptych.errors import InputError, SettingsError, argument, did_you_mean, location

WeightTransform = Literal["none", "log"]
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_557_600}
OTHER = "other"  # in the weights of event types: all types without one
SMALLEST = 1e-9  # of the largest weight: what is older than 30 half-lives still counts as an interaction
SHOWN = 8  # event types


@dataclass(frozen=True)
class Weighting:
    """How rows are weighed.

    events: weights of event types; 0 leaves the type out. half_life: seconds, None for no decay. transform: of the
    weight column; log is ln(1 + w), for counts and durations.
    """

    events: Mapping[str, float] = field(default_factory=dict)
    half_life: float | None = None
    transform: WeightTransform = "none"


@dataclass(frozen=True)
class WeighedRows:
    """The rows of a log that count, with a column `weight` if they are weighed; how many were left out; and notes."""

    frame: pl.DataFrame
    dropped: int = 0
    about: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def parse_event_weights(text: str) -> dict[str, float]:
    """Parse `buy=5,view=1,other=0` into type -> weight. Raises SettingsError."""
    weights: dict[str, float] = {}
    for entry in filter(None, (each.strip() for each in text.split(","))):
        name, equals, number = entry.rpartition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not equals or not name.strip() or not 0 <= weight < math.inf:
            raise SettingsError(
                f'"{entry}" is not TYPE=WEIGHT', hint=f"write for example {argument(weights='buy=5,view=1,other=0')}"
            )
        if name.strip() in weights:
            raise SettingsError(f'the event type "{name.strip()}" has two weights', hint="give it one")
        weights[name.strip()] = weight
    return weights


def parse_half_life(text: str) -> float | None:
    """Parse `90d` into seconds; "" is None. Raises SettingsError."""
    if not text:
        return None
    match = re.fullmatch(rf"\s*(\d+(?:\.\d+)?)\s*([{''.join(SECONDS)}])\s*", text)
    if match is None or float(match[1]) == 0:
        raise SettingsError(f'"{text}" is not a half-life', hint="write for example 12h, 90d, 8w or 1y")
    return float(match[1]) * SECONDS[match[2]]


def weigh(frame: pl.DataFrame, log: Log, weighting: Weighting) -> WeighedRows:
    """Return the rows with their weights. Rows of weight 0 are left out, and a note counts them.

    Raises InputError for a weight that is missing or less than 0, for an event type without a weight, and if a
    half-life is given without times.
    """
    factors: list[pl.Expr] = []
    about: dict[str, Any] = {}
    notes: list[str] = []
    if "weight" in frame.columns:
        frame = frame.with_columns(pl.when(_is_held_out(frame)).then(pl.col("weight").fill_null(1)).otherwise("weight"))
        _check_column(frame, log)
        factors.append(pl.col("weight").log1p() if weighting.transform == "log" else pl.col("weight"))
        about["column"] = {"name": log.columns.get("weight", ""), "transform": weighting.transform}
    elif weighting.transform != "none":
        hint = "name it with `weight_column`, or leave `weight_transform` out"
        raise InputError("has no weight column to transform", where=location(log.path), hint=hint)
    if "event" in frame.columns:
        known = frame.filter(pl.col("event").is_not_null() | ~_is_held_out(frame))
        counts = dict(known["event"].fill_null("").value_counts(sort=True).rows())
        if weighting.events:
            factors.append(_event_factor(counts, frame, log, weighting.events))
        else:
            notes.append(
                f"{log.path.name}: the event types count the same: {_shown(counts)}; to weigh them, pass "
                + argument(weights=",".join(f"{name}=W" for name in list(counts)[:3]))
            )
        about["events"] = {name: {"rows": n, "weight": weighting.events.get(name)} for name, n in counts.items()}
    elif weighting.events:
        raise InputError("has no event types", where=location(log.path), hint="name their column with `event_column`")
    if weighting.half_life is not None:
        if "time" not in frame.columns:
            hint = "name the time column, or leave `half_life` out"
            raise InputError("a half-life is given, but there are no times", where=location(log.path), hint=hint)
        age = pl.col("time").max() - pl.col("time")
        factors.append(pl.lit(2.0).pow(-age / weighting.half_life).clip(lower_bound=SMALLEST))
        about["half_life_seconds"] = weighting.half_life
        notes += _notes_on_age(frame["time"], log, weighting.half_life)
    if not factors:
        return WeighedRows(frame.drop("event", strict=False), about=about, notes=tuple(notes))
    weighed = frame.with_columns(pl.reduce(lambda one, other: one * other, factors).cast(pl.Float64).alias("weight"))
    _check_size(weighed, log)
    kept = weighed.filter(pl.col("weight") > 0).drop("event", strict=False)
    dropped = len(frame) - len(kept)
    if dropped:
        notes.append(f"{log.path.name}: {dropped:,} rows of weight 0 are left out")
    if len(kept):
        about |= {"lowest": float(kept["weight"].min()), "highest": float(kept["weight"].max())}  # type: ignore[arg-type]
    return WeighedRows(kept, dropped, about, tuple(notes))


def sum_of_repeated(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with the sum of the weights of their pair of user and item, if they have weights."""
    if "weight" not in frame.columns:
        return frame
    return frame.with_columns(pl.col("weight").sum().over("user_id", "item_id"))


def normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights float64 [n] divided by their mean."""
    if not len(weights):
        return weights
    scaled: NDArray[np.float64] = weights / weights.max()  # no sum can then pass the largest float
    return scaled / float(scaled.mean())


def _is_held_out(frame: pl.DataFrame) -> pl.Expr:
    """Whether a row is for validation or test: their files may lack weights and event types."""
    return pl.col("split") > 0 if "split" in frame.columns else pl.lit(value=False)


def _check_column(frame: pl.DataFrame, log: Log) -> None:
    weights = frame["weight"]
    bad = (weights.is_null() | (weights < 0)).fill_null(value=True)
    if bad.any():
        position = int(bad.arg_true()[0])
        value = weights[position]
        raise InputError(
            "the weight is empty" if value is None else f"the weight {value:g} is less than 0",
            where=log.location(int(frame["row"][position])),
            hint="give every row a weight of 0 or more",
        )


def _check_size(frame: pl.DataFrame, log: Log) -> None:
    """Raise InputError for weights whose sum is no longer a number."""
    if len(frame) and not math.isfinite(frame["weight"].sum()):
        row = int(frame["row"][int(frame["weight"].arg_max() or 0)])
        hint = f"divide all weights by a number, or pass {argument(weight_transform='log')}"
        raise InputError("the weights are too large to be added", where=log.location(row), hint=hint)


def _notes_on_age(times: pl.Series, log: Log, half_life: float) -> list[str]:
    """Say it if the ages change next to nothing, or if they leave next to nothing: the unit may be another."""
    newest, oldest = float(times.max()), float(times.min())  # type: ignore[arg-type]
    if newest - oldest < half_life / 100:
        return [
            f"{log.path.name}: all times are within {newest - oldest:g} seconds, so the half-life of {half_life:g} "
            "seconds changes next to nothing; times must be moments, not numbers of rows or of days"
        ]
    old = int((times < newest + math.log2(SMALLEST) * half_life).sum())
    if old:
        return [
            f"{log.path.name}: {old:,} of {len(times):,} rows are older than 30 half-lives, and count as if they were "
            "that old"
        ]
    return []


def _event_factor(counts: Mapping[str, int], frame: pl.DataFrame, log: Log, events: Mapping[str, float]) -> pl.Expr:
    """Return the weight of each row by its event type. Raises InputError for a type without a weight."""
    unknown = [name for name in counts if name not in events]
    if unknown and OTHER not in events:
        row = int(frame.filter(pl.col("event").fill_null("") == unknown[0])["row"][0])
        raise InputError(
            f'the event type "{unknown[0]}" has no weight (types: {_shown(counts)})',
            where=log.location(row),
            hint=(f"give it one: {argument(weights=f'{unknown[0]}=1')}, or " if unknown[0] else "fill it in, or pass ")
            + f"{OTHER}=0 to leave all others out",
        )
    unused = [name for name in events if name not in counts and name != OTHER]
    if unused:
        raise InputError(
            f'no row has the event type "{unused[0]}" (types: {_shown(counts)})',
            where=location(log.path),
            hint=did_you_mean(unused[0], counts),
        )
    types = pl.col("event").fill_null("")
    weight = types.replace_strict(dict(events), default=events.get(OTHER, 0.0), return_dtype=pl.Float64)
    return pl.when(pl.col("event").is_null() & _is_held_out(frame)).then(1.0).otherwise(weight)


def _shown(counts: Mapping[str, int]) -> str:
    names = [f"{name or '(empty)'} {count:,}" for name, count in list(counts.items())[:SHOWN]]
    return ", ".join(names) + (", …" if len(counts) > SHOWN else "")
