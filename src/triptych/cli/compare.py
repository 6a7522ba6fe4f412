"""`triptych compare`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.cli.compare_tables import print_comparison
from triptych.cli.options import COMPUTING, EVALUATION, MODEL, OUTPUT, EscapeFormulas, Json, Modalities, Quiet
from triptych.cli.printing import open_with_progress, print_json, print_message, show_progress
from triptych.cli.reranking import parse_weights
from triptych.errors import SettingsError, did_you_mean
from triptych.outputs import check_folder

if TYPE_CHECKING:
    from triptych.studies.experiment import Experiment

MODELS = "popularity,item-knn,ease,content-ease,lightgcn,bm3"


def command(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Data set folder written by `triptych prepare`, or experiment file (.toml)."
        ),
    ],
    models: Annotated[
        str | None,
        typer.Option(
            "--models",
            "-m",
            metavar="NAMES",
            rich_help_panel=MODEL,
            help=f"Models, separated by commas; see `triptych models` [default: {MODELS.replace(',', ', ')}].",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            rich_help_panel=OUTPUT,
            help="Folder for runs and tables [default: runs/compare-NAME].",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="[MODEL.]NAME=VALUE",
            rich_help_panel=MODEL,
            help="Setting of training, or of one model, as bm3.dropout=0.5. Repeatable.",
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="SEEDS",
            rich_help_panel=MODEL,
            help="Seeds, separated by commas. Each model is fitted once per seed [default: 0].",
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            rich_help_panel=MODEL,
            help="First tune each model on validation with this many trials [default: 0].",
        ),
    ] = None,
    modalities: Modalities = None,
    subsets: Annotated[
        bool | None,
        typer.Option(
            "--subsets",
            rich_help_panel=MODEL,
            help="Also fit each multimodal model with every subset of the modalities.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="SPLIT",
            rich_help_panel=EVALUATION,
            help="Held-out interactions to measure on: test or validation [default: test].",
        ),
    ] = None,
    exclude: Annotated[
        str | None,
        typer.Option(
            metavar="SPLITS",
            rich_help_panel=EVALUATION,
            help="Each user's items to leave out of the ranking: train or train+validation [default: train].",
        ),
    ] = None,
    items: Annotated[
        str | None,
        typer.Option(
            metavar="ITEMS", rich_help_panel=EVALUATION, help="Items to rank: all, warm or cold [default: all]."
        ),
    ] = None,
    users: Annotated[
        str | None,
        typer.Option(
            metavar="USERS", rich_help_panel=EVALUATION, help="Users to measure: all, warm or cold [default: all]."
        ),
    ] = None,
    seen: Annotated[
        str | None,
        typer.Option(
            metavar="CHOICE",
            rich_help_panel=EVALUATION,
            help="Excluded items: drop, keep (people buy again) or auto: as prepared [default: auto].",
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="METRICS",
            rich_help_panel=EVALUATION,
            help="Metrics, separated by commas. The first one sorts the table and is tested.",
        ),
    ] = None,
    diversity: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS",
            rich_help_panel=EVALUATION,
            help="Also measure lists that are re-ranked for diversity, with each of these weights, as 0,0.1,0.3,0.5.",
        ),
    ] = None,
    similarity: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=EVALUATION,
            help="What makes items alike: model, interactions (the same users) or a modality [default: model].",
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, metavar="N", rich_help_panel=COMPUTING, help="Processes that fit at the same time.")
    ] = 1,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", rich_help_panel=COMPUTING, help="Processor threads per process [default: all]."
        ),
    ] = None,
    escape_formulas: EscapeFormulas = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit several models and compare them in one table.

    The table shows metrics with 95 % bootstrap intervals over users, coverage and cost. A dot ● marks the best model
    and the models that do not differ from it by a paired test, corrected for the number of models.

    Run folders are FOLDER/DATA/ENTRY/seed-N, where ENTRY is the name in the table. Use them with `evaluate` and
    `recommend`. The tables are also written as comparison.json, .csv, .md and .tex, with groups of users and items.
    After an interruption, run the same command again: finished runs are kept. If a model fails, the table shows the
    reason, the others continue, and the exit code is 1.

    With --diversity, a second table shows what a larger weight costs in the first metric, and what it gains: less
    similarity inside the lists, and a larger share of the catalogue. `report` draws it.

    Examples:
        triptych compare shop/ --models popularity,ease,lightgcn,bm3 \\
            --seeds 0,1,2 --set patience=10

        # what diversity costs and gains:
        triptych compare shop/ --models ease,bm3 --diversity 0,0.1,0.3,0.5

        # data, models, settings, seeds and tuning in one file:
        triptych compare experiment.toml
    """
    from triptych.data.dataset import open_dataset
    from triptych.studies.compare import compare
    from triptych.studies.comparison import rows_to_json, write_comparison
    from triptych.studies.experiment import check_experiment
    from triptych.studies.tables import write_tables

    in_file = data.suffix == ".toml"
    experiment = (_read_experiment if in_file else _make_experiment)(data, models, settings)
    given: dict[str, Any] = {
        "seeds": None if seeds is None else tuple(_parse_seed(each) for each in seeds.split(",")),
        "trials": trials,
        "modalities": modalities,
        "subsets": subsets,
        "split": split,
        "exclude": exclude,
        "items": items,
        "users": users,
        "seen": seen,
        "diversity": None if diversity is None else parse_weights(diversity),
        "similarity": similarity,
        "metrics": None if metrics is None else tuple(each.strip() for each in metrics.split(",")),
    }
    experiment = replace(experiment, **{key: value for key, value in given.items() if value is not None})
    check_experiment(experiment)
    folder = output or Path("runs") / f"compare-{data.stem if in_file else data.resolve().name}"
    check_folder(folder)
    if not in_file:
        open_with_progress(open_dataset, data)
    with show_progress() as listener:
        base_folder = data.parent if in_file else None
        rows = compare(experiment, folder, jobs=jobs, threads=threads, base_folder=base_folder, listener=listener)
    write_comparison(rows, experiment, folder)
    write_tables(rows, folder, escape_formulas=escape_formulas)
    if json:
        print_json(rows_to_json(rows))
    else:
        print_comparison(experiment, rows, folder)
    failed = [row for row in rows if row.failed]
    for row in failed:
        print_message(f"{row.entry} on {row.data} failed: {row.failed}")
    if failed:
        print_message("correct the cause and run the same command again: finished runs are kept")
        raise typer.Exit(1)


def _read_experiment(path: Path, models: str | None, settings: list[str] | None) -> Experiment:
    """Read an experiment file, with only those of its entries that `models` names."""
    from triptych.studies.experiment import read_experiment

    experiment = read_experiment(path)
    if settings:
        raise SettingsError(
            "--set needs a data set folder; an experiment has its settings in its file", hint=f"edit {path}"
        )
    if models is None:
        return experiment
    chosen = _parse_models(models)
    for name in chosen:
        if name not in experiment.models:
            raise SettingsError(f'{path} has no model "{name}"', hint=did_you_mean(name, experiment.models))
    return replace(experiment, models={name: experiment.models[name] for name in chosen})


def _make_experiment(data: Path, models: str | None, settings: list[str] | None) -> Experiment:
    """Make an experiment on one data set from the command line's options."""
    from triptych.models.registry import model_class
    from triptych.settings import parse_assignments
    from triptych.studies.experiment import Entry, Experiment, Source

    names = _parse_models(models or MODELS)
    for name in names:
        model_class(name)
    training: dict[str, Any] = {}
    by_model: dict[str, dict[str, Any]] = {name: {} for name in names}
    for name, value in parse_assignments(settings or []).items():
        model, dot, setting = name.rpartition(".")
        if dot and model not in names:
            raise SettingsError(f'"{name}" is not a setting of a compared model', hint=did_you_mean(model, names))
        if setting == "seed":
            raise SettingsError("all models of a comparison have the same seeds", hint="write --seeds 0,1,2")
        (by_model[model] if dot else training)[setting] = value
    return Experiment(
        data={data.resolve().name: Source(str(data))},
        models={name: Entry(settings=by_model[name]) for name in names},
        training=training,
        metrics=("ndcg@50", "ndcg@10", "recall@20", "recall@50"),
    )


def _parse_models(models: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in models.split(",") if name.strip()))
    if not names:
        raise SettingsError("no model is named", hint="for example --models lightgcn,bm3")
    return names


def _parse_seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f'"{text}" is not a seed', hint="write numbers, for example --seeds 0,1,2") from None
