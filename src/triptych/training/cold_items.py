"""New items for a fitted model, without training: each model embeds them from their content."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.split import Split, fitted_on
from triptych.errors import InputError
from triptych.models.model import ClosedFormModel
from triptych.models.registry import class_of
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Blend, Factors, ItemWeights
from triptych.settings import parse
from triptych.training.restore import check_data, restore_model


def add_items(recommender: Recommender, dataset: Dataset) -> Recommender:
    """Return the recommender with the new items of `dataset`, which follow the known ones; see `extend_dataset`.

    The scores of the known items do not change, to the bit for factors. `TrainedModel.embed_cold_items` says how a new
    item is embedded. dataset: the training data set with the new items, features included. Raises InputError if the
    model does not use content, or if the data set is another one.
    """
    require_extendable(recommender, dataset)
    about, known, n_items = recommender.about, recommender.dataset, dataset.n_items
    n_known = known.n_items
    kind = class_of(about)
    train = Split.from_dataset(dataset, fitted_on(about)).train.with_modalities(list(about["modalities"]))
    train = train.with_user_modalities(about.get("user_modalities", ()))
    scorer: Factors | ItemWeights
    if issubclass(kind, ClosedFormModel):
        assert isinstance(recommender.scorer, ItemWeights)
        closed_form = kind(parse(kind.Settings, about["settings"], of=about["model"]))
        scorer, parameters = closed_form.extend_scorer(recommender.scorer, train), recommender.parameters
    else:
        model = restore_model(recommender, train)
        model.embed_cold_items(torch.from_numpy(train.interactions.item_degrees == 0))
        new = model.factors().items[n_known:].float()
        scorer = Factors(recommender.factors.users, torch.cat([recommender.factors.items, new]))
        parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}
    before = known.interactions
    extended = replace(
        known,
        items=dataset.items,
        interactions=Interactions(before.users, before.items, before.n_users, n_items),
        item_table=dataset.item_table,
    )
    n_new = about.get("new_items", 0) + n_items - n_known
    return Recommender(
        scorer, extended, parameters, {**about, "data": dataset.fingerprint or "in memory", "new_items": n_new}
    )


def require_extendable(recommender: Recommender, dataset: Dataset) -> None:
    """Raise InputError unless new items can be added: the model uses content, and this is its data set.

    dataset: the data set that the model was trained on, with or without new items after the known ones.
    """
    known, name = recommender.dataset, recommender.model_name
    if isinstance(recommender.scorer, Blend):
        raise InputError("new items cannot be added to a blend", hint="add the items to its models, and blend those")
    if not class_of(recommender.about).needs_features or not recommender.about["modalities"]:
        raise InputError(
            f"{name} does not use content, so it cannot score new items",
            hint="use a model of content, for example bm3 or content-ease",
        )
    same_ids = known.items.ids.equals(dataset.items.ids[: known.n_items]) and known.users.ids.equals(dataset.users.ids)
    of_users = set(recommender.about.get("user_modalities", ()))
    has_modalities = set(recommender.about["modalities"]) <= set(dataset.features)
    if not (same_ids and has_modalities and of_users <= set(dataset.user_features)):
        raise InputError(
            "the model's items are not the first of the data set, or its users or modalities are others",
            hint="add the new items to the data set that the model was trained on",
        )
    before = recommender.split.train.interactions
    now = Split.from_dataset(dataset, fitted_on(recommender.about)).train.interactions
    if not (np.array_equal(before.users, now.users) and np.array_equal(before.items, now.items)):
        raise InputError(
            "the data set has other training interactions than the model saw", hint="train the model on this data set"
        )
    if dataset.n_items == known.n_items:
        check_data(recommender, dataset)
