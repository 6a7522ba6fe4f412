"""`triptych blend`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.options import OUTPUT, Json, Overwrite, Quiet, parse_columns
from triptych.cli.printing import print_json, print_result, print_table, show_progress
from triptych.errors import SettingsError

WEIGHTS, OUTSIDE = "Choice of the weights", "Scores made elsewhere"


def command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Run folders of models that were fitted to one data set.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", rich_help_panel=OUTPUT, help="Folder for the blend.")
    ],
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            "--scores",
            metavar="FILE",
            rich_help_panel=OUTSIDE,
            help="Scores of another program, as one more member: a table of user_id, item_id and score, or a run of "
            "TREC or ranx. Repeatable.",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="KIND=NAME",
            rich_help_panel=OUTSIDE,
            help="Columns of these files, by commas: user, item and score [default: guessed].",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            rich_help_panel=WEIGHTS,
            help="Weights of the runs, then of the --scores, in their order, separated by commas, instead of choosing "
            "them on validation: for final fits, those that the same models had before (`train --refit` does it).",
        ),
    ] = None,
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

    Scores that another program gave to pairs of users and items take part too. They are standardised over the given
    pairs of each user; the other pairs rank below them. Users without scores, and new users, get the blend of the
    others. The scores must not come from a model that learned the held-out interactions.

    Examples:
        triptych blend runs/content-ease runs/freedom runs/bm3 -o runs/blend

        # all runs of a comparison:
        triptych blend runs/compare-shop/shop/*/seed-[0-9] -o runs/blend

        # with the scores of another program:
        triptych blend runs/freedom --scores other.parquet -o runs/blend

        # other runs with the weights that were chosen before:
        triptych blend runs/freedom-all runs/bm3-all --weights 2,1.5 -o final
    """
    from triptych.artefacts import check_output
    from triptych.data.formats.given_lists import ListForm
    from triptych.data.formats.read_table import path_not_found
    from triptych.data.formats.reading import Reading
    from triptych.ranking.metrics import parse_metric
    from triptych.ranking.outside_scores import recommender_from_scores
    from triptych.ranking.recommender_folder import open_recommender
    from triptych.studies.blend import blend, weighted_blend

    parse_metric(metric)
    files = scores or []
    members = [*runs, *files]
    chosen = None if weights is None else _parse_weights(weights, len(members))
    form = ListForm(parse_columns(columns))
    if len(members) < 2:
        raise SettingsError("a blend needs at least two models", hint="name another run folder, or --scores FILE")
    if columns is not None and not files:
        raise SettingsError("--columns are those of --scores", hint="name a file of scores")
    for each in files:
        if not each.exists():
            raise path_not_found(each)
    if output.exists() and not overwrite:
        raise SettingsError(f"{output} exists", hint="choose another --output, or pass --overwrite")
    check_output(output, overwrite=overwrite)
    with show_progress() as listener:
        recommenders = [open_recommender(run, listener) for run in runs]
        reading = Reading(listener=listener)
        given = [recommender_from_scores(each, recommenders[0].dataset, form=form, reading=reading) for each in files]
        recommenders += given
        if chosen is not None:
            weighted_blend(recommenders, chosen).save(output, overwrite=overwrite)
            _print_given(members, chosen, output, json=json)
            return
        blended = blend(recommenders, metric=metric, n_users=users, seed=seed, listener=listener)
    blended.save(output, overwrite=overwrite)
    candidates = [{"run": str(run), **each} for run, each in zip(members, blended.about["candidates"], strict=True)]
    if json:
        models = [{key: each[key] for key in ("run", "model", "weight", "alone")} for each in candidates]
        print_json({"output": str(output), "weights_chosen": blended.about["weights_chosen"], "runs": models})
        return
    rows = [[each["run"], each["weight"], each["alone"]] for each in candidates]
    print_table(f"the blend: {blended.about['weights_chosen']}", ["", "weight", f"{metric} alone"], rows)
    print_result(f"blend: {output}", f"next: triptych evaluate {output}")
    print_result(f"final fit: triptych train DATA --refit {output}")


def _print_given(runs: list[Path], weights: tuple[float, ...], output: Path, *, json: bool) -> None:
    rows = [[str(run), weight] for run, weight in zip(runs, weights, strict=True)]
    if json:
        print_json({"output": str(output), "runs": [{"run": run, "weight": weight} for run, weight in rows]})
        return
    print_table("the blend, with given weights", ["", "weight"], rows)
    print_result(f"blend: {output}", f"next: triptych recommend {output} --output recommendations.parquet")


def _parse_weights(text: str, n: int) -> tuple[float, ...]:
    from triptych.studies.blend import ONE_EACH

    try:
        weights = tuple(float(each) for each in text.split(","))
    except ValueError:
        raise SettingsError(f'"{text}" is not a list of numbers', hint=ONE_EACH) from None
    if len(weights) != n:
        raise SettingsError(f"{len(weights)} weights for {n} runs", hint=ONE_EACH)
    return weights
