"""The final fit: what a tuned or trained run hands over to a training on all data, where nothing stops early."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.errors import InputError, TrainingError, location
from triptych.models.registry import class_of
from triptych.models.requirements import ModelClass
from triptych.progress import Listener, ignore_progress
from triptych.ranking.given_scores import GIVEN
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.studies.tune import ABOUT, best_run


@dataclass(frozen=True)
class FinalFit:
    """A model (name and class) with its settings, its modalities and the settings of training, best epoch included."""

    model: str
    kind: ModelClass
    settings: Mapping[str, Any]
    training: Mapping[str, Any]
    modalities: list[str]

    @property
    def epochs(self) -> int | None:
        """The number of epochs; None for closed-form models."""
        epochs: int | None = self.training.get("epochs")
        return epochs


def final_fit(path: Path, listener: Listener = ignore_progress) -> FinalFit:
    """Read what to fit from a run folder, or from the best trial in a folder of `tune`.

    Raises InputError for a blend, TrainingError if no trial has a result, ArtefactError.
    """
    recommender = open_source(path, listener)
    return final_fit_of(recommender.about, path)


def open_source(path: Path, listener: Listener = ignore_progress) -> Recommender:
    """Open the recommender in a run folder, or that of the best trial in a folder of `tune`.

    Raises TrainingError if no trial has a result, ArtefactError.
    """
    run = best_run(path) if (path / ABOUT).is_file() else path
    if run is None:
        raise TrainingError("no trial has a result yet", where=location(path), hint="finish the search first")
    return open_recommender(run, listener)


def final_fit_of(about: Mapping[str, Any], path: Path | None = None) -> FinalFit:
    """Return what to fit from the description of a fitted model.

    path: where it is from, for errors. Raises InputError for a blend, or if the model's name is missing.
    """
    where = None if path is None else location(path)
    if "model" not in about:
        raise InputError("does not say which model it is", where=where, hint="give what `fit` returned")
    if about["model"] == GIVEN:
        raise InputError(
            "are given scores, which are not trained",
            where=where,
            hint="refit the models, and blend them with the scores",
        )
    if "models" in about:
        raise InputError("is a blend, which is not trained", where=where, hint="fit and blend its models by `refit`")
    training = dict(about.get("training", {}))
    training["epochs"] = about.get("best_epoch", about.get("epochs"))  # a closed-form model has neither
    return FinalFit(about["model"], class_of(about), about["settings"], training, list(about["modalities"]))
