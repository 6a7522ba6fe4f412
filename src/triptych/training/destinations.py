"""Where else the lines of metrics.jsonl go while a model trains: TensorBoard, MLflow. Neither is needed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from triptych.errors import SettingsError, did_you_mean

Destination = Callable[[Mapping[str, Any]], None]


def nowhere(line: Mapping[str, Any]) -> None:
    """The destination of those who have metrics.jsonl."""


@contextmanager
def destinations(named: Sequence[str], run: Path, settings: Mapping[str, Any]) -> Iterator[Destination]:
    """One destination for all that are named: `tensorboard:FOLDER`, `mlflow:TRACKING-URI`.

    run: the run's folder, by which it is called there; settings: told once, in plain values. A destination that fails
    while the model trains is warned of, and training goes on. After an interruption some lines are told twice. Raises
    SettingsError on an unknown kind, or if its package is not installed.
    """
    with ExitStack() as open_ones:
        tellers = {name: open_ones.enter_context(_opened(name, str(run), settings)) for name in named}

        def tell(line: Mapping[str, Any]) -> None:
            for name, each in tellers.items():
                try:
                    each(line)
                except Exception as error:  # a server that is away: the same lines are in metrics.jsonl
                    warnings.warn(f"{name} did not take epoch {line['epoch']}: {error}", stacklevel=2)

        yield tell


def _opened(name: str, run: str, settings: Mapping[str, Any]) -> Any:
    kind, _, where = name.partition(":")
    if kind not in KINDS:
        raise SettingsError(f'unknown destination "{name}"', mend=did_you_mean(kind, KINDS))
    if not where:
        raise SettingsError(f'destination "{name}" says no place', mend=f"write {kind}:{KINDS[kind][1]}")
    return KINDS[kind][0](where, run, settings)


@contextmanager
def _tensorboard(folder: str, run: str, settings: Mapping[str, Any]) -> Iterator[Destination]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        raise _not_installed("TensorBoard", "tensorboard") from None
    writer: Any = SummaryWriter(f"{folder}/{run.strip('/')}")
    writer.add_text("settings", "\n".join(f"    {key} = {value}" for key, value in settings.items()))

    def tell(line: Mapping[str, Any]) -> None:
        for key, value in _numbers(line).items():
            writer.add_scalar(key, value, line["epoch"])
        writer.flush()

    try:
        yield tell
    finally:
        writer.close()


@contextmanager
def _mlflow(uri: str, run: str, settings: Mapping[str, Any]) -> Iterator[Destination]:
    try:
        from mlflow import MlflowClient
    except ModuleNotFoundError:
        raise _not_installed("MLflow", "mlflow") from None
    client: Any = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("triptych")
    of = experiment.experiment_id if experiment is not None else client.create_experiment("triptych")
    name = run.replace("'", "_")
    found = client.search_runs([of], f"attributes.run_name = '{name}'", max_results=1)
    own = (found[0] if found else client.create_run(of, run_name=name)).info.run_id
    for key, value in settings.items() if not found else ():
        client.log_param(own, key, value)

    def tell(line: Mapping[str, Any]) -> None:
        for key, value in _numbers(line).items():
            client.log_metric(own, key.replace("@", "_at_"), value, step=line["epoch"])

    yield tell
    client.set_terminated(own)


def _numbers(line: Mapping[str, Any]) -> dict[str, float]:
    return {key: float(value) for key, value in line.items() if key != "epoch" and isinstance(value, int | float)}


def _not_installed(what: str, package: str) -> SettingsError:
    return SettingsError(f"{what} is not installed", mend=f"pip install {package}")


KINDS = {"tensorboard": (_tensorboard, "runs/tensorboard"), "mlflow": (_mlflow, "sqlite:///mlflow.db")}
