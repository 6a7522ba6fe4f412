"""`triptych new-users`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.options import MODEL, OUTPUT, Data, Json, Model, Quiet, Settings, Threads
from triptych.cli.printing import print_json, print_result, print_table, show_progress
from triptych.cli.signals import stop_requests
from triptych.outputs import check_folder

HELD_OUT = "Held-out users"


def command(
    data: Data,
    model: Model,
    settings: Settings = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            rich_help_panel=OUTPUT,
            help="Folder for both models [default: runs/new-users-…].",
        ),
    ] = None,
    share: Annotated[
        float,
        typer.Option(
            min=0.001, max=0.9, metavar="SHARE", rich_help_panel=HELD_OUT, help="Share of the users to hold out."
        ),
    ] = 0.1,
    clicks: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", rich_help_panel=HELD_OUT, help="Items of each held-out user that are given as history."
        ),
    ] = 5,
    seed: Annotated[
        int, typer.Option(min=0, metavar="SEED", rich_help_panel=MODEL, help="Seed of all randomness.")
    ] = 0,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Evaluate recommendations for new users.

    A share of the users is held out completely. A model that was trained without them recommends from a few of their
    items, as `recommend --history` does. A second model is trained with these items as well. Both are measured on the
    other items of these users. After an interruption, run the same command again to resume.

    Example:
        triptych new-users shop/ --model bm3 --clicks 5
    """
    import torch

    from triptych.data.dataset import open_dataset
    from triptych.models.model import TrainedModel
    from triptych.models.registry import model_class
    from triptych.ranking.metrics import parse_metric
    from triptych.settings import parse, parse_assignments, split_settings
    from triptych.studies.new_users import evaluate_new_users
    from triptych.training.settings import TrainingSettings

    if threads is not None:
        torch.set_num_threads(threads)
    training_settings, model_settings = split_settings(
        {**parse_assignments(settings or []), "seed": seed},
        TrainingSettings,
        model_class(model).Settings,
        of=f"{model} or training",
    )
    folder = output or Path("runs") / f"new-users-{model}-{data.resolve().name}-{share:g}-{clicks}-seed{seed}"
    parse(model_class(model).Settings, model_settings, of=model)
    training = parse(TrainingSettings, training_settings, of="training")
    parse_metric(training.metric)
    check_folder(folder)
    is_trained = issubclass(model_class(model), TrainedModel)
    with (
        stop_requests(at_step_ends=is_trained, until_stdin_closes=False) as should_stop,
        show_progress() as listener,
    ):
        result = evaluate_new_users(
            model,
            open_dataset(data, listener),
            model_settings,
            training,
            folder=folder,
            share=share,
            clicks=clicks,
            seed=seed,
            listener=listener,
            should_stop=should_stop,
        )
    if json:
        print_json(asdict(result))
        return
    rows = [
        [name.replace("_", " "), each.mean, f"{each.low:.4f} … {each.high:.4f}"] for name, each in result.values.items()
    ]
    title = f"{model}: {result.users:,} held-out users, {clicks} items of each given, measured on their other items"
    print_table(title, ["list", "NDCG@50", "95 % interval"], rows)
    print_result(f"the list from history shares {result.overlap.mean:.0%} of its items with the retrained model's list")
