"""`triptych blend`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.options import OUTPUT, Json, Overwrite, Quiet
from triptych.cli.printing import print_json, print_result, print_table, show_progress
from triptych.errors import SettingsError

WEIGHTS = "Choice of the weights"


def command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Run folders of models that were fitted to one data set.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", rich_help_panel=OUTPUT, help="Folder for the blend.")
    ],
    metric: Annotated[
        str, typer.Option(metavar="METRIC", rich_help_panel=WEIGHTS, help="Validation metric to maximise.")
    ] = "ndcg@50",
    users: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            rich_help_panel=WEIGHTS,
            help="Users in the sample that is measured. Fewer are used if they do not fit in 2 GB.",
        ),
    ] = 10_000,
    seed: Annotated[
        int, typer.Option(metavar="SEED", rich_help_panel=WEIGHTS, help="Seed of the sample of users.")
    ] = 0,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Combine several fitted models into one.

    The score of a blend is a weighted sum of the models' scores. Each model's scores are standardised per user first.
    Models with different errors rank better together. The same is true for one model trained with several seeds. The
    weights are chosen on the validation split only, and models with weight zero are left out. Use the result with
    `evaluate` and `recommend`.

    Examples:
        triptych blend runs/content-ease runs/freedom runs/bm3 -o runs/blend

        # all runs of a comparison:
        triptych blend runs/compare-shop/shop/*/seed-[0-9] -o runs/blend
    """
    from triptych.artefacts import check_output
    from triptych.ranking.metrics import parse_metric
    from triptych.ranking.recommender import open_recommender
    from triptych.studies.blend import blend

    parse_metric(metric)
    if len(runs) < 2:
        raise SettingsError("a blend needs at least two models", hint="name another run folder")
    if output.exists() and not overwrite:
        raise SettingsError(f"{output} exists", hint="choose another --output, or pass --overwrite")
    check_output(output, overwrite=overwrite)
    with show_progress() as listener:
        blended = blend(
            [open_recommender(run, listener) for run in runs],
            metric=metric,
            n_users=users,
            seed=seed,
            listener=listener,
        )
    blended.save(output, overwrite=overwrite)
    candidates = [{"run": str(run), **each} for run, each in zip(runs, blended.about["candidates"], strict=True)]
    if json:
        models = [{key: each[key] for key in ("run", "model", "weight", "alone")} for each in candidates]
        print_json({"output": str(output), "weights_chosen": blended.about["weights_chosen"], "runs": models})
        return
    rows = [[each["run"], each["weight"], each["alone"]] for each in candidates]
    print_table(f"the blend: {blended.about['weights_chosen']}", ["", "weight", f"{metric} alone"], rows)
    print_result(f"blend: {output}", f"next: triptych evaluate {output}")
