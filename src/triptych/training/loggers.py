"""Loggers of training metrics beside metrics.jsonl: TensorBoard and MLflow. Both are optional."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from triptych.errors import SettingsError, did_you_mean
from triptych.training.run_context import MetricsLogger


@contextmanager
def open_loggers(names: Sequence[str], run: Path, settings: Mapping[str, Any]) -> Iterator[list[MetricsLogger]]:
    """Open the named loggers: `tensorboard:FOLDER`, `mlflow:TRACKING-URI`.

    run: the run folder; its path is the run's name there. settings: logged once, in plain values. If a logger fails
    during training, a warning is given and training continues. After an interruption some lines are logged twice.
    Raises SettingsError for an unknown kind, or if its package is not installed.
    """
    check_loggers(names)
    with ExitStack() as stack:
        yield [_tolerant(name, stack.enter_context(_open(name, str(run), settings))) for name in names]


def check_loggers(names: Sequence[str]) -> None:
    """Raise SettingsError for a logger of unknown kind or without a target, or if its package is not installed."""
    for name in names:
        kind, _, target = name.partition(":")
        if kind not in LOGGERS:
            raise SettingsError(f'unknown logger "{name}"', hint=did_you_mean(kind, LOGGERS))
        if not target:
            raise SettingsError(f'logger "{name}" has no target', hint=f"write {kind}:{LOGGERS[kind][1]}")
        title, package = PACKAGES[kind]
        if importlib.util.find_spec(kind) is None:
            raise _not_installed(title, package)


def _tolerant(name: str, log: MetricsLogger) -> MetricsLogger:
    def tolerant(line: Mapping[str, Any]) -> None:
        try:
            log(line)
        except Exception as error:  # for example a server that is away: the same lines are in metrics.jsonl
            warnings.warn(f"{name} did not take epoch {line['epoch']}: {error}", stacklevel=2)

    return tolerant


def _open(name: str, run: str, settings: Mapping[str, Any]) -> Any:
    kind, _, target = name.partition(":")
    return LOGGERS[kind][0](target, run, settings)


@contextmanager
def _tensorboard(folder: str, run: str, settings: Mapping[str, Any]) -> Iterator[MetricsLogger]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        raise _not_installed("TensorBoard", "tensorboard") from None
    writer: Any = SummaryWriter(f"{folder}/{run.strip('/')}")
    writer.add_text("settings", "\n".join(f"    {key} = {value}" for key, value in settings.items()))

    def log(line: Mapping[str, Any]) -> None:
        for key, value in _numbers(line).items():
            writer.add_scalar(key, value, line["epoch"])
        writer.flush()

    try:
        yield log
    finally:
        writer.close()


@contextmanager
def _mlflow(uri: str, run: str, settings: Mapping[str, Any]) -> Iterator[MetricsLogger]:
    try:
        from mlflow import MlflowClient
    except ModuleNotFoundError:
        raise _not_installed("MLflow", "mlflow") from None
    client: Any = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("triptych")
    experiment_id = experiment.experiment_id if experiment is not None else client.create_experiment("triptych")
    name = run.replace("'", "_")
    found = client.search_runs([experiment_id], f"attributes.run_name = '{name}'", max_results=1)
    run_id = (found[0] if found else client.create_run(experiment_id, run_name=name)).info.run_id
    for key, value in settings.items() if not found else ():
        client.log_param(run_id, key, value)

    def log(line: Mapping[str, Any]) -> None:
        for key, value in _numbers(line).items():
            client.log_metric(run_id, key.replace("@", "_at_"), value, step=line["epoch"])

    yield log
    client.set_terminated(run_id)


def _numbers(line: Mapping[str, Any]) -> dict[str, float]:
    return {key: float(value) for key, value in line.items() if key != "epoch" and isinstance(value, int | float)}


def _not_installed(what: str, package: str) -> SettingsError:
    return SettingsError(f"{what} is not installed", hint=f"pip install {package}")


LOGGERS = {"tensorboard": (_tensorboard, "runs/tensorboard"), "mlflow": (_mlflow, "sqlite:///mlflow.db")}
PACKAGES = {"tensorboard": ("TensorBoard", "tensorboard"), "mlflow": ("MLflow", "mlflow")}
