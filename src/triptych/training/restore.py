"""A trained model restored from its recommender and data set, for questions that need more than its factors."""

from __future__ import annotations

import torch
from torch import Tensor

from triptych.data.dataset import Dataset
from triptych.data.split import Split, fitted_on
from triptych.errors import InputError
from triptych.models.model import TrainedModel
from triptych.models.registry import class_of
from triptych.ranking.recommender import Recommender
from triptych.ranking.updates import check_not_updated
from triptych.seeds import Purpose
from triptych.settings import parse
from triptych.training.batches import torch_generator
from triptych.training.checkpoint import has_shape_of

OTHER_DATA, HINT = "the model was trained on another data set", "name the data set that it was trained on"


def load_model(recommender: Recommender, dataset: Dataset) -> TrainedModel:
    """Return the model with its trained parameters, in evaluation mode, on the CPU.

    dataset: the data set that it was trained on, with its split, and with features if the model uses them.
    Raises InputError if the model is not a trained one, was trained on other users, items or modalities, or was updated
    since.
    """
    check_not_updated(recommender)
    check_data(recommender, dataset)
    _ = recommender.model_name
    kind = class_of(recommender.about)
    modalities = list(recommender.about["modalities"]) if kind.needs_features else []
    of_users = list(recommender.about.get("user_modalities", ()))
    if not (set(modalities) <= set(dataset.features) and set(of_users) <= set(dataset.user_features)):
        raise InputError(OTHER_DATA, hint=HINT)
    train = Split.from_dataset(dataset, fitted_on(recommender.about)).train
    return restore_model(recommender, train.with_modalities(modalities).with_user_modalities(of_users))


def check_data(recommender: Recommender, dataset: Dataset) -> None:
    """Raise InputError if this cannot be the data set that the model was trained on."""
    known = recommender.dataset
    if not (known.users.ids.equals(dataset.users.ids) and known.items.ids.equals(dataset.items.ids)):
        raise InputError(OTHER_DATA, hint=HINT)
    trained_on = recommender.about.get("data", "in memory")
    if dataset.fingerprint is not None and trained_on not in ("in memory", dataset.fingerprint):
        raise InputError(
            "this is not the data set that the model was trained on: its checksums differ",
            hint="name the data set that it was trained on, or train on this one",
        )


def restore_model(recommender: Recommender, train: Dataset) -> TrainedModel:
    """Return the same model, from the training interactions and the modalities that it uses.

    If the data set has more items than the recommender, the parameter rows of the new items keep their initial values.
    Raises InputError if the model is not a trained one.
    """
    about = recommender.about
    kind = class_of(about)
    if not issubclass(kind, TrainedModel):
        raise InputError(f"{about['model']} has a closed form and no parameters")
    generator = torch_generator(torch.device("cpu"), 0, Purpose.RESTORE)  # known rows are overwritten below
    model = kind(train, parse(kind.Settings, about["settings"], of=about["model"]), generator)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            trained = recommender.parameters.get(name)
            if trained is not None and has_shape_of(parameter, trained):
                parameter.copy_(trained.view_as(parameter))
            elif trained is not None and _is_shorter(trained, parameter):
                parameter[: len(trained)] = trained  # items are the last rows of every table that has them
            else:
                raise InputError(
                    f'the class of {about["model"]} has another parameter "{name}" than it was trained with',
                    hint="use the version of the class that it was trained with",
                )
    model.eval()
    return model


def _is_shorter(trained: Tensor, parameter: Tensor) -> bool:
    """Whether a table is like the other one, with fewer rows."""
    return trained.ndim > 0 and trained.shape[1:] == parameter.shape[1:] and len(trained) < len(parameter)
