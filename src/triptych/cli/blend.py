"""`triptych blend`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli import show
from triptych.errors import SettingsError


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of models fitted to one data set.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the blend.")],
    metric: Annotated[str, typer.Option(help="What the weights are chosen by, on validation.")] = "ndcg@50",
    users: Annotated[
        int, typer.Option(min=1, help="Users that are looked at to choose them; fewer if 2 GB do not hold them.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(help="The number that decides which users.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace the output folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Blend several fitted models into one: weighed sums of their scores, each standardised a user.

    Models that err differently make better lists together; so do runs of one model with several seeds. The weights
    are chosen on the validation part only, and what gets none is left out; the result is what `evaluate` and
    `recommend` take.

    Examples:  triptych blend runs/content-ease runs/freedom runs/bm3 --output runs/blend

               triptych blend runs/compare-shop/shop/*/seed-[0-9] --output runs/blend   # all that was compared
    """
    from triptych.ranking.metrics import parse_metric
    from triptych.ranking.recommender import open_recommender
    from triptych.studies.blend import blend

    parse_metric(metric)
    if len(runs) < 2:
        raise SettingsError("a blend takes two models or more", hint="name another run folder")
    if output.exists() and not overwrite:
        raise SettingsError(f"{output} exists", hint="choose another --output, or say --overwrite")
    with show.listening() as listener:
        blended = blend(
            [open_recommender(run) for run in runs], metric=metric, n_users=users, seed=seed, listener=listener
        )
    blended.save(output, overwrite=overwrite)
    candidates = [{"run": str(run), **each} for run, each in zip(runs, blended.about["candidates"], strict=True)]
    if json:
        models = [{key: each[key] for key in ("run", "model", "weight", "alone")} for each in candidates]
        show.show_json({"output": str(output), "weights_chosen": blended.about["weights_chosen"], "runs": models})
        return
    rows = [[each["run"], each["weight"], each["alone"]] for each in candidates]
    show.show_table(f"the blend: {blended.about['weights_chosen']}", ["", "weight", f"{metric} alone"], rows)
    show.show(f"blend: {output}\nnext: triptych evaluate {output}")
