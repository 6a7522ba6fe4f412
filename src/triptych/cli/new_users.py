"""`triptych new-users`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from triptych.cli import show


def command(
    data: Annotated[Path, typer.Argument(help="A data set folder that `triptych prepare` wrote.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Which model; see `triptych models`.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the model or of training.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the two trainings [default: runs/new-users-…].")
    ] = None,
    share: Annotated[float, typer.Option(min=0.001, max=0.9, help="Share of the users that are held out whole.")] = 0.1,
    clicks: Annotated[int, typer.Option(min=1, help="Items of each that are known when the list is made.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="The one number that decides everything random.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads [default: all].")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """How good new users' lists are at once, and how near to those that retraining would give.

    Some users are held out whole. A model that never saw them makes lists from a few of their items, as
    `recommend --history` does; a second one is trained with those items. Both are measured on all else these users took.
    Interrupted, the same command goes on.

    Example:  triptych new-users shop/ --model bm3 --clicks 5
    """
    import torch

    from triptych.data.dataset import open_dataset
    from triptych.models.registry import model_class
    from triptych.settings import assignments, divide, parse
    from triptych.studies.new_users import evaluate_new_users
    from triptych.training.settings import TrainingSettings

    if threads is not None:
        torch.set_num_threads(threads)
    kind = model_class(model).Settings
    training, own = divide(
        {**assignments(settings or []), "seed": seed}, TrainingSettings, kind, of=f"{model} or training"
    )
    folder = output or Path("runs") / f"new-users-{model}-{data.resolve().name}-{share:g}-{clicks}-seed{seed}"
    with show.listening() as listener:
        found = evaluate_new_users(
            model,
            open_dataset(data),
            own,
            parse(TrainingSettings, training, of="training"),
            folder=folder,
            share=share,
            clicks=clicks,
            seed=seed,
            listener=listener,
        )
    if json:
        show.show_json(asdict(found))
        return
    rows = [[whose, each.mean, f"{each.low:.4f} … {each.high:.4f}"] for whose, each in found.values.items()]
    title = f"{model}: {found.users:,} held-out users from {clicks} items each, on all else that they took"
    show.show_table(title, ["list", "NDCG@50", "95 % interval"], rows)
    show.show(f"the list at once shares {found.overlap.mean:.0%} of its items with the retrained model's")
