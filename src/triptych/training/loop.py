"""The one loop: epochs, validation, patience, the best kept, stop on NaN, resume."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from triptych import kernels
from triptych.artefacts import write_file
from triptych.data.split import Split
from triptych.errors import SettingsError, TrainingError, place
from triptych.memory import peak_resident_megabytes
from triptych.models.model import LearntModel
from triptych.progress import Listener, Progress, silent
from triptych.ranking.evaluate import evaluate
from triptych.ranking.metrics import metric_of
from triptych.training.adam import Adam
from triptych.training.batches import EPOCH, LOSS, Batches, torch_generator
from triptych.training.checkpoint import Standing, load_checkpoint, save_checkpoint
from triptych.training.destinations import Destination, nowhere
from triptych.training.settings import TrainingSettings

ALSO = ("recall@20", "ndcg@20")  # validation metrics told beside the chosen one


@dataclass(frozen=True)
class RunFiles:
    """Where a run keeps what it can go on from."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    @property
    def cost(self) -> Path:
        return self.folder / "cost.json"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"


def never() -> bool:
    """The answer of whoever does not want to stop."""
    return False


@kernels.kept_memory()
def train(
    model: LearntModel,
    split: Split,
    training: TrainingSettings,
    *,
    device: torch.device,
    files: RunFiles | None = None,
    listener: Listener = silent,
    should_stop: Callable[[], bool] = never,
    tell: Destination = nowhere,
) -> Standing:
    """Train until validation has not improved for `patience` evaluations; the model is left with its best parameters.

    An improvement is a gain of more than `min_gain` of the last one.

    With `files`, training goes on from the checkpoint there, and ends with the same bytes as if it had never stopped.
    `should_stop` is asked after every step: on true, a checkpoint is written and KeyboardInterrupt raised. `tell` gets
    what every epoch writes to metrics.jsonl.
    Raises TrainingError on a loss that is not finite, SettingsError if there is nothing to validate or train on.
    """
    metric = str(metric_of(training.metric))
    new = torch.from_numpy(split.train.interactions.item_degrees == 0).to(device)
    batches = Batches(split.train.interactions, training.batch_size, training.seed, negatives=model.needs_negatives)
    if not batches.n_steps:
        raise SettingsError("every user took every item, so there is nothing to learn", mend="give more items")
    if not len(split.validation):
        raise SettingsError("there are no validation interactions to stop by", mend="split with a validation share")
    model.to(device)
    model.zero_grad(set_to_none=True)  # of whatever the caller did with it before
    adam = _adam(model, training)
    standing, best = Standing(), None
    if files is not None:
        if files.checkpoint.exists():
            best, standing = load_checkpoint(files.checkpoint, model, adam)
        _cut_lines(files.metrics, standing.lines)
    saved_at = time.monotonic()

    def checkpoint() -> None:
        nonlocal saved_at
        if files is not None:
            save_checkpoint(files.checkpoint, model, adam, best, standing)
            saved_at = time.monotonic()

    while not standing.finished:
        order = batches.order(standing.epoch)
        model.train()
        model.start_epoch(torch_generator(device, training.seed, EPOCH, standing.epoch))
        while standing.step < batches.n_steps:
            began = time.perf_counter()
            terms = _step(model, adam, batches, order, standing, training.seed, device, files)
            standing.terms = {name: standing.terms.get(name, 0.0) + value for name, value in terms.items()}
            standing.step += 1
            standing.seconds += time.perf_counter() - began
            listener(Progress(f"epoch {standing.epoch + 1}", standing.step, batches.n_steps))
            if should_stop():
                checkpoint()
                raise KeyboardInterrupt
            if time.monotonic() - saved_at >= training.checkpoint_seconds:
                checkpoint()
        line: dict[str, object] = {"epoch": standing.epoch + 1}
        line |= {f"loss/{name}": total / batches.n_steps for name, total in standing.terms.items()}
        line["seconds"] = round(standing.seconds, 4)
        last = standing.epoch + 1 == training.epochs
        if last or (standing.epoch + 1) % training.evaluate_every == 0:
            model.eval()
            if new.any():
                model.welcome(new)
            began = time.perf_counter()
            names = tuple(dict.fromkeys((metric, *ALSO)))
            report = evaluate(model.factors(), split.validation, split.train.interactions, names, listener=listener)
            line |= {f"validation/{name}": value for name, value in report.means.items()}
            line["evaluation_seconds"] = round(time.perf_counter() - began, 4)
            if standing.best is None or report[metric] > standing.best:
                standing.best, standing.best_epoch = report[metric], standing.epoch
                best = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
            if standing.to_beat is None or report[metric] > standing.to_beat * (1 + training.min_gain):
                standing.to_beat, standing.without_better = report[metric], 0
            else:
                standing.without_better += 1
        line["peak_megabytes"] = _peak_megabytes(device)
        standing.finished = last or standing.without_better >= training.patience
        standing.epoch, standing.step, standing.terms, standing.seconds = standing.epoch + 1, 0, {}, 0.0
        standing.lines += 1
        if files is not None:
            with files.metrics.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(line) + "\n")
        tell(line)
        listener(Progress("training", standing.epoch, training.epochs, _news(line, standing, metric, training)))
        if standing.finished or time.monotonic() - saved_at >= training.checkpoint_seconds:
            checkpoint()
    assert best is not None
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(best[name])
    model.eval()
    return standing


def _step(
    model: LearntModel,
    adam: Adam,
    batches: Batches,
    order: NDArray[np.signedinteger],
    standing: Standing,
    seed: int,
    device: torch.device,
    files: RunFiles | None,
) -> dict[str, float]:
    """One step of Adam; returns the loss's terms. Raises TrainingError before it would spoil the parameters."""
    batch = batches.batch(order, standing.epoch, standing.step, device)
    terms = model.loss(batch, torch_generator(device, seed, LOSS, standing.epoch, standing.step))
    values = dict(zip(terms, torch.stack(list(terms.values())).tolist(), strict=True))
    if not math.isfinite(sum(values.values())):
        shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
        kept = files.checkpoint if files is not None and files.checkpoint.exists() else None
        raise TrainingError(
            f"the loss is not finite ({shown}) at epoch {standing.epoch + 1}, batch {standing.step + 1} of "
            f"{batches.n_steps}; " + (f"last good checkpoint: {kept}" if kept else "no checkpoint yet"),
            where=place(files.folder) if files else None,
            mend="lower the learning rate, or look for extreme feature values, then start again",
        )
    adam.descend(torch.stack(list(terms.values())).sum())
    return values


def _adam(model: LearntModel, training: TrainingSettings) -> Adam:
    own, parameters = model.own_learning_rates(), dict(model.named_parameters())
    return Adam(parameters, {name: own.get(name, training.learning_rate) for name in parameters})


def _peak_megabytes(device: torch.device) -> float:
    """Peak memory so far: of the accelerator where there is one, else resident memory of the whole process."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    return peak_resident_megabytes()


def _cut_lines(path: Path, lines: int) -> None:
    """Take away what was told after the checkpoint, or without one: it will be told again."""
    if path.exists():
        kept = path.read_text(encoding="utf-8").splitlines(keepends=True)[:lines]
        write_file(path, "".join(kept).encode())


def _news(line: dict[str, object], standing: Standing, metric: str, training: TrainingSettings) -> str:
    parts = [f"{name[5:]} {value:.4f}" for name, value in line.items() if name.startswith("loss/")]
    if f"validation/{metric}" in line:
        left = f" (best {standing.best:.4f}, patience {training.patience - standing.without_better})"
        star = "" if standing.best_epoch + 1 < standing.epoch else "*"
        star += left if standing.without_better else ""
        parts.append(f"{metric} {line[f'validation/{metric}']:.4f}{star}")
    return " · ".join([*parts, f"{line['seconds']:.2f} s", f"{line['peak_megabytes']:.0f} MB"])
