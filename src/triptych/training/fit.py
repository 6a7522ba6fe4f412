"""name + Split -> Recommender: where solved and learnt models part, and join again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from triptych.artefacts import json_bytes, write_file
from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.split import Split, of_parts
from triptych.errors import SettingsError, TrainingError
from triptych.memory import peak_resident_megabytes
from triptych.models.model import LearntModel, SolvedModel
from triptych.models.registry import model_class
from triptych.progress import Listener, silent
from triptych.ranking.recommender import Recommender, open_recommender
from triptych.ranking.scorer import Factors, ItemWeights
from triptych.settings import parse
from triptych.training.batches import torch_generator
from triptych.training.destinations import Destination, nowhere
from triptych.training.loop import RunFiles, never, train
from triptych.training.run_folder import claimed
from triptych.training.settings import TrainingSettings

INITIALISATION = 10  # the purpose that a model's first parameters are drawn for
PRECISION = "TRIPTYCH_PRECISION"  # in the environment: what precision=auto means, whatever the processor


def fit(
    name: str,
    data: Dataset | Split,
    settings: Mapping[str, object] | None = None,
    training: TrainingSettings | None = None,
    *,
    run: Path | str | None = None,
    listener: Listener = silent,
    should_stop: Callable[[], bool] = never,
    tell: Destination = nowhere,
) -> Recommender:
    """Fit the model called `name` to the training part of `data`, stopping by its validation part.

    data: a Split, or a data set that carries one. settings: the model's, as text or values; the rest are defaults.
    tell: gets what every epoch of a learnt model writes to metrics.jsonl; see `destinations`.
    run: a folder for checkpoints, `metrics.jsonl` and the result (`run/model`); an interrupted run found there goes on.
    Raises SettingsError, InputError, TrainingError.
    """
    split = data if isinstance(data, Split) else of_parts(data)
    training = training or TrainingSettings()
    kind = model_class(name)
    values = parse(kind.Settings, settings or {}, of=name)
    device = chosen_device(training.device)
    about: dict[str, Any] = {
        "model": name,
        "settings": asdict(values),
        "training": asdict(training),
        "data": split.train.fingerprint or "in memory",
        "modalities": {m: features.width for m, features in split.train.features.items()},
        "split": split.how,
    }
    if run is None:
        return _fitted(split, values, training, device, about, None, listener, should_stop, tell)
    with claimed(Path(run), about, listener) as files:
        if files.cost.is_file() and (files.folder / "model").is_dir():
            return open_recommender(files.folder)  # finished before
        return _fitted(split, values, training, device, about, files, listener, should_stop, tell)


def _fitted(
    split: Split,
    settings: Any,
    training: TrainingSettings,
    device: torch.device,
    about: dict[str, Any],
    files: RunFiles | None,
    listener: Listener,
    should_stop: Callable[[], bool],
    tell: Destination,
) -> Recommender:
    began, kind = time.perf_counter(), model_class(about["model"])
    outcome: dict[str, Any] = {}
    parameters: dict[str, torch.Tensor] = {}
    scorer: Factors | ItemWeights
    if issubclass(kind, SolvedModel):
        scorer = kind(settings).solve(split.train, listener)
    else:
        first = torch_generator(torch.device("cpu"), training.seed, INITIALISATION)
        model = kind(split.train, settings, first)
        model.compute_products_in(chosen_precision(training.precision, device))
        scorer, outcome = _learn(model, split, training, device, files, listener, should_stop, tell)
        parameters = {key: parameter.detach().cpu() for key, parameter in model.named_parameters()}
    seconds = time.perf_counter() - began
    recommender = Recommender(scorer, _known(split), parameters, {**about, **outcome})
    if files is not None:
        recommender.save(files.folder / "model", overwrite=True)
        write_file(files.cost, json_bytes(_cost(files, seconds)))
    return recommender


def chosen_device(name: str) -> torch.device:
    """The device that a name means; "auto" is a GPU where there is one. Raises TrainingError where it is absent."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("this machine (or this torch) has no CUDA", mend="use device=cpu, or install a CUDA torch")
    if name == "mps" and not torch.backends.mps.is_available():
        raise TrainingError("this machine has no MPS", mend="use device=cpu")
    return torch.device(name)


def chosen_precision(name: str, device: torch.device) -> torch.dtype:
    """The dtype that a name means; "auto" is bfloat16 where the processor multiplies it natively.

    `TRIPTYCH_PRECISION` in the environment says instead what "auto" means. Raises SettingsError if it names neither.
    """
    wanted = os.environ.get(PRECISION)
    if wanted not in (None, "float32", "bfloat16"):
        raise SettingsError(f'{PRECISION} is "{wanted}"', mend="set it to float32 or bfloat16, or not at all")
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if wanted is not None:
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    native = device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return torch.bfloat16 if native else torch.float32


def _learn(
    model: LearntModel,
    split: Split,
    training: TrainingSettings,
    device: torch.device,
    files: RunFiles | None,
    listener: Listener,
    should_stop: Callable[[], bool],
    tell: Destination,
) -> tuple[Factors, dict[str, Any]]:
    standing = train(
        model, split, training, device=device, files=files, listener=listener, should_stop=should_stop, tell=tell
    )
    factors = model.factors()
    outcome = {
        "best_epoch": standing.best_epoch + 1,
        "epochs": standing.epoch,
        f"validation/{training.metric}": standing.best,
    }
    return Factors(factors.users.float().cpu(), factors.items.float().cpu()), outcome


def _cost(files: RunFiles, seconds: float) -> dict[str, float | int | None]:
    """What fitting took: of a learnt model as its epochs told, evaluation left out; of a solved one, all of it."""
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


def _known(split: Split) -> Dataset:
    """All that is known of who took what, with its parts; features stay behind."""
    train, n_items = split.train.interactions, split.train.n_items
    keys = [part.keys for part in (train, split.validation, split.test)]
    parts = np.repeat(np.arange(3, dtype=np.int8), [len(part) for part in keys])
    order = np.argsort(np.concatenate(keys), kind="stable")
    everything = np.concatenate(keys)[order]
    return replace(
        split.train,
        interactions=Interactions(everything // n_items, everything % n_items, train.n_users, n_items),
        features={},
        neighbours={},
        times=None,
        parts=parts[order],
    )
