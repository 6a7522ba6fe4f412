"""Fit a model by name: data set or Split -> Recommender. Closed-form and trained models differ only here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from triptych import forks
from triptych.artefacts import write_json
from triptych.bars import shows_progress
from triptych.data.dataset import Dataset
from triptych.data.split import FIT_ON, FitOn, Split
from triptych.devices import choose_device, describe_device, gpu_name
from triptych.errors import SettingsError, TrainingError, warn_of
from triptych.interactive import is_interactive
from triptych.memory import peak_resident_megabytes
from triptych.models.model import ClosedFormModel, TrainedModel
from triptych.models.registry import MODELS, description_of, named_class
from triptych.models.requirements import ModelClass, require_scorer
from triptych.progress import Listener, Progress, automatic_progress
from triptych.ranking.fallback import HAS_FEATURES
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.ranking.scorer import Factors, ItemWeights
from triptych.seeds import Purpose
from triptych.settings import settings_of
from triptych.training.batches import torch_generator
from triptych.training.callbacks import OnEpoch
from triptych.training.checkpoint import is_finite
from triptych.training.computed_with import COMPUTED_WITH, ComputedWith, choose_computed_with, use_threads
from triptych.training.going_on import differs, require_same_past
from triptych.training.interrupts import stopping_after_a_step
from triptych.training.loop import train
from triptych.training.metrics_file import METRICS_CHECKSUM, checksum_of_lines, read_lines
from triptych.training.precision import dtype_of
from triptych.training.run_context import MetricsLogger, RunContext, RunFiles
from triptych.training.run_folder import locked_run_folder, read_about, write_about
from triptych.training.settings import TrainingSettings, with_epochs
from triptych.training.validation import VALIDATE, Validate, name_of, own_validation
from triptych.training.warm_start import START, fingerprint, require_start, warm_start

INTERRUPTED = "interrupted"  # in the description of a model whose training was


@shows_progress
def fit(
    model: str | ModelClass,
    data: Dataset | Split,
    settings: Mapping[str, object] | object | None = None,
    training: TrainingSettings | Mapping[str, object] | None = None,
    *,
    epochs: int | None = None,
    start_from: Recommender | None = None,
    run: Path | str | None = None,
    listener: Listener = automatic_progress,
    should_stop: Callable[[], bool] | None = None,
    loggers: Sequence[MetricsLogger] = (),
    on_epoch: OnEpoch | None = None,
    validate: Validate | None = None,
    fit_on: FitOn = "train",
) -> Recommender:
    """Fit a model to the training interactions; early stopping uses the validation interactions.

    model: its name, or a class of your own (docs/your-own.md). data: a Split, or a data set that carries one.
    settings: of the model, training: how to train; each by name, as text or values, or as an instance of the class.
    epochs: passes over the training interactions, as in `training`. Without validation it must be given.
    start_from: an earlier recommender of the same model. Training begins with its parameters, carried over by id; see
    `training/warm_start.py`.
    run: a folder for checkpoints, `metrics.jsonl` and the result (`run/model`). An interrupted run there is continued.
    fit_on: "train", or for a final fit "train+validation" or "all" of a data set, which then needs no split.
    A run, finished or not, goes on with more `epochs`, another `patience` or `checkpoint_seconds`, and ends with the
    same bytes as if it had begun with them. The result's `about` has what `auto` was and the number of threads, which a
    resumed run keeps: bytes are the same on one kind of machine with the same versions and threads.
    should_stop: asked after each training step; on True, training writes a checkpoint and raises KeyboardInterrupt.
    Ctrl-C does the same. At a prompt and in a notebook, after the first validation, it returns the best epoch instead,
    with a warning and `about["interrupted"]`; so it never does with a `should_stop`.
    loggers: each gets the lines of metrics.jsonl; see `open_loggers`.
    on_epoch: gets every finished `Epoch` of a trained model, and may return True: training then ends as if its patience
    had. validate: gets a recommender with the current factors, and returns a number, the larger the better. It takes
    the place of the metric in early stopping, also without validation interactions. The recommender has no test part.
    Raises SettingsError, InputError, TrainingError, ArtefactError.
    """
    if run is not None:
        forks.require_polars("training into a run folder")
    if isinstance(data, Split) and fit_on != "train":
        raise SettingsError(f"a split cannot be fitted on {fit_on}", hint="give the data set instead of its split")
    split = data if isinstance(data, Split) else Split.from_dataset(data, fit_on)
    name, kind = named_class(model)
    training = with_epochs(settings_of(TrainingSettings, training, of="training"), epochs)
    if len(split.validation) or validate is not None or not issubclass(kind, TrainedModel):
        training = replace(training, epochs=training.max_epochs)
    values = settings_of(kind.Settings, settings, of=name)
    if start_from is not None:
        require_start(start_from, name, kind, split.train)
    about: dict[str, Any] = {
        **description_of(name, kind),
        "settings": asdict(values),
        "training": asdict(training),
        "data": split.train.fingerprint or "in memory",
        "modalities": {m: features.width for m, features in split.train.features.items()},
        "split": split.how,
    }
    if split.train.keeps_seen:
        about["seen"] = "keep"
    if fit_on != "train":
        about[FIT_ON] = fit_on
    if kind.uses_user_features and split.train.user_features:
        about["user_modalities"] = {m: features.width for m, features in split.train.user_features.items()}
    elif split.train.user_features:
        _warn_of_unused(name, split.train.user_features)
    if start_from is not None:
        about[START] = {"fingerprint": fingerprint(start_from), "data": start_from.about.get("data", "in memory")}
    context, is_trained = RunContext(None, listener, should_stop, loggers, on_epoch), issubclass(kind, TrainedModel)
    context = replace(context, keeps_interrupted=should_stop is None and is_interactive())
    metric = training.metric
    if on_epoch is not None and not callable(on_epoch):
        raise SettingsError(
            f"on_epoch is {type(on_epoch).__name__}, not a function", hint="give a function of an Epoch"
        )
    if validate is not None and is_trained:
        metric = about[VALIDATE] = name_of(validate)
        own = own_validation(validate, split, about, _known_users(split, about))
        context = replace(context, validation=own)
    if run is None:
        computed_with = choose_computed_with(training, is_trained=is_trained)
        return _fit(kind, split, values, training, computed_with, about, context, start_from)
    with locked_run_folder(Path(run), listener) as files:
        before = read_about(files)
        computed_with = choose_computed_with(training, before and before.get(COMPUTED_WITH), is_trained=is_trained)
        if (threads := computed_with.threads) != torch.get_num_threads():
            listener(Progress("resuming", 0, 1, f"{threads} threads, as this run began"))
        now = json.loads(json.dumps({**about, COMPUTED_WITH: asdict(computed_with)}))
        if before is not None and START in before:
            now.setdefault(START, None)  # a difference: without it, training would have begun elsewhere
        if before is None:
            write_about(files, now)
        elif differs(files, before, now):
            require_same_past(files, training, metric)
            write_about(files, now)
        elif files.cost.is_file() and files.model.is_dir():
            return open_recommender(files.folder)  # an earlier call finished it
        return _fit(kind, split, values, training, computed_with, about, replace(context, files=files), start_from)


def _fit(
    kind: ModelClass,
    split: Split,
    settings: Any,
    training: TrainingSettings,
    computed_with: ComputedWith,
    about: dict[str, Any],
    context: RunContext,
    start_from: Recommender | None,
) -> Recommender:
    began = time.perf_counter()
    outcome: dict[str, Any] = {}
    parameters: dict[str, torch.Tensor] = {}
    scorer: Factors | ItemWeights
    with use_threads(computed_with.threads):
        if issubclass(kind, ClosedFormModel):
            solved = kind(settings).solve(split.train, context.listener)
            scorer = require_scorer(solved, kind, split.train)
            _require_finite(scorer, about["model"])
        else:
            initial = torch_generator(torch.device("cpu"), training.seed, Purpose.INITIALISATION)
            model = kind(split.train, settings, initial)
            if start_from is not None:
                warm_start(model, split.train, settings, start_from)
            model.set_compute_dtype(dtype_of(computed_with.precision))
            device = choose_device(computed_with.device)
            where = f"{describe_device(device)}, {computed_with.precision}, {computed_with.threads} threads"
            context.listener(Progress("device", 1, 1, where))
            with stopping_after_a_step(context) as stoppable:
                scorer, outcome = _train(model, split, training, device, stoppable)
            if (gpu := gpu_name(device)) is not None:
                outcome["gpu"] = gpu
            parameters = {key: parameter.detach().cpu() for key, parameter in model.named_parameters()}
    seconds = time.perf_counter() - began
    about = {**about, COMPUTED_WITH: asdict(computed_with), **outcome}
    known = replace(split.known_interactions(), user_features={}, user_table=_known_users(split, about))
    recommender = Recommender(scorer, known, parameters, about)
    if INTERRUPTED in about:
        warn_of([_interrupted_text(about, context)], UserWarning)
    elif context.files is not None:
        recommender.save(context.files.model, overwrite=True)
        write_json(context.files.cost, _cost(context.files, seconds))
    return recommender


def _require_finite(scorer: Factors | ItemWeights, name: str) -> None:
    arrays = [scorer.users, scorer.items] if isinstance(scorer, Factors) else list(scorer.arrays().values())
    if not all(map(is_finite, map(torch.as_tensor, arrays))):
        raise TrainingError(
            f"the solution of {name} is not finite", hint="raise reg_weight, or look for extreme feature values"
        )


def _train(
    model: TrainedModel, split: Split, training: TrainingSettings, device: torch.device, context: RunContext
) -> tuple[Factors, dict[str, Any]]:
    state = train(model, split, training, device=device, context=context)
    factors = model.factors()
    outcome: dict[str, Any] = {"epochs": state.epoch}
    metric = training.metric if context.validation is None else context.validation.name
    if len(split.validation) or context.validation is not None:
        outcome = {"best_epoch": state.best_epoch + 1, **outcome, f"validation/{metric}": state.best}
    if not state.finished:
        outcome[INTERRUPTED] = True
    return Factors(factors.users.float().cpu(), factors.items.float().cpu()), outcome


def _cost(files: RunFiles, seconds: float) -> dict[str, Any]:
    """Return what fitting cost: from the recorded epochs, without evaluation; for a closed form, all of `seconds`."""
    if not files.metrics.exists():
        peak = peak_resident_megabytes()
        return {"epochs": None, "seconds_per_epoch": None, "seconds": round(seconds, 3), "peak_megabytes": peak}
    lines = read_lines(files.metrics)
    epochs = [line["seconds"] for line in lines]
    return {
        "epochs": len(lines),
        "seconds_per_epoch": round(float(np.median(epochs)), 4),
        "seconds": round(sum(epochs), 3),
        "peak_megabytes": max(line["peak_megabytes"] for line in lines),
        METRICS_CHECKSUM: checksum_of_lines(files.metrics),
    }


def _interrupted_text(about: Mapping[str, Any], context: RunContext) -> str:
    later = "" if context.files is None else f"; the same call with run={str(context.files.folder)!r} goes on"
    epochs = "1 epoch" if about["epochs"] == 1 else f"{about['epochs']} epochs"
    return f"interrupted after {epochs}: this is the model of epoch {about['best_epoch']}{later}"


def _warn_of_unused(name: str, modalities: Iterable[str]) -> None:
    able = ", ".join(each for each, kind in MODELS.items() if kind.uses_user_features)
    warn_of([f"{name} does not use features of users ({', '.join(modalities)}); {able} do"])


def _known_users(split: Split, about: Mapping[str, Any]) -> pl.DataFrame | None:
    """Return which users a model knows by their features; None if it does not use any.

    It takes the place of the user table: what is known about people is not copied into models.
    """
    if not about.get("user_modalities"):
        return None
    known = np.any([features.present for features in split.train.user_features.values()], axis=0)
    return pl.DataFrame({"user_id": split.train.users.ids, HAS_FEATURES: known})
