"""`triptych train`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from triptych.cli.help import Command, write_entries
from triptych.cli.options import MODEL, OUTPUT, Data, Json, Modalities, Quiet, Settings, Threads, check_choice
from triptych.cli.printing import count_text, open_with_progress, print_json, print_result, show_progress
from triptych.cli.refit import refit_blend, refuse_with_blend
from triptych.cli.signals import stop_requests, tolerant_listener
from triptych.errors import SettingsError
from triptych.outputs import check_folder

if TYPE_CHECKING:
    from triptych.data.split import FitOn
    from triptych.ranking.recommender import Recommender
    from triptych.training.run_context import MetricsLogger
    from triptych.training.settings import TrainingSettings


class TrainCommand(Command):
    """`triptych train`, whose help ends with the settings of training."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        from triptych.settings import describe
        from triptych.training.settings import TrainingSettings

        title = "Settings of training, for --set (settings of the models: triptych models)"
        entries = (f"{each.name} = {each.default}: {each.meaning}" for each in describe(TrainingSettings))
        write_entries(formatter, title, entries)


def command(
    data: Data,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            rich_help_panel=MODEL,
            help="Model; see `triptych models` [default: bm3].",
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            "--like",
            metavar="RUN",
            rich_help_panel=MODEL,
            help="Take model, settings, modalities, seed and best epoch from a run folder, or from the best trial of a "
            "folder of `tune`. Other options have priority over it.",
        ),
    ] = None,
    refit: Annotated[
        Path | None,
        typer.Option(
            "--refit",
            metavar="RUN",
            rich_help_panel=MODEL,
            help="The final fit: short for --like RUN --fit-on all. Of a blend, all its models are fitted, and blended "
            "with the same weights.",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN",
            rich_help_panel=MODEL,
            help="Warm start: begin with the parameters of an earlier run, carried over by id. Model, settings, "
            "modalities and seed are those of the run too; the number of epochs is not.",
        ),
    ] = None,
    fit_on: Annotated[
        str | None,
        typer.Option(
            metavar="SPLITS",
            rich_help_panel=MODEL,
            help="Interactions to fit to: train, or for a final fit train+validation or all. Without validation, "
            "training does not stop early and needs --set epochs=N or --like RUN. [default: train]",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            "--run",
            "-r",
            metavar="RUN",
            rich_help_panel=OUTPUT,
            help="Run folder to write or resume [default: runs/MODEL-DATA-seedSEED, and -SPLITS of a final fit, -warm "
            "of a warm start].",
        ),
    ] = None,
    settings: Settings = None,
    settings_file: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            metavar="FILE",
            rich_help_panel=MODEL,
            help="TOML file of settings. A --set has priority over it.",
        ),
    ] = None,
    modalities: Modalities = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="SEED", rich_help_panel=MODEL, help="Seed of all randomness [default: 0]."),
    ] = None,
    threads: Threads = None,
    log_to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND:TARGET",
            rich_help_panel=OUTPUT,
            help="Also log metrics to tensorboard:FOLDER or mlflow:URI. Repeatable.",
        ),
    ] = None,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", hidden=True, help="Stop, as by Ctrl-C, when standard input ends.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on a prepared data set.

    Training stops early by a validation metric. The run folder gets checkpoints, metrics.jsonl with one line per epoch,
    and the model for `evaluate` and `recommend`. After an interruption, even a killed process, run the same command
    again: it resumes from the last checkpoint, and the result has the same bytes. With more epochs or another patience,
    a run goes on, also a finished one.

    Examples:
        triptych train shop/ --model bm3 --set n_layers=1 \\
            --set patience=10 --seed 1

        # the final fit on all interactions, with what a search found:
        triptych train shop/ --refit tuned/bm3

        # going on with a new data set, from what an earlier run learned:
        triptych train new-shop/ --from runs/bm3-shop-seed0
    """
    from triptych.data.dataset import open_dataset, parse_modalities
    from triptych.data.split import FitOn
    from triptych.data.split_codes import TEST, in_split
    from triptych.models.model import TrainedModel
    from triptych.models.registry import model_class
    from triptych.ranking.metrics import parse_metric
    from triptych.ranking.scorer import Blend
    from triptych.settings import parse, parse_assignments, read_toml, split_settings
    from triptych.studies.final_fit import final_fit_of, open_source
    from triptych.training.loggers import check_loggers, open_loggers
    from triptych.training.settings import TrainingSettings, require_epochs
    from triptych.training.warm_start import require_parameters

    if refit is not None and like is not None:
        raise SettingsError("--refit and --like both name a run", hint="give one of them")
    like, fit_on = refit or like, fit_on or ("train" if refit is None else "all")
    check_choice("--fit-on", fit_on, get_args(FitOn))
    values: dict[str, Any] = read_toml(settings_file) if settings_file else {}
    values |= parse_assignments(settings or [])
    source = None if like is None else open_with_progress(open_source, like)
    if refit is not None and source is not None and isinstance(source.scorer, Blend):
        given = {"--model": model, "--from": start, "--modalities": modalities, "--seed": seed, "--log-to": log_to}
        refuse_with_blend(refit, {**given, "--set": settings, "--settings": settings_file})
        folder = run or Path("runs") / f"blend-{data.resolve().name}-{fit_on}"
        refit_blend(
            source, data, folder, cast(FitOn, fit_on), threads, json=json, until_stdin_closes=until_stdin_closes
        )
        return
    before = None if start is None else open_with_progress(open_source, start)
    if before is not None:
        require_parameters(before)
    for path, each in ((like, source), (start, before)):
        if path is not None and each is not None:
            found = final_fit_of(each.about, path)
            if model not in (None, found.model):
                raise SettingsError(f"{path} is a run of {found.model}, not of {model}", hint="leave --model out")
            own = {name: value for name, value in found.training.items() if each is source or name != "epochs"}
            model, values = found.model, {**found.settings, **own, **values}
            modalities = (",".join(found.modalities) or "none") if modalities is None else modalities
    model = model or "bm3"
    if seed is not None:
        values["seed"] = seed
    training_settings, model_settings = split_settings(
        values, TrainingSettings, model_class(model).Settings, of=f"{model} or training"
    )
    training = parse(TrainingSettings, training_settings, of="training")
    parse(model_class(model).Settings, model_settings, of=model)
    parse_metric(training.metric)
    check_loggers(log_to or [])
    is_trained = issubclass(model_class(model), TrainedModel)
    if is_trained and fit_on != "train":
        require_epochs(training)
    suffix = ("" if fit_on == "train" else f"-{fit_on}") + ("" if before is None else "-warm")
    folder = run or Path("runs") / f"{model}-{data.resolve().name}-seed{training.seed}{suffix}"
    check_folder(folder)
    dataset = open_with_progress(open_dataset, data)
    if modalities is not None:
        dataset = dataset.with_modalities(parse_modalities(modalities))
    with (
        stop_requests(at_step_ends=is_trained, until_stdin_closes=until_stdin_closes) as should_stop,
        open_loggers(log_to or [], folder, {"model": model, "data": str(data), **values}) as loggers,
    ):
        recommender = _fit(
            model, dataset, model_settings, training, folder, threads, should_stop, loggers, cast(FitOn, fit_on), before
        )
    result = {key: value for key, value in recommender.about.items() if key not in ("settings", "training")}
    if json:
        print_json({"run": str(folder), **result})
        return
    for key in sorted(key for key in result if key.startswith("validation/")):
        print_result(f"{key} {result[key]:.4f} at epoch {result['best_epoch']} of {result['epochs']}")
    if is_trained and "best_epoch" not in result:
        print_result(f"trained for {count_text(result['epochs'], 'epoch')}, without validation")
    held_out = recommender.dataset.split_codes is not None and in_split(recommender.dataset.split_codes, TEST).any()
    next_ = f"evaluate {folder}" if held_out else f"recommend {folder} --output recommendations.parquet"
    print_result(f"run folder: {folder}", f"next: triptych {next_}")


def _fit(
    model: str,
    dataset: Any,
    settings: dict[str, Any],
    training: TrainingSettings,
    folder: Path,
    threads: int | None,
    should_stop: Callable[[], bool],
    loggers: list[MetricsLogger],
    fit_on: FitOn,
    start_from: Recommender | None,
) -> Recommender:
    import torch

    from triptych.training.fit import fit

    if threads is not None:
        torch.set_num_threads(threads)
    with show_progress() as listener:
        tolerant = tolerant_listener(listener)
        return fit(
            model,
            dataset,
            settings,
            training,
            run=folder,
            listener=tolerant,
            should_stop=should_stop,
            loggers=loggers,
            fit_on=fit_on,
            start_from=start_from,
        )
