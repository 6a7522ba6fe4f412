"""`triptych compare`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.cli import show
from triptych.errors import SettingsError, did_you_mean
from triptych.settings import assignments

if TYPE_CHECKING:
    from triptych.studies.experiment import Experiment
    from triptych.studies.rows import Row

MODELS = "popularity,item-knn,ease,content-ease,lightgcn,bm3"


def command(
    data: Annotated[
        Path, typer.Argument(help="A data set folder that `triptych prepare` wrote, or an experiment's TOML.")
    ],
    models: Annotated[
        str | None,
        typer.Option("--models", "-m", help=f"Separated by commas; `triptych models` lists them [default: {MODELS}]."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the runs and tables [default: runs/compare-NAME].")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="[MODEL.]NAME=VALUE",
            help="A setting of training, or of one model (bm3.dropout=0.5). Repeatable.",
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Every model is fitted once with each; separated by commas [default: 0].")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=0, help="Tune every model before, with so many trials, on validation [default: 0]."),
    ] = None,
    modalities: Annotated[
        str | None, typer.Option(help="Use only these, separated by commas; 'none' for none [default: all].")
    ] = None,
    subsets: Annotated[
        bool | None, typer.Option("--subsets", help="Fit models of content with every subset of the modalities too.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Held-out interactions to measure on: test or validation [default: test].")
    ] = None,
    exclude: Annotated[
        str | None,
        typer.Option(help="Items left out of the ranking: train or train+validation, as in evaluate [default: train]."),
    ] = None,
    items: Annotated[
        str | None, typer.Option(help="Items that are ranked and count: all, warm or cold [default: all].")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Separated by commas; the first orders the table and is tested.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Fits at a time, each a process.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads of a fit [default: all].")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Fit several models and print one table a data set: quality with intervals and tests, coverage, cost.

    Intervals are 95 % bootstrap intervals over users; ● marks the best and what paired tests, corrected for the number
    of models, cannot tell from it. Every cell comes from run folders, OUTPUT/DATA/LINE/seed-N, that `evaluate` and
    `recommend` take; OUTPUT gets the tables as comparison.json, .csv, .md and .tex, kinds of users and items included.
    Interrupted, the same command goes on: what is finished is not fitted again. A model that fails has its reason in
    the table; the others go on, and the exit code is 1.

    Example:  triptych compare shop/ --models popularity,ease,lightgcn,bm3 --seeds 0,1,2 --set patience=10

              triptych compare experiment.toml      (data, models, settings, seeds, tuning: all in one file)
    """
    from triptych.studies.compare import compare
    from triptych.studies.experiment import checked
    from triptych.studies.tables import CERTAIN, to_json, write_tables

    in_file = data.suffix == ".toml"
    experiment = (_of_file if in_file else _of_words)(data, models, settings)
    given: dict[str, Any] = {
        "seeds": None if seeds is None else tuple(_seed(each) for each in seeds.split(",")),
        "trials": trials,
        "modalities": modalities,
        "subsets": subsets,
        "split": split,
        "exclude": exclude,
        "items": items,
        "metrics": None if metrics is None else tuple(each.strip() for each in metrics.split(",")),
    }
    experiment = checked(replace(experiment, **{key: value for key, value in given.items() if value is not None}))
    name = data.stem if in_file else data.resolve().name
    folder = output or Path("runs") / f"compare-{name}"
    with show.listening() as listener:
        beside = data.parent if in_file else None
        rows = compare(experiment, folder, jobs=jobs, threads=threads, beside=beside, listener=listener)
    how = {name: getattr(experiment, name) for name in ("split", "exclude", "items", "modalities")}
    how["folders"] = {of: str(Path(source.folder).resolve()) for of, source in experiment.data.items()}
    write_tables(rows, folder, {**how, "seeds": list(experiment.seeds)})
    if json:
        show.show_json(to_json(rows))
    else:
        for of in experiment.data:
            ranked = "" if experiment.items == "all" else f", {experiment.items} items only"
            title = f"{experiment.split} of {of}, full ranking{ranked}, {_seeds_in_words(experiment.seeds)}"
            _show([row for row in rows if row.data == of], title)
        show.show(f"● the best, and what cannot be told from it (p ≥ {CERTAIN:g}, corrected)")
        show.show(f"tables: {folder}/comparison.json, .csv, .md, .tex; run folders: {folder}/DATA/LINE/seed-N")
        show.show(f"next: triptych report {folder}")
    failed = [row for row in rows if row.failed]
    for row in failed:
        show.say(f"{row.entry} on {row.data} failed: {row.failed}")
    if failed:
        show.say("mend that and run the same command again; the others are kept")
        raise typer.Exit(1)


def _show(rows: list[Row], title: str) -> None:
    from triptych.studies.tables import COST, LISTS, cells, dot

    metrics = next((list(row.metrics) for row in rows if row.metrics), [])
    for heads, of in (((*metrics, *LISTS), title), (COST, "what it costs")):
        table = []
        for row in rows:
            told = {**cells(row), **({heads[0]: "failed"} if row.failed else {})}
            table.append([f"{row.label}{dot(row)}", *(told.get(head, "") for head in heads)])
        show.show_table(of, ["", *heads], table)


def _of_file(path: Path, models: str | None, settings: list[str] | None) -> Experiment:
    from triptych.studies.experiment import read_experiment

    experiment = read_experiment(path)
    if settings:
        raise SettingsError("--set goes with a data set; an experiment's settings are in its file", hint=f"edit {path}")
    if models is None:
        return experiment
    chosen = _names(models)
    for name in chosen:
        if name not in experiment.models:
            raise SettingsError(f'"{name}" names no line of {path}', hint=did_you_mean(name, experiment.models))
    return replace(experiment, models={name: experiment.models[name] for name in chosen})


def _of_words(data: Path, models: str | None, settings: list[str] | None) -> Experiment:
    from triptych.data.dataset import open_dataset
    from triptych.models.registry import model_class
    from triptych.studies.experiment import Entry, Experiment, Source

    open_dataset(data)
    names = _names(models or MODELS)
    for name in names:
        model_class(name)
    shared: dict[str, Any] = {}
    own: dict[str, dict[str, Any]] = {name: {} for name in names}
    for name, value in assignments(settings or []).items():
        whose, dot, setting = name.rpartition(".")
        if dot and whose not in names:
            raise SettingsError(f'"{name}" names no model of the comparison', hint=did_you_mean(whose, names))
        if setting == "seed":
            raise SettingsError("all models of a comparison have the same seeds", hint="write --seeds 0,1,2")
        (own[whose] if dot else shared)[setting] = value
    return Experiment(
        data={data.resolve().name: Source(str(data))},
        models={name: Entry(settings=own[name]) for name in names},
        training=shared,
        metrics=("ndcg@50", "ndcg@10", "recall@20", "recall@50"),
    )


def _names(models: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in models.split(",") if name.strip()))
    if not names:
        raise SettingsError("no model is named", hint="for example --models lightgcn,bm3")
    return names


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f'"{text}" is no seed', hint="write numbers, for example --seeds 0,1,2") from None


def _seeds_in_words(seeds: tuple[int, ...]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"mean of seeds {', '.join(map(str, seeds))}"
