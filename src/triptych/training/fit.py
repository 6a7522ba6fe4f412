"""Fit a model by name: data set or Split -> Recommender. Closed-form and trained models differ only here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from triptych.artefacts import json_bytes, write_file
from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.split import Split
from triptych.devices import choose_device
from triptych.memory import peak_resident_megabytes
from triptych.models.model import ClosedFormModel, TrainedModel
from triptych.models.registry import model_class
from triptych.progress import Listener, ignore_progress
from triptych.ranking.recommender import Recommender, open_recommender
from triptych.ranking.scorer import Factors, ItemWeights
from triptych.seeds import Purpose
from triptych.settings import parse
from triptych.training.batches import torch_generator
from triptych.training.loop import train
from triptych.training.precision import choose_precision
from triptych.training.run_context import MetricsLogger, RunContext, RunFiles
from triptych.training.run_folder import locked_run_folder
from triptych.training.settings import TrainingSettings


def fit(
    name: str,
    data: Dataset | Split,
    settings: Mapping[str, object] | None = None,
    training: TrainingSettings | None = None,
    *,
    run: Path | str | None = None,
    listener: Listener = ignore_progress,
    should_stop: Callable[[], bool] | None = None,
    loggers: Sequence[MetricsLogger] = (),
) -> Recommender:
    """Fit the model called `name` to the training interactions; early stopping uses the validation interactions.

    data: a Split, or a data set that carries one. settings: of the model, as text or values; others have defaults.
    run: a folder for checkpoints, `metrics.jsonl` and the result (`run/model`). An interrupted run there is continued.
    should_stop: asked after each training step; on True, training writes a checkpoint and raises KeyboardInterrupt.
    loggers: each gets the lines of metrics.jsonl; see `open_loggers`.
    Raises SettingsError, InputError, TrainingError.
    """
    split = data if isinstance(data, Split) else Split.from_dataset(data)
    training = training or TrainingSettings()
    values = parse(model_class(name).Settings, settings or {}, of=name)
    device = choose_device(training.device)
    about: dict[str, Any] = {
        "model": name,
        "settings": asdict(values),
        "training": asdict(training),
        "data": split.train.fingerprint or "in memory",
        "modalities": {m: features.width for m, features in split.train.features.items()},
        "split": split.how,
    }
    context = RunContext(None, listener, should_stop, loggers)
    if run is None:
        return _fit(split, values, training, device, about, context)
    with locked_run_folder(Path(run), about, listener) as files:
        if files.cost.is_file() and files.model.is_dir():
            return open_recommender(files.folder)  # an earlier call finished it
        return _fit(split, values, training, device, about, replace(context, files=files))


def _fit(
    split: Split,
    settings: Any,
    training: TrainingSettings,
    device: torch.device,
    about: dict[str, Any],
    context: RunContext,
) -> Recommender:
    began, kind = time.perf_counter(), model_class(about["model"])
    outcome: dict[str, Any] = {}
    parameters: dict[str, torch.Tensor] = {}
    scorer: Factors | ItemWeights
    if issubclass(kind, ClosedFormModel):
        scorer = kind(settings).solve(split.train, context.listener)
    else:
        initial = torch_generator(torch.device("cpu"), training.seed, Purpose.INITIALISATION)
        model = kind(split.train, settings, initial)
        model.set_compute_dtype(choose_precision(training.precision, device))
        scorer, outcome = _train(model, split, training, device, context)
        parameters = {key: parameter.detach().cpu() for key, parameter in model.named_parameters()}
    seconds = time.perf_counter() - began
    recommender = Recommender(scorer, _known_interactions(split), parameters, {**about, **outcome})
    if context.files is not None:
        recommender.save(context.files.model, overwrite=True)
        write_file(context.files.cost, json_bytes(_cost(context.files, seconds)))
    return recommender


def _train(
    model: TrainedModel, split: Split, training: TrainingSettings, device: torch.device, context: RunContext
) -> tuple[Factors, dict[str, Any]]:
    state = train(model, split, training, device=device, context=context)
    factors = model.factors()
    outcome = {
        "best_epoch": state.best_epoch + 1,
        "epochs": state.epoch,
        f"validation/{training.metric}": state.best,
    }
    return Factors(factors.users.float().cpu(), factors.items.float().cpu()), outcome


def _cost(files: RunFiles, seconds: float) -> dict[str, float | int | None]:
    """Return what fitting cost: from the recorded epochs, without evaluation; for a closed form, all of `seconds`."""
    if not files.metrics.exists():
        peak = peak_resident_megabytes()
        return {"epochs": None, "seconds_per_epoch": None, "seconds": round(seconds, 3), "peak_megabytes": peak}
    lines = [json.loads(line) for line in files.metrics.read_text(encoding="utf-8").splitlines()]
    epochs = [line["seconds"] for line in lines]
    return {
        "epochs": len(lines),
        "seconds_per_epoch": round(float(np.median(epochs)), 4),
        "seconds": round(sum(epochs), 3),
        "peak_megabytes": max(line["peak_megabytes"] for line in lines),
    }


def _known_interactions(split: Split) -> Dataset:
    """Return a data set of all interactions with their split, without features."""
    train, n_items = split.train.interactions, split.train.n_items
    keys = [interactions.keys for interactions in (train, split.validation, split.test)]
    codes = np.repeat(np.arange(3, dtype=np.int8), [len(each) for each in keys])
    order = np.argsort(np.concatenate(keys), kind="stable")
    all_keys = np.concatenate(keys)[order]
    return replace(
        split.train,
        interactions=Interactions(all_keys // n_items, all_keys % n_items, train.n_users, n_items),
        features={},
        neighbours={},
        times=None,
        split_codes=codes[order],
    )
