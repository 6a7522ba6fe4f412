"""Several models on one data set, each in a run folder and a process of its own; one table of quality and cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from triptych.errors import TriptychError
from triptych.progress import Listener, silent
from triptych.ranking.metrics import metric_of
from triptych.ranking.recommender import Mask, check_part_and_mask, open_recommender
from triptych.studies.processes import in_one_line, run_each

COST = "cost.json"


@dataclass(frozen=True)
class Line:
    """One model of the comparison.

    metrics: on the held-out part. epochs, seconds_per_epoch (median): None for models that are solved. seconds: of
    training or solving, evaluation left out. peak_megabytes: of the process that fitted it. failed: why there is no
    result, in which case all else is empty.
    """

    model: str
    run: Path
    metrics: Mapping[str, float] = field(default_factory=dict)
    epochs: int | None = None
    seconds_per_epoch: float | None = None
    seconds: float | None = None
    peak_megabytes: float | None = None
    failed: str | None = None


def compare(
    models: Sequence[str],
    folder: Path,
    train: Callable[[str, Path], list[str]],
    *,
    part: Literal["validation", "test"] = "test",
    mask: Mask = "train",
    metrics: Sequence[str] = ("ndcg@10", "ndcg@50", "recall@20", "recall@50"),
    listener: Listener = silent,
) -> list[Line]:
    """Fit every model and measure it; a run that is finished is kept, one that was begun goes on.

    train: (model, run folder) -> the arguments of `triptych` that train it there. A process a model, so that peak
    memory is the model's own. A model that fails leaves its reason in its line, and the others go on. Raises
    SettingsError on an unknown part, mask or metric, before anything is trained.
    """
    check_part_and_mask(part, mask)
    asked = [str(metric_of(metric)) for metric in metrics]
    lines = []
    commands = ((model, train(model, folder / model)) for model in models)
    for model, failed in run_each(commands):
        run = folder / model
        if failed is not None:
            lines.append(Line(model, run, failed=failed))
            continue
        try:
            report = open_recommender(run).evaluate(part, mask=mask, metrics=asked, listener=listener)
        except TriptychError as error:
            lines.append(Line(model, run, failed=in_one_line(error)))
            continue
        cost = json.loads((run / COST).read_text(encoding="utf-8"))
        lines.append(Line(model, run, report.means, **cost))
    return lines
