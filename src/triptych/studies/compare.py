"""Several models on one data set, each in a run folder and a process of its own; one table of quality and cost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from triptych.progress import Listener, silent
from triptych.ranking.recommender import Mask, open_recommender

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
    memory is the model's own. A model that fails leaves its reason in its line, and the others go on.
    """
    lines = []
    for model in models:
        run = folder / model
        reason = _trained(train(model, run))
        if reason is not None:
            lines.append(Line(model, run, failed=reason))
            continue
        recommender = open_recommender(run)
        report = recommender.evaluate(part, mask=mask, metrics=metrics, listener=listener)
        cost = json.loads((run / COST).read_text(encoding="utf-8"))
        lines.append(Line(model, run, report.means, **cost))
    return lines


def _trained(arguments: list[str]) -> str | None:
    """Run `triptych …`, its progress where ours goes; why it failed, or None.

    It reads from us and stops when that ends: on Ctrl-C, and when this process is killed, it writes its checkpoint.
    """
    command = [sys.executable, "-m", "triptych", *arguments, "--until-stdin-closes", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            told = process.stdout.read()
            process.wait()
        except KeyboardInterrupt:
            process.stdin.close()
            try:
                process.wait()
            except KeyboardInterrupt:  # again: at once
                process.kill()
            raise
    if process.returncode == 130:
        raise KeyboardInterrupt
    return None if process.returncode == 0 else _reason(told, process.returncode)


def _reason(told: str, code: int) -> str:
    try:
        error = json.loads(told)["error"]
        sentence = f"{error['where']}: {error['what']}" if error["where"] else str(error["what"])
        return f"{sentence} ({error['mend']})" if error["mend"] else sentence
    except (ValueError, KeyError, TypeError):
        if code == -9:
            return "was killed, as systems do when memory runs out"
        return f"ended by signal {-code}" if code < 0 else f"ended with code {code}"
