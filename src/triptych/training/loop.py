"""The training loop: epochs, validation, early stopping, checkpoints, and resuming to the same bytes."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych import kernels
from triptych.artefacts import damaged
from triptych.data.split import Split
from triptych.devices import peak_gpu_megabytes
from triptych.errors import SettingsError, TrainingError, location
from triptych.memory import peak_resident_megabytes
from triptych.models.model import TrainedModel
from triptych.models.requirements import require_factors, require_terms
from triptych.progress import Progress
from triptych.ranking.metrics import parse_metric
from triptych.seeds import Purpose
from triptych.training.adam import Adam
from triptych.training.batches import Batches, torch_generator
from triptych.training.callbacks import asks_to_stop
from triptych.training.checkpoint import DAMAGED, TrainingState, is_finite, load_checkpoint, save_checkpoint
from triptych.training.epoch_summary import epoch_summary
from triptych.training.metrics_file import append_line, read_lines, sync_lines, truncate_lines
from triptych.training.run_context import RunContext
from triptych.training.settings import TrainingSettings, require_epochs
from triptych.training.validation import measure_metrics


@dataclass
class TrainingRun:
    """One training in progress.

    metric: the validation metric for early stopping, or the name of the validation in the context.
    cold_items: bool [n_items], items without training interactions.
    cold_users: bool [n_users], the same for users if there are features of users; else none.
    best: the parameters of the best epoch so far. saved_at: when the last checkpoint was written (monotonic seconds).
    """

    model: TrainedModel
    split: Split
    settings: TrainingSettings
    device: torch.device
    context: RunContext
    metric: str
    cold_items: Tensor
    cold_users: Tensor
    batches: Batches
    adam: Adam
    state: TrainingState
    best: dict[str, Tensor] | None
    saved_at: float

    @property
    def is_validated(self) -> bool:
        return bool(len(self.split.validation)) or self.context.validation is not None


@kernels.retain_freed_memory()
def train(
    model: TrainedModel, split: Split, settings: TrainingSettings, *, device: torch.device, context: RunContext
) -> TrainingState:
    """Train until validation has not improved for `patience` evaluations. The model is left with its best parameters.

    `context.on_epoch` may end the training earlier, in the same way: if need be, its last epoch is evaluated.
    Without validation, train for `epochs`; the model is left with its last parameters.
    With `context.files`, training continues from the checkpoint there and ends with the same bytes as if it had never
    stopped. Raises TrainingError if the loss is not finite, SettingsError if there is nothing to train on, or neither
    validation nor a number of epochs, KeyboardInterrupt if `context.should_stop` asks for it, or on Ctrl-C. With
    `context.keeps_interrupted` it then returns the best epoch so far, if there is one; the state is not `finished`.
    """
    run = start_run(model, split, settings, device, context)
    try:
        while not run.state.finished:
            train_and_validate_epoch(run)
    except KeyboardInterrupt:
        if run.best is None or not context.keeps_interrupted:
            raise
    if run.best is None and run.is_validated:
        assert context.files is not None  # only a checkpoint can be finished at the start
        raise damaged(context.files.checkpoint, DAMAGED)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if run.best is not None:
                parameter.copy_(run.best[name])
            _require_finite(run, f'parameter "{name}"', parameter)
    model.eval()
    return run.state


def train_and_validate_epoch(run: TrainingRun) -> None:
    """Train for one epoch, validate if it is due, and record the epoch."""
    line = train_epoch(run)
    evaluated = is_evaluated(run.state.epoch + 1, run.settings)
    if evaluated or _is_last_epoch(run):
        line |= validate(run) if evaluated else _last_validation(run)
    stop = asks_to_stop(run.context.on_epoch, line, run.model)
    if stop and not evaluated and not _is_last_epoch(run):
        line |= _last_validation(run)
    record(run, line, stop=stop)


def train_epoch(run: TrainingRun) -> dict[str, object]:
    """Train for one epoch, or for the rest of an interrupted one. Returns epoch, mean loss terms and seconds."""
    state, batches, context = run.state, run.batches, run.context
    order = batches.order(state.epoch)
    run.model.train()
    run.model.start_epoch(torch_generator(run.device, run.settings.seed, Purpose.EPOCH, state.epoch))
    while state.step < batches.n_steps:
        began = time.perf_counter()
        terms = train_step(run, order)
        state.terms = {name: state.terms.get(name, 0.0) + value for name, value in terms.items()}
        state.step += 1
        state.seconds += time.perf_counter() - began
        context.listener(Progress(f"epoch {state.epoch + 1}", state.step, batches.n_steps))
        if context.should_stop is not None and context.should_stop():
            _save(run)
            raise KeyboardInterrupt
        _save_if_due(run)
    means = {f"loss/{name}": total / batches.n_steps for name, total in state.terms.items()}
    return {"epoch": state.epoch + 1, **means, "seconds": round(state.seconds, 4)}


def _last_validation(run: TrainingRun) -> dict[str, object]:
    """Validate a last epoch that `evaluate_every` leaves out.

    The checkpoint stays before this evaluation: a run that goes on to more epochs would not have had it.
    """
    _save(run)
    return validate(run)


@torch.no_grad()
def validate(run: TrainingRun) -> dict[str, object]:
    """Measure the model on validation and update what early stopping looks at. Returns the metrics and the seconds.

    An epoch is the best if its metric is the largest so far. It resets patience only if the metric is larger by more
    than the share `min_gain`. Without validation nothing is measured.
    """
    model, state, split = run.model, run.state, run.split
    model.eval()
    if run.cold_items.any():
        model.embed_cold_items(run.cold_items)
    if run.cold_users.any():
        model.embed_cold_users(run.cold_users)
    began = time.perf_counter()
    factors = require_factors(model.factors(), model, split.train)
    _require_finite(run, "a representation", factors.users, factors.items)
    if not run.is_validated:
        return {}
    own = run.context.validation
    if own is not None:
        means = {own.name: own.measure(factors)}
    else:
        means = measure_metrics(factors, split, run.metric, run.context.listener)
    seconds, value = round(time.perf_counter() - began, 4), means[run.metric]
    if state.best is None or value > state.best:
        best = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        run.best, state.best, state.best_epoch = best, value, state.epoch  # together, should Ctrl-C come now
    if state.best_for_patience is None or value > state.best_for_patience * (1 + run.settings.min_gain):
        state.best_for_patience, state.epochs_without_improvement = value, 0
    else:
        state.epochs_without_improvement += 1
    return {**{f"validation/{name}": mean for name, mean in means.items()}, "evaluation_seconds": seconds}


def record(run: TrainingRun, line: dict[str, object], *, stop: bool = False) -> None:
    """End the epoch: write its line to metrics.jsonl and the loggers, report progress, save a checkpoint if due.

    stop: whether it is the last one by the wish of `on_epoch`.
    """
    state, context, settings = run.state, run.context, run.settings
    line["peak_megabytes"] = peak_gpu_megabytes(run.device) or peak_resident_megabytes()
    state.finished = stop or _is_last_epoch(run) or state.epochs_without_improvement >= settings.patience
    state.epoch, state.step, state.terms, state.seconds = state.epoch + 1, 0, {}, 0.0
    state.lines += 1
    if context.files is not None:
        append_line(context.files.metrics, line)
    for log in context.loggers:
        log(line)
    context.listener(
        Progress("training", state.epoch, settings.max_epochs, epoch_summary(line, run.metric, state, settings))
    )
    if state.finished and is_evaluated(state.epoch, settings):
        _save(run)
    elif not state.finished:
        _save_if_due(run)


def start_run(
    model: TrainedModel, split: Split, settings: TrainingSettings, device: torch.device, context: RunContext
) -> TrainingRun:
    """Check that there is something to train and validate on, and load the checkpoint of an earlier attempt."""
    own, interactions = context.validation, split.train.interactions
    metric = own.name if own is not None else str(parse_metric(settings.metric))
    batches = Batches(
        interactions,
        settings.batch_size,
        settings.seed,
        negatives=model.needs_negatives,
        weights=split.train.weights,
    )
    if not batches.n_steps:
        raise SettingsError("every user has every item, so there is nothing to learn", hint="give more items")
    if own is None and not len(split.validation):
        require_epochs(settings)
    model.to(device)
    model.zero_grad(set_to_none=True)  # gradients that the caller may have left
    adam, state, best = _adam(model, settings), TrainingState(), None
    if context.files is not None:
        if context.files.checkpoint.exists():
            best, state = load_checkpoint(context.files.checkpoint, model, adam)
            out_of_patience = state.epochs_without_improvement >= settings.patience
            state.finished = state.step == 0 and (state.epoch >= settings.max_epochs or out_of_patience)
        truncate_lines(context.files.metrics, state.lines, state.lines_checksum)
        if state.step == 0 and state.epoch and not state.finished and is_evaluated(state.epoch, settings):
            # the process may have ended after this epoch: it is reported again, so that the answer is the same
            line = read_lines(context.files.metrics, state.lines)[-1]
            state.finished = asks_to_stop(context.on_epoch, line, model)
    cold_items = torch.from_numpy(interactions.item_degrees == 0).to(device)
    cold_users = torch.from_numpy((interactions.user_degrees == 0) & bool(split.train.user_features)).to(device)
    return TrainingRun(
        model=model,
        split=split,
        settings=settings,
        device=device,
        context=context,
        metric=metric,
        cold_items=cold_items,
        cold_users=cold_users,
        batches=batches,
        adam=adam,
        state=state,
        best=best,
        saved_at=time.monotonic(),
    )


def train_step(run: TrainingRun, order: NDArray[np.signedinteger]) -> dict[str, float]:
    """Take one step of Adam; returns the loss terms. Raises TrainingError before a bad loss spoils the parameters."""
    state, seed, files = run.state, run.settings.seed, run.context.files
    batch = run.batches.batch(order, state.epoch, state.step, run.device)
    generator = torch_generator(run.device, seed, Purpose.LOSS, state.epoch, state.step)
    terms = require_terms(run.model.loss(batch, generator), run.model)
    values = dict(zip(terms, torch.stack(list(terms.values())).tolist(), strict=True))
    if not math.isfinite(sum(values.values())):
        shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
        checkpoint = files.checkpoint if files is not None and files.checkpoint.exists() else None
        raise TrainingError(
            f"the loss is not finite ({shown}) at epoch {state.epoch + 1}, batch {state.step + 1} of "
            f"{run.batches.n_steps}; " + (f"last good checkpoint: {checkpoint}" if checkpoint else "no checkpoint yet"),
            where=location(files.folder) if files else None,
            hint="lower the learning rate, or look for extreme feature values, then start again",
        )
    run.adam.descend(torch.stack(list(terms.values())).sum())
    return values


def is_evaluated(epoch: int, settings: TrainingSettings) -> bool:
    """Return whether an epoch, counted from 1, is evaluated because of `evaluate_every`. The last one always is."""
    return epoch % settings.evaluate_every == 0


def _require_finite(run: TrainingRun, what: str, *tensors: Tensor) -> None:
    """Raise TrainingError if a tensor has NaN or infinity: those of the last step are in no loss yet."""
    if not all(map(is_finite, tensors)):
        files = run.context.files
        raise TrainingError(
            f"{what} is not finite after epoch {run.state.epoch + (run.state.step > 0)}",
            where=location(files.folder) if files else None,
            hint="lower the learning rate, or look for extreme feature values, then start again",
        )


def _save(run: TrainingRun) -> None:
    if run.context.files is not None:
        run.state.lines_checksum = sync_lines(run.context.files.metrics, run.state.lines)
        save_checkpoint(run.context.files.checkpoint, run.model, run.adam, run.best, run.state)
        run.saved_at = time.monotonic()


def _save_if_due(run: TrainingRun) -> None:
    if time.monotonic() - run.saved_at >= run.settings.checkpoint_seconds:
        _save(run)


def _is_last_epoch(run: TrainingRun) -> bool:
    return run.state.epoch + 1 == run.settings.max_epochs


def _adam(model: TrainedModel, settings: TrainingSettings) -> Adam:
    rates, parameters = model.parameter_learning_rates(), dict(model.named_parameters())
    return Adam(parameters, {name: rates.get(name, settings.learning_rate) for name in parameters})
