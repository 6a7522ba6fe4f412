"""Rows of a comparison: the mean over the runs of an entry, with intervals over users and tests against the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.studies.measure import Measurement
from triptych.studies.statistics import Interval, holm, interval, paired_p
from triptych.studies.trade_off import TradeOffPoint, mean_trade_off


@dataclass(frozen=True)
class Cost:
    """The cost of a fit. epochs, best_epoch and seconds_per_epoch (median): None for closed-form models.

    seconds: of the fit, without evaluation; seconds_to_best: until the best epoch. peak_megabytes: of the process.
    n_parameters: the number of trained parameters, or of weights of a closed-form model.
    """

    seconds: float
    seconds_to_best: float
    peak_megabytes: float
    n_parameters: float
    epochs: float | None = None
    seconds_per_epoch: float | None = None
    best_epoch: float | None = None


@dataclass(frozen=True)
class RunResult:
    """The measurement and the cost of one run. trade_off: one point per weight of diversity, if any are requested."""

    measurement: Measurement
    cost: Cost
    trade_off: Sequence[TradeOffPoint] = ()


@dataclass(frozen=True)
class GroupResult:
    """The first metric for a group of users or items; see `Group`. n_users: the number of users who count."""

    label: str
    n_users: int
    metric: Interval


@dataclass(frozen=True)
class Row:
    """A row of the table: an entry on one data set, as means over its seeds.

    metrics: over users; each user has the mean over the seeds. spread: metric -> standard deviation over seeds, if
    there are two or more.
    p: the p value of the first metric being equal to that of the best row of the data set, paired over users and
    corrected by Holm for the number of rows; None for the best row. coverage, novelty, long_tail: see `Measurement`.
    failed: the reason why there is no result, in which case most other fields are empty. trade_off: one point per
    weight of diversity, if any are requested.
    """

    data: str
    entry: str
    model: str
    modalities: str | None
    runs: Sequence[Path]
    metrics: Mapping[str, Interval] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    p: float | None = None
    coverage: float | None = None
    novelty: float | None = None
    long_tail: float | None = None
    groups: Sequence[GroupResult] = ()
    cost: Cost | None = None
    failed: str | None = None
    trade_off: Sequence[TradeOffPoint] = ()

    @property
    def label(self) -> str:
        """The name of the entry, with the modalities if they are not all."""
        return self.entry if self.modalities is None else f"{self.entry} ({self.modalities.replace(',', ' + ')})"


def rank_rows(rows: Sequence[tuple[Row, Sequence[RunResult | str]]]) -> list[Row]:
    """Fill the rows of one data set with the results of their runs and sort them: the best first, failed ones last.

    A result is a text if the run failed: the reason. The first metric sorts the rows and is tested.
    """
    generator = np.random.default_rng(0)
    filled: list[tuple[Row, NDArray[np.float64] | None]] = []
    for row, results in rows:
        failed = next((each for each in results if isinstance(each, str)), None)
        if failed is not None:
            filled.append((replace(row, failed=failed), None))
            continue
        complete = [each for each in results if isinstance(each, RunResult)]
        first = next(iter(complete[0].measurement.per_user))
        values = np.mean([each.measurement.per_user[first] for each in complete], axis=0)
        filled.append((_mean_over_runs(row, complete, generator), values))
    filled.sort(key=lambda each: np.inf if each[1] is None else -float(each[1].mean()))
    return _with_p_values(filled)


def _mean_over_runs(row: Row, results: Sequence[RunResult], generator: np.random.Generator) -> Row:
    measurements = [each.measurement for each in results]
    per_user = {
        name: np.mean([each.per_user[name] for each in measurements], axis=0) for name in measurements[0].per_user
    }
    groups = [
        GroupResult(
            group.label,
            len(group.users),
            interval(np.mean([each.groups[n].values for each in measurements], axis=0), generator),
        )
        for n, group in enumerate(measurements[0].groups)
    ]
    with_spread = per_user if len(measurements) > 1 else ()
    return replace(
        row,
        metrics={name: interval(values, generator) for name, values in per_user.items()},
        spread={
            name: float(np.std([each.per_user[name].mean() for each in measurements], ddof=1)) for name in with_spread
        },
        coverage=float(np.mean([each.coverage for each in measurements])),
        novelty=float(np.mean([each.novelty for each in measurements])),
        long_tail=float(np.mean([each.long_tail for each in measurements])),
        groups=groups,
        cost=Cost(
            **{each.name: _mean([getattr(result.cost, each.name) for result in results]) for each in fields(Cost)}
        ),
        trade_off=mean_trade_off([each.trade_off for each in results]),
    )


def _mean(values: Sequence[Any]) -> Any:
    return None if values[0] is None else float(np.mean(values))


def _with_p_values(rows: Sequence[tuple[Row, NDArray[np.float64] | None]]) -> list[Row]:
    """rows: each with its users' values of the first metric, or None if it failed; the first row is the best."""
    best = rows[0][1] if rows else None
    if best is None:
        return [row for row, _ in rows]
    others = [(row, values) for row, values in rows[1:] if values is not None]
    corrected = holm([paired_p(values, best) for _, values in others])
    tested = [replace(row, p=p) for (row, _), p in zip(others, corrected, strict=True)]
    return [rows[0][0], *tested, *(row for row, values in rows if values is None)]
