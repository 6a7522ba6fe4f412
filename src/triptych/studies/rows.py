"""A comparison's rows: what the runs of a line give together, with intervals over users and tests against the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.studies.measure import Measured
from triptych.studies.statistics import Interval, holm, interval, paired_p


@dataclass(frozen=True)
class Cost:
    """What a fit took. epochs and seconds_per_epoch (median): None for models that are solved.

    seconds: of training or solving, evaluation left out; seconds_to_best: until the best epoch. peak_megabytes: of the
    process. numbers: trained parameters, or the weights of a model that is solved.
    """

    seconds: float
    seconds_to_best: float
    peak_megabytes: float
    n_parameters: float
    epochs: float | None = None
    seconds_per_epoch: float | None = None


@dataclass(frozen=True)
class RunResult:
    """What one run gave."""

    measured: Measured
    cost: Cost


@dataclass(frozen=True)
class Band:
    """The first metric for some kind of users or items: what, in words, and how many users count."""

    what: str
    n_users: int
    metric: Interval


@dataclass(frozen=True)
class Row:
    """A line of the table: means over its seeds. failed: why there is no result, in which case most is empty.

    metrics: over users, each user's mean over the seeds. spread: metric -> the seeds' standard deviation, with two or
    more. p: of being as good as the best of its data set by the first metric, paired over users, corrected by Holm for
    the number of lines; None for the best itself. coverage, novelty, long_tail: see `Measured`.
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
    bands: Sequence[Band] = ()
    cost: Cost | None = None
    failed: str | None = None

    @property
    def label(self) -> str:
        """The line, and the modalities where they are not all."""
        return self.entry if self.modalities is None else f"{self.entry} ({self.modalities.replace(',', ' + ')})"


def ranked(rows: Sequence[tuple[Row, Sequence[RunResult | str]]]) -> list[Row]:
    """The rows of one data set from what their runs gave, or why a run gave nothing: the best first, failed ones last.

    The first metric of what was measured is the one that orders and tests.
    """
    generator = np.random.default_rng(0)
    made: list[tuple[Row, NDArray[np.float64] | None]] = []
    for row, results in rows:
        failed = next((each for each in results if isinstance(each, str)), None)
        if failed is not None:
            made.append((replace(row, failed=failed), None))
            continue
        found = [each for each in results if isinstance(each, RunResult)]
        first = next(iter(found[0].measured.per_user))
        values = np.mean([each.measured.per_user[first] for each in found], axis=0)
        made.append((_summed(row, found, generator), values))
    made.sort(key=lambda each: np.inf if each[1] is None else -float(each[1].mean()))
    return _tested(made)


def _summed(row: Row, found: Sequence[RunResult], generator: np.random.Generator) -> Row:
    """A row of one line's runs, one a seed."""
    measured = [each.measured for each in found]
    per_user = {name: np.mean([each.per_user[name] for each in measured], axis=0) for name in measured[0].per_user}
    bands = [
        Band(band.what, len(band.users), interval(np.mean([m.strata[n].values for m in measured], axis=0), generator))
        for n, band in enumerate(measured[0].strata)
    ]
    several = per_user if len(measured) > 1 else ()
    return replace(
        row,
        metrics={name: interval(values, generator) for name, values in per_user.items()},
        spread={name: float(np.std([m.per_user[name].mean() for m in measured], ddof=1)) for name in several},
        coverage=float(np.mean([m.coverage for m in measured])),
        novelty=float(np.mean([m.novelty for m in measured])),
        long_tail=float(np.mean([m.long_tail for m in measured])),
        bands=bands,
        cost=Cost(**{each.name: _mean([getattr(f.cost, each.name) for f in found]) for each in fields(Cost)}),
    )


def _mean(values: Sequence[Any]) -> Any:
    return None if values[0] is None else float(np.mean(values))


def _tested(made: Sequence[tuple[Row, NDArray[np.float64] | None]]) -> list[Row]:
    """The rows, of which the first is the best, with their p: by their users' values of the first metric."""
    best = made[0][1] if made else None
    if best is None:
        return [row for row, _ in made]
    others = [(row, values) for row, values in made[1:] if values is not None]
    corrected = holm([paired_p(values, best) for _, values in others])
    tested = [replace(row, p=p) for (row, _), p in zip(others, corrected, strict=True)]
    return [made[0][0], *tested, *(row for row, values in made if values is None)]
