"""`triptych train`."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.cli import show
from triptych.settings import assignments, describe, divide, parse, read_toml
from triptych.training.loggers import open_loggers
from triptych.training.run_context import MetricsLogger
from triptych.training.settings import TrainingSettings

if TYPE_CHECKING:
    from triptych.ranking.recommender import Recommender

TRAINING = "\n\n".join(f"  {s.name} = {s.default}: {s.meaning}" for s in describe(TrainingSettings))


def command(
    data: Annotated[Path, typer.Argument(help="A data set folder that `triptych prepare` wrote.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Which model; `triptych models` lists them.")] = "bm3",
    run: Annotated[
        Path | None, typer.Option("--run", "-r", help="Run folder [default: runs/MODEL-DATA-seedSEED].")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="NAME=VALUE", help="A setting of the model or of training; repeatable."),
    ] = None,
    settings_file: Annotated[
        Path | None, typer.Option("--settings", help="A TOML file of settings; --set goes before it.")
    ] = None,
    modalities: Annotated[
        str | None, typer.Option(help="Use only these, separated by commas; 'none' for none [default: all].")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The number that decides everything random.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads [default: all].")] = None,
    log_to: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND:TARGET", help="Log metrics to tensorboard:FOLDER or mlflow:URI too. Repeatable."),
    ] = None,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", hidden=True, help="Stop, as by Ctrl-C, when standard input ends.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train a model on a prepared data set, stopping early by a validation metric.

    The run folder gets checkpoints, metrics.jsonl (one line an epoch) and model/, which `evaluate` and `recommend`
    take. Interrupted at any moment, the same command goes on from the last checkpoint, and ends with the same bytes.

    Example:  triptych train shop/ --model bm3 --set n_layers=1 --set patience=10 --seed 1
    """
    from triptych.data.dataset import named_modalities, open_dataset
    from triptych.models.registry import model_class

    dataset = open_dataset(data)
    if modalities is not None:
        dataset = dataset.with_modalities(named_modalities(modalities))
    values: dict[str, Any] = read_toml(settings_file) if settings_file else {}
    values |= assignments(settings or [])
    if seed is not None:
        values["seed"] = seed
    ours, theirs = divide(values, TrainingSettings, model_class(model).Settings, of=f"{model} or training")
    training = parse(TrainingSettings, ours, of="training")
    folder = run or Path("runs") / f"{model}-{data.resolve().name}-seed{training.seed}"
    with (
        _asked_to_stop(model, until_stdin_closes) as should_stop,
        open_loggers(log_to or [], folder, {"model": model, "data": str(data), **values}) as loggers,
    ):
        recommender = _fit(model, dataset, theirs, training, folder, threads, should_stop, loggers)
    result = {key: value for key, value in recommender.about.items() if key not in ("settings", "training")}
    if json:
        show.show_json({"run": str(folder), **result})
        return
    for key in sorted(key for key in result if key.startswith("validation/")):
        show.show(f"{key} {result[key]:.4f} at epoch {result['best_epoch']} of {result['epochs']}")
    show.show(f"run folder: {folder}\nnext: triptych evaluate {folder}")


def _fit(
    model: str,
    dataset: Any,
    settings: dict[str, Any],
    training: TrainingSettings,
    folder: Path,
    threads: int | None,
    should_stop: Callable[[], bool],
    loggers: list[MetricsLogger],
) -> Recommender:
    import torch

    from triptych.training.fit import fit

    if threads is not None:
        torch.set_num_threads(threads)
    with show.listening() as listener:
        return fit(
            model, dataset, settings, training, run=folder, listener=listener, should_stop=should_stop, loggers=loggers
        )


@contextmanager
def _asked_to_stop(model: str, until_stdin_closes: bool) -> Iterator[Callable[[], bool]]:
    """Whether to stop after this step, as the first Ctrl-C asks; a model that is solved is stopped at once."""
    from triptych.models.model import TrainedModel
    from triptych.models.registry import model_class

    asked, trained = threading.Event(), issubclass(model_class(model), TrainedModel)

    def stop(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        show.say_at_once("stopping after this step (again to stop at once); the same command goes on from here")

    def stop_at_the_end_of_stdin() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        if trained:
            asked.set()
        else:
            _thread.interrupt_main()

    if until_stdin_closes:
        threading.Thread(target=stop_at_the_end_of_stdin, daemon=True).start()
    before = signal.signal(signal.SIGINT, stop) if trained else signal.getsignal(signal.SIGINT)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


command.__doc__ = (
    f"{command.__doc__}\n\nSettings of training, for --set:\n\n{TRAINING}\n\nSettings of models: triptych models"
)
