"""`triptych train --refit BLEND`: the final fit of all models of a blend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from triptych.cli.printing import count_text, open_with_progress, print_json, print_result, print_table, show_progress
from triptych.cli.signals import stop_requests, tolerant_listener
from triptych.errors import SettingsError
from triptych.outputs import check_folder

if TYPE_CHECKING:
    from triptych.data.split import FitOn
    from triptych.ranking.recommender import Recommender


def refuse_with_blend(path: Path, options: Mapping[str, object]) -> None:
    """Raise SettingsError if an option is given that has no meaning for a blend. options: name -> value."""
    for name, value in options.items():
        if value is not None:
            hint = "a blend is refitted with what its models had; leave the option out"
            raise SettingsError(f"{name} does not go with --refit {path}, which is a blend", hint=hint)


def refit_blend(
    blend: Recommender,
    data: Path,
    folder: Path,
    fit_on: FitOn,
    threads: int | None,
    *,
    json: bool,
    until_stdin_closes: bool,
) -> None:
    """Fit the models of a blend and blend them again, in a run folder, and print the result."""
    import torch

    from triptych.data.dataset import open_dataset
    from triptych.studies.refit import MODELS, refit

    check_folder(folder)
    dataset = open_with_progress(open_dataset, data)
    if threads is not None:
        torch.set_num_threads(threads)
    with (
        stop_requests(at_step_ends=True, until_stdin_closes=until_stdin_closes) as should_stop,
        show_progress() as listener,
    ):
        refitted = refit(
            blend, dataset, fit_on=fit_on, run=folder, listener=tolerant_listener(listener), should_stop=should_stop
        )
    models, weights = refitted.about["models"], refitted.about["weights"]
    if json:
        print_json({"run": str(folder), **{key: refitted.about[key] for key in ("model", "weights", "data", "split")}})
        return
    rows = [[each["model"], weight, each.get("epochs", "-")] for each, weight in zip(models, weights, strict=True)]
    print_table(f"the blend, fitted on {fit_on}", ["", "weight", "epochs"], rows)
    print_result(f"run folder: {folder}, with {count_text(len(models), 'run')} in {MODELS}/")
    print_result(f"next: triptych recommend {folder} --output recommendations.parquet")
