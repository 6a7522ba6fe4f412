"""`triptych compare`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from triptych.cli import show
from triptych.cli.train import divide
from triptych.errors import SettingsError, did_you_mean
from triptych.settings import assignments, parse
from triptych.training.settings import TrainingSettings

if TYPE_CHECKING:
    from triptych.studies.compare import Line


def command(
    data: Annotated[Path, typer.Argument(help="A data set folder that `triptych prepare` wrote.")],
    models: Annotated[
        str, typer.Option("--models", "-m", help="Separated by commas; `triptych models` lists them.")
    ] = "popularity,item-knn,ease,content-ease,lightgcn,bm3",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the runs [default: runs/compare-DATA-seedSEED].")
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
    modalities: Annotated[
        str | None, typer.Option(help="Use only these, separated by commas; 'none' for none [default: all].")
    ] = None,
    part: Annotated[str, typer.Option(help="Held-out interactions to measure on: test or validation.")] = "test",
    mask: Annotated[str, typer.Option(help="Items left out of the ranking: train or known, as in evaluate.")] = "train",
    metrics: Annotated[
        str, typer.Option(help="Separated by commas; the table is in the order of the first.")
    ] = "ndcg@50,ndcg@10,recall@20,recall@50",
    seed: Annotated[int, typer.Option(help="The number that decides everything random.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads [default: all].")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train several models and print one table: quality, seconds per epoch, peak memory.

    Every cell comes from a run folder, OUTPUT/MODEL, that `evaluate` and `recommend` take. Interrupted, the same
    command goes on: finished models are not trained again. A model that fails has its reason in the table; the others
    go on, and the exit code is 1.

    Example:  triptych compare shop/ --models popularity,ease,lightgcn,bm3 --set patience=10 --set bm3.dropout=0.5
    """
    from triptych.data.dataset import open_dataset
    from triptych.models.registry import model_class
    from triptych.ranking.metrics import metric_of
    from triptych.studies.compare import compare

    dataset = open_dataset(data)
    names = list(dict.fromkeys(name.strip() for name in models.split(",") if name.strip()))
    if not names:
        raise SettingsError("no model is named", mend="for example --models lightgcn,bm3")
    for name in names:
        model_class(name)
    given = {name: _settings_of(name, names, assignments(settings or [])) for name in names}
    asked = [str(metric_of(metric.strip())) for metric in metrics.split(",")]
    if modalities is not None and modalities != "none":
        dataset.with_modalities([name.strip() for name in modalities.split(",")])
    folder = output or Path("runs") / f"compare-{data.resolve().name}-seed{seed}"

    def train(model: str, run: Path) -> list[str]:
        arguments = ["train", str(data), "--model", model, "--run", str(run), "--seed", str(seed)]
        arguments += [word for pair in given[model] for word in ("--set", pair)]
        arguments += ["--modalities", modalities] if modalities is not None else []
        return arguments + (["--threads", str(threads)] if threads is not None else [])

    with show.listening() as listener:
        lines = compare(
            names,
            folder,
            train,
            part=cast(Any, part),
            mask=cast(Any, mask),
            metrics=asked,
            listener=listener,
        )
    lines.sort(key=lambda line: -line.metrics.get(asked[0], -1.0))
    failed = [line for line in lines if line.failed]
    if json:
        show.show_json([{**asdict(line), "run": str(line.run)} for line in lines])
    else:
        _show(lines, asked, f"{part} of {data}, full ranking, seed {seed}")
        show.show(f"run folders: {folder}/MODEL")
    for line in failed:
        show.say(f"{line.model} failed: {line.failed}")
    if failed:
        show.say("mend that and run the same command again; the others are kept")
        raise typer.Exit(1)


def _show(lines: list[Line], metrics: list[str], title: str) -> None:
    header = ["", *metrics, "epochs", "s/epoch", "seconds", "peak MB"]
    rows = []
    for line in lines:
        cost = [
            "" if line.epochs is None else line.epochs,
            "" if line.seconds_per_epoch is None else f"{line.seconds_per_epoch:.2f}",
            "" if line.seconds is None else f"{line.seconds:.1f}",
            "" if line.peak_megabytes is None else f"{line.peak_megabytes:.0f}",
        ]
        rows.append([line.model, *(line.metrics.get(name, "failed") for name in metrics), *cost])
    show.show_table(title, header, rows)


def _settings_of(model: str, models: list[str], values: dict[str, object]) -> list[str]:
    """The --set pairs of one model: training's, and those that name it. Raises SettingsError on a wrong one."""
    from triptych.models.registry import model_class
    from triptych.ranking.metrics import metric_of

    own: dict[str, Any] = {}
    for name, value in values.items():
        whose, dot, setting = name.rpartition(".")
        if dot and whose not in models:
            raise SettingsError(f'"{name}" names no model of the comparison', mend=did_you_mean(whose, models))
        if setting == "seed":
            raise SettingsError("all models of a comparison have one seed", mend="write --seed NUMBER")
        if not dot or whose == model:
            own[setting] = value
    training, theirs = divide(model, own)
    metric_of(parse(TrainingSettings, training, of="training").metric)
    parse(model_class(model).Settings, theirs, of=model)
    return [f"{name}={value}" for name, value in own.items()]
