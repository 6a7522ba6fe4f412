"""A learnt model again from its recommender and its data set: what is asked of the model itself, not of its factors."""

from __future__ import annotations

import torch

from triptych.data.dataset import Dataset
from triptych.data.split import of_parts
from triptych.errors import InputError
from triptych.models.model import LearntModel
from triptych.models.registry import model_class
from triptych.ranking.recommender import Recommender
from triptych.settings import parse
from triptych.training.batches import torch_generator

ANOTHER, NAME_IT = "the model was trained on another data set", "name the data set that it was trained on"


def rebuilt(recommender: Recommender, dataset: Dataset) -> LearntModel:
    """The model with its trained parameters, in evaluation mode, on the CPU.

    dataset: the data set that it was trained on, with its split, and with features where the model looks at them.
    Raises InputError if the model is none that is learnt, or was trained on other users, items or modalities.
    """
    check_data(recommender, dataset)
    kind = model_class(recommender.about["model"])
    modalities = list(recommender.about["modalities"]) if kind.needs_features else []
    if not set(modalities) <= set(dataset.features):
        raise InputError(ANOTHER, mend=NAME_IT)
    return put_together(recommender, of_parts(dataset).train.with_modalities(modalities))


def check_data(recommender: Recommender, dataset: Dataset) -> None:
    """Raises InputError if the data set is known not to be the one that the model was trained on."""
    known = recommender.dataset
    if not (known.users.ids.equals(dataset.users.ids) and known.items.ids.equals(dataset.items.ids)):
        raise InputError(ANOTHER, mend=NAME_IT)
    trained = recommender.about.get("data", "in memory")
    if dataset.fingerprint is not None and trained not in ("in memory", dataset.fingerprint):
        raise InputError(
            "this is not the data set that the model was trained on: its checksums differ",
            mend="name the data set that it was trained on, or train on this one",
        )


def put_together(recommender: Recommender, train: Dataset) -> LearntModel:
    """The same from training interactions and the modalities that it looks at.

    Where the data set has items behind those of the recommender, their rows of the parameters are as the model starts
    with them. Raises InputError if the model is none that is learnt.
    """
    about = recommender.about
    kind = model_class(about["model"])
    if not issubclass(kind, LearntModel):
        raise InputError(f"{about['model']} is solved, not learnt, and has no parameters")
    first = torch_generator(torch.device("cpu"), 0, 0)  # what known rows start with is replaced
    model = kind(train, parse(kind.Settings, about["settings"], of=about["model"]), first)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            trained = recommender.parameters[name]
            parameter[: len(trained)] = trained  # items are the last rows wherever they are rows
    model.eval()
    return model
