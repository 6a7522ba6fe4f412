"""Refit a model, or all models of a blend, on everything that is known: the final fit in one call."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from triptych.bars import shows_progress
from triptych.data.dataset import Dataset
from triptych.data.split import FIT_ON, FitOn
from triptych.errors import InputError
from triptych.progress import Listener, automatic_progress
from triptych.ranking.given_scores import GIVEN, GivenScores
from triptych.ranking.outside_scores import given_scores_for
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import MODEL
from triptych.ranking.scorer import Blend
from triptych.settings import parse
from triptych.studies.blend import weighted_blend
from triptych.studies.final_fit import FinalFit, final_fit_of, open_source
from triptych.training.fit import fit
from triptych.training.run_context import MetricsLogger
from triptych.training.run_folder import locked_run_folder, read_about, require_same_run, write_about
from triptych.training.settings import TrainingSettings

MODELS = "models"  # in the run folder of a refitted blend: a run folder per model


@shows_progress
def refit(
    source: Recommender | Path | str,
    dataset: Dataset,
    *,
    fit_on: FitOn = "all",
    run: Path | str | None = None,
    listener: Listener = automatic_progress,
    should_stop: Callable[[], bool] | None = None,
    loggers: Sequence[MetricsLogger] = (),
) -> Recommender:
    """Fit a model again to more of a data set, with its settings, modalities and seed, for its best number of epochs.

    source: a recommender, a run folder, or a folder of `tune`, which stands for its best trial. Of a blend, every model
    is fitted again, and the results are blended with the same weights; given scores stay as they are.
    dataset: usually the data set that the model was trained on; validation and test are learned too. fit_on: "all",
    "train+validation" or "train". run: a folder for checkpoints and the result, as in `fit`; an interrupted refit goes
    on there. The result has the same bytes as `triptych train --refit`.
    Raises InputError if the recommender does not say how it was made, and what `fit` raises.
    """
    recommender = source if isinstance(source, Recommender) else open_source(Path(source), listener)
    rest: dict[str, Any] = {"fit_on": fit_on, "listener": listener, "should_stop": should_stop, "loggers": loggers}
    if not isinstance(recommender.scorer, Blend):
        return _fit(final_fit_of(recommender.about), dataset, run=run, **rest)
    described = recommender.about.get("models", ())
    models = [None if each.get("model") == GIVEN else final_fit_of(each) for each in described]
    weights = recommender.scorer.weights
    if len(models) != len(weights):
        raise InputError("the blend does not say what its models are", hint="blend runs with `triptych blend`")
    if not any(models):
        raise InputError("the blend is of given scores alone, which are not trained", hint="name the run of a model")
    if run is None:
        fitted = [None if each is None else _fit(each, dataset, **rest) for each in models]
        return weighted_blend(_with_given_scores(fitted, recommender), weights)
    with locked_run_folder(Path(run), listener) as files:
        about = {
            "model": "blend",
            "weights": list(weights),
            "models": [
                {"model": GIVEN}
                if each is None
                else {"model": each.model, "settings": each.settings, "training": each.training}
                for each in models
            ],
            "data": dataset.fingerprint or "in memory",
            FIT_ON: fit_on,
        }
        about = json.loads(json.dumps(about))
        before = read_about(files)
        if before is not None:
            require_same_run(files.folder, "run", before, about)
        write_about(files, about)
        fitted = [
            None if each is None else _fit(each, dataset, run=files.folder / MODELS / f"{n}-{each.model}", **rest)
            for n, each in enumerate(models)
        ]
        blended = weighted_blend(_with_given_scores(fitted, recommender), weights)
        blended.save(files.folder / MODEL, overwrite=True)
    return blended


def _with_given_scores(fitted: Sequence[Recommender | None], before: Recommender) -> list[Recommender]:
    """Return the models of a blend, with the scores that it was given, as they are, in place of None."""
    blend, known = before.scorer, next(each.dataset for each in fitted if each is not None)
    assert isinstance(blend, Blend)
    return [
        given_scores_for(known, scorer, before.dataset, about) if isinstance(scorer, GivenScores) else _required(each)
        for each, scorer, about in zip(fitted, blend.scorers, before.about["models"], strict=True)
    ]


def _required(recommender: Recommender | None) -> Recommender:
    assert recommender is not None  # only given scores are not fitted
    return recommender


def _fit(found: FinalFit, dataset: Dataset, **rest: Any) -> Recommender:
    training = parse(TrainingSettings, dict(found.training), of="training")
    return fit(found.kind, dataset.with_modalities(found.modalities), found.settings, training, **rest)
