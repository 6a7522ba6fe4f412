"""The final fit: what a tuned or trained run hands over to a training on all data, where nothing stops early."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.errors import InputError, TrainingError, location
from triptych.progress import Listener, ignore_progress
from triptych.ranking.recommender import open_recommender
from triptych.ranking.scorer import Blend
from triptych.studies.tune import ABOUT, best_run


@dataclass(frozen=True)
class FinalFit:
    """A model with its settings, the modalities it uses, and those of training: its seed and its best epoch among them.

    run: the run folder that they are from.
    """

    run: Path
    model: str
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
    run = best_run(path) if (path / ABOUT).is_file() else path
    if run is None:
        raise TrainingError("no trial has a result yet", where=location(path), hint="finish the search first")
    recommender = open_recommender(run, listener)
    if isinstance(recommender.scorer, Blend):
        raise InputError(
            "is a blend, which is not trained",
            where=location(path),
            hint="fit each of its models, and blend the runs with its `weights`",
        )
    about = recommender.about
    model = recommender.model_name
    training = dict(about.get("training", {}))
    epochs = about.get("best_epoch", about.get("epochs"))  # a closed-form model has neither
    training["epochs"] = epochs
    return FinalFit(run, model, about["settings"], training, list(about["modalities"]))
