"""A new item is explained by its content, before and after it is added to a trained model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.split import assign_split, split
from triptych.data.vocabulary import Vocabulary
from triptych.explaining.explainer import Explainer
from triptych.explaining.explanation import Explanation
from triptych.models.registry import MODELS, model_class
from triptych.ranking.recommender import Recommender
from triptych.training.cold_items import add_items
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

QUICK = TrainingSettings(epochs=3, batch_size=64, learning_rate=0.01, patience=3, precision="float32")
CONTENT_MODELS = sorted(name for name in MODELS if model_class(name).needs_features)


def explained(recommender: Recommender, dataset: Dataset, items: list[str]) -> list[Explanation]:
    explanations = Explainer(recommender, dataset).explain("u04", items)
    for each in explanations:
        terms = [reason.contribution for reason in each.reasons] + list(each.rest.values())
        assert sum(terms) == pytest.approx(each.score, rel=1e-4, abs=1e-5)
        assert "rounding" not in each.rest
    return explanations


@pytest.mark.parametrize("name", CONTENT_MODELS)
def test_an_item_without_interactions_is_explained_by_its_content(name: str) -> None:
    dataset = random_dataset(density=0.4)
    held_out = split(dataset, "cold-items", ratios=(0.7, 0.15, 0.15), seed=0)
    new = np.flatnonzero(held_out.train.interactions.item_degrees == 0)
    recommender = fit(name, held_out, training=QUICK)
    items = dataset.items.names(new).to_list()
    for explanation in explained(recommender, dataset, items):
        components = explanation.total_components()
        assert components.pop("collaborative", 0.0) == pytest.approx(0, abs=1e-5)
        assert any(components.values())


@pytest.mark.parametrize("name", CONTENT_MODELS)
def test_adding_items_to_a_trained_model_does_not_change_explanations(name: str) -> None:
    extended = assign_split(random_dataset(density=0.4), "ratio", ratios=(0.8, 0.1, 0.1), seed=0)
    everything, n = extended.interactions, 22
    old = everything.items < n
    interactions = Interactions(everything.users[old], everything.items[old], everything.n_users, n)
    codes = np.asarray(extended.split_codes)[old]
    features = {
        name: replace(each, table=each.table[:n], present=each.present[:n]) for name, each in extended.features.items()
    }
    dataset = Dataset(extended.users, Vocabulary(extended.items.ids[:n]), interactions, features, split_codes=codes)
    extended = replace(extended, interactions=replace(interactions, n_items=extended.n_items), split_codes=codes)
    recommender = fit(name, dataset, training=QUICK)
    before = explained(recommender, dataset, ["i03", "i07"])
    after = explained(add_items(recommender, extended), extended, ["i03", "i07", "i24"])
    for one, other in zip(before, after, strict=False):
        assert [reason.item for reason in one.reasons] == [reason.item for reason in other.reasons]
        for reason, same in zip(one.reasons, other.reasons, strict=True):
            for component, value in same.components.items():
                assert value == pytest.approx(reason.components.get(component, 0.0), rel=1e-3, abs=1e-4)
