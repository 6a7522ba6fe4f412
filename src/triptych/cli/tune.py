"""`triptych tune`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from triptych.cli import show
from triptych.settings import assignments
from triptych.training.settings import TrainingSettings

SHOWN = 10  # trials in the table


def command(
    data: Annotated[Path, typer.Argument(help="A data set folder that `triptych prepare` wrote.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Which model; `triptych models` lists them.")] = "bm3",
    trials: Annotated[
        int, typer.Option(min=1, help="How many settings to try; the same for every model is fair.")
    ] = 20,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the search [default: runs/tune-MODEL-DATA-seedSEED]."),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=A,B,C | NAME=LOW..HIGH",
            help="What to search instead of what `triptych models` lists; a span is logarithmic. Repeatable.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="NAME=VALUE", help="A setting that all trials have; repeatable."),
    ] = None,
    modalities: Annotated[
        str | None, typer.Option(help="Use only these, separated by commas; 'none' for none [default: all].")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trials at a time, each a process.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processor threads of a trial [default: all / jobs].")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The number that decides everything random.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Search for a model's best settings, on the validation part only: the test part stays closed.

    Every trial is a run folder below OUTPUT/runs. A space of no more points than trials is gone through whole; else
    Optuna proposes. Interrupted, the same command goes on; with more --trials, a finished search does too. The best
    settings are in OUTPUT/best.toml, which `train` takes:

    Example:  triptych tune shop/ --model bm3 --trials 8 --jobs 2 -o tuned/bm3

              triptych train shop/ --model bm3 --settings tuned/bm3/best.toml
    """
    from triptych.data.dataset import named_modalities, open_dataset
    from triptych.models.registry import model_class
    from triptych.ranking.metrics import parse_metric
    from triptych.studies.processes import training
    from triptych.studies.propose import default_point, search_space
    from triptych.studies.tune import BEST, in_words, tune

    dataset = open_dataset(data)
    if modalities is not None:
        dataset.with_modalities(named_modalities(modalities))
    fixed = assignments(settings or [])
    space = search_space(model, fixed, assignments(search or []))
    metric = str(parse_metric(str(fixed.get("metric", TrainingSettings().metric))))
    folder = output or Path("runs") / f"tune-{model}-{data.resolve().name}-seed{seed}"
    shared = threads or max(1, (os.cpu_count() or 1) // jobs)

    def train(chosen: Any, run: Path) -> list[str]:
        return training(data, model, run, seed, {**fixed, **chosen}, modalities=modalities, threads=shared)

    about = {"model": model, "data": dataset.fingerprint, "modalities": modalities}
    with show.listening() as listener:
        found = tune(
            folder,
            space,
            train,
            about,
            fixed=fixed,
            start=default_point(space, model_class(model).Settings, TrainingSettings),
            metric=metric,
            n_trials=trials,
            jobs=jobs,
            seed=seed,
            listener=listener,
        )
    if json:
        show.show_json([{"run": str(trial.run), **asdict(trial.tried)} for trial in found])
        return
    rows = [
        [t.run.name, "failed" if t.tried.value is None else t.tried.value, *map(_short, t.tried.settings.values())]
        for t in found[:SHOWN]
    ]
    title = f"{model} on {data}: the best of {len(found)} trials, on validation"
    show.show_table(title, ["run", metric, *space], rows)
    show.show(f"best settings: {folder / BEST} ({in_words(found[0].tried.settings)})")
    also = f" --modalities {modalities}" if modalities is not None else ""
    show.show(f"next: triptych train {data} --model {model} --settings {folder / BEST} --seed {seed}{also}")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
