"""New items into a fitted model, without training: from their content, each model by its own means."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.split import of_parts
from triptych.errors import InputError
from triptych.models.model import SolvedModel
from triptych.models.registry import model_class
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Blend, Factors, ItemWeights
from triptych.settings import parse
from triptych.training.rebuild import check_data, put_together


def welcome(recommender: Recommender, dataset: Dataset) -> Recommender:
    """The recommender with the items that `dataset` has behind its own; see `preparing.add_items`.

    Scores of the items that it knew stay as they are, to the bit for factors; `LearntModel.welcome` says what stands
    for a new item. dataset: what the model was trained on, and the new items, features included. Raises InputError for
    a model that does not look at content, or if the data set is another.
    """
    check_welcome(recommender, dataset)
    about, known, n_items = recommender.about, recommender.dataset, dataset.n_items
    n_known = known.n_items
    kind, train = model_class(about["model"]), of_parts(dataset).train.with_modalities(list(about["modalities"]))
    scorer: Factors | ItemWeights
    if issubclass(kind, SolvedModel):
        assert isinstance(recommender.scorer, ItemWeights)
        scorer = kind(parse(kind.Settings, about["settings"], of=about["model"])).welcome(recommender.scorer, train)
        parameters = recommender.parameters
    else:
        model = put_together(recommender, train)
        model.welcome(torch.from_numpy(train.interactions.item_degrees == 0))
        new = model.factors().items[n_known:].float()
        scorer = Factors(recommender.factors.users, torch.cat([recommender.factors.items, new]))
        parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}
    taken = known.interactions
    grown = replace(
        known,
        items=dataset.items,
        interactions=Interactions(taken.users, taken.items, taken.n_users, n_items),
        item_table=dataset.item_table,
    )
    added = about.get("new_items", 0) + n_items - n_known
    return Recommender(
        scorer, grown, parameters, {**about, "data": dataset.fingerprint or "in memory", "new_items": added}
    )


def check_welcome(recommender: Recommender, dataset: Dataset) -> None:
    """Raises InputError unless new items can come in: the model looks at content, and this is its data set.

    dataset: what it was trained on, alone or with new items behind the others.
    """
    known, name = recommender.dataset, recommender.about["model"]
    if isinstance(recommender.scorer, Blend):
        raise InputError("a blend is no model of its own", mend="add the items to its models, and blend those")
    if not model_class(name).needs_features or not recommender.about["modalities"]:
        raise InputError(
            f"{name} does not look at content, so it can say nothing of new items",
            mend="take a model of content, for example bm3 or content-ease",
        )
    ours = known.items.ids.equals(dataset.items.ids[: known.n_items]) and known.users.ids.equals(dataset.users.ids)
    if not ours or not set(recommender.about["modalities"]) <= set(dataset.features):
        raise InputError(
            "the model's items are not the first of the data set, or its users or modalities are others",
            mend="add the new items to the data set that the model was trained on",
        )
    before, now = recommender.split.train.interactions, of_parts(dataset).train.interactions
    if not (np.array_equal(before.users, now.users) and np.array_equal(before.items, now.items)):
        raise InputError(
            "the data set has other training interactions than the model saw", mend="train the model on this data set"
        )
    if dataset.n_items == known.n_items:
        check_data(recommender, dataset)
