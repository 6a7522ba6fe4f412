"""`triptych tune`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from triptych.cli.options import COMPUTING, MODEL, OUTPUT, Data, Json, Modalities, Model, Quiet, Settings
from triptych.cli.printing import open_with_progress, print_json, print_result, print_table, show_progress
from triptych.errors import InputError, location
from triptych.outputs import check_folder

TRIALS_SHOWN = 10  # in the table
SEARCH = "Search"
NO_VALIDATION = "prepare it with a validation share; a final fit on all data comes after the search"


def command(
    data: Data,
    model: Model = "bm3",
    trials: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            rich_help_panel=SEARCH,
            help="Number of trials. Use the same number for all models that you compare.",
        ),
    ] = 20,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            rich_help_panel=OUTPUT,
            help="Folder to write or resume [default: runs/tune-MODEL-DATA-seedSEED].",
        ),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=A,B,C | NAME=LOW..HIGH",
            rich_help_panel=SEARCH,
            help="Values of a setting to search, instead of those that `triptych models` lists. LOW..HIGH is a "
            "logarithmic range. Repeatable.",
        ),
    ] = None,
    settings: Settings = None,
    modalities: Modalities = None,
    jobs: Annotated[
        int,
        typer.Option(min=1, metavar="N", rich_help_panel=COMPUTING, help="Trials at the same time, one process each."),
    ] = 1,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            rich_help_panel=COMPUTING,
            help="Processor threads per trial [default: all, divided by --jobs].",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, metavar="SEED", rich_help_panel=MODEL, help="Seed of all randomness.")
    ] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search for the best settings of a model.

    Trials are judged on the validation split only. The test split is not used. Each trial is a run folder in
    FOLDER/runs. If the search space has no more points than trials, all points are tried; otherwise Optuna proposes
    them. After an interruption, run the same command again to resume. With more --trials, a finished search continues.
    The best settings are written to FOLDER/best.toml, for `train`.

    Example:
        triptych tune shop/ --model bm3 --trials 8 --jobs 2 -o tuned/bm3

    Next:
        triptych train shop/ --model bm3 --settings tuned/bm3/best.toml
    """
    from triptych.data.dataset import open_dataset, parse_modalities
    from triptych.data.split import Split
    from triptych.models.registry import model_class
    from triptych.ranking.metrics import parse_metric
    from triptych.settings import parse_assignments
    from triptych.studies.processes import train_arguments
    from triptych.studies.propose import default_point, require_proposals, search_space
    from triptych.studies.tune import BEST, settings_text, tune
    from triptych.training.settings import TrainingSettings

    fixed = parse_assignments(settings or [])
    space = search_space(model, fixed, parse_assignments(search or []))
    metric = str(parse_metric(str(fixed.get("metric", TrainingSettings().metric))))
    require_proposals(space, trials)
    folder = output or Path("runs") / f"tune-{model}-{data.resolve().name}-seed{seed}"
    check_folder(folder)
    dataset = open_with_progress(open_dataset, data)
    if modalities is not None:
        dataset.with_modalities(parse_modalities(modalities))  # raises an error for an unknown modality
    if not len(Split.from_dataset(dataset).validation):
        raise InputError("has no validation interactions to judge trials by", where=location(data), hint=NO_VALIDATION)
    threads_per_trial = threads or max(1, (os.cpu_count() or 1) // jobs)

    def train(chosen: Any, run: Path) -> list[str]:
        return train_arguments(
            data, model, run, seed, {**fixed, **chosen}, modalities=modalities, threads=threads_per_trial
        )

    about = {"model": model, "data": dataset.fingerprint, "modalities": modalities}
    with show_progress() as listener:
        results = tune(
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
        print_json([{"run": str(trial.run), **asdict(trial.result)} for trial in results])
        return
    rows = [
        [
            t.run.name,
            "failed" if t.result.value is None else t.result.value,
            *map(_value_text, t.result.settings.values()),
        ]
        for t in results[:TRIALS_SHOWN]
    ]
    title = f"{model} on {data}: the best of {len(results)} trials, on validation"
    print_table(title, ["run", metric, *space], rows)
    print_result(f"best settings: {folder / BEST} ({settings_text(results[0].result.settings)})")
    same_modalities = f" --modalities {modalities}" if modalities is not None else ""
    print_result(
        f"next: triptych train {data} --model {model} --settings {folder / BEST} --seed {seed}{same_modalities}"
    )
    epochs = results[0].result.best_epoch
    print_result(
        f"final fit on all interactions{'' if epochs is None else f', {epochs} epochs'}: "
        f"triptych train {data} --refit {folder}"
    )


def _value_text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
