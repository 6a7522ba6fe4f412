"""Several models on one data set, each in a run folder and a process of its own; one table of quality and cost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

from triptych.errors import TriptychError
from triptych.progress import Listener, silent
from triptych.ranking.metrics import metric_of
from triptych.ranking.recommender import Mask, check_part_and_mask, open_recommender

COST = "cost.json"
FOREVER = (
    1e9  # seconds; a wait without any is not interrupted by Ctrl-C once polars has set a signal handler of its own
)


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
    for model in models:
        run = folder / model
        reason = _trained(train(model, run))
        if reason is not None:
            lines.append(Line(model, run, failed=reason))
            continue
        try:
            report = open_recommender(run).evaluate(part, mask=mask, metrics=asked, listener=listener)
        except TriptychError as error:
            lines.append(Line(model, run, failed=_sentence(error.what, error.where, error.mend)))
            continue
        cost = json.loads((run / COST).read_text(encoding="utf-8"))
        lines.append(Line(model, run, report.means, **cost))
    return lines


def _trained(arguments: list[str]) -> str | None:
    """Run `triptych …`, its progress where ours goes; why it failed, or None.

    It reads from us and stops when that ends: on Ctrl-C, and when this process is killed, it writes its checkpoint.
    """
    command = [sys.executable, "-m", "triptych", *arguments, "--until-stdin-closes", "--json"]
    with TemporaryFile("w+") as told, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=told) as process:
        assert process.stdin
        try:
            process.wait(FOREVER)
        except KeyboardInterrupt:
            process.stdin.close()
            try:
                process.wait(FOREVER)
            except KeyboardInterrupt:  # again: at once
                process.kill()
            raise
        told.seek(0)
        answer = told.read()
    if process.returncode == 130:
        raise KeyboardInterrupt
    return None if process.returncode == 0 else _reason(answer, process.returncode)


def _reason(answer: str, code: int) -> str:
    try:
        error = json.loads(answer)["error"]
        return _sentence(error["what"], error["where"], error["mend"])
    except (ValueError, KeyError, TypeError):
        if code == -9:
            return "was killed, as systems do when memory runs out"
        return f"ended by signal {-code}" if code < 0 else f"ended with code {code}"


def _sentence(what: str, where: str | None, mend: str | None) -> str:
    sentence = f"{where}: {what}" if where else what
    return f"{sentence} ({mend})" if mend else sentence
