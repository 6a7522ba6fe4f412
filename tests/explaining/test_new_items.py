"""An item that nobody took is explained through its content alone, before and after it came into a trained model."""

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
OF_CONTENT = sorted(name for name in MODELS if model_class(name).needs_features)


def explained(recommender: Recommender, dataset: Dataset, items: list[str]) -> list[Explanation]:
    made = Explainer(recommender, dataset).explain("u04", items)
    for told in made:
        parts = [reason.contribution for reason in told.reasons] + list(told.rest.values())
        assert sum(parts) == pytest.approx(told.score, rel=1e-4, abs=1e-5)
        assert "rounding" not in told.rest
    return made


@pytest.mark.parametrize("name", OF_CONTENT)
def test_an_item_that_nobody_took_is_explained_through_its_content(name: str) -> None:
    dataset = random_dataset(density=0.4)
    held_out = split(dataset, "cold-items", ratios=(0.7, 0.15, 0.15), seed=0)
    new = np.flatnonzero(held_out.train.interactions.item_degrees == 0)
    recommender = fit(name, held_out, training=QUICK)
    items = dataset.items.names(new).to_list()
    for told in explained(recommender, dataset, items):
        through = told.through()
        assert through.pop("taste", 0.0) == pytest.approx(0, abs=1e-5)
        assert any(through.values())


@pytest.mark.parametrize("name", OF_CONTENT)
def test_items_that_came_into_a_trained_model_are_explained_as_the_others(name: str) -> None:
    grown = assign_split(random_dataset(density=0.4), "ratio", ratios=(0.8, 0.1, 0.1), seed=0)
    taken, n = grown.interactions, 22
    old = taken.items < n
    interactions = Interactions(taken.users[old], taken.items[old], taken.n_users, n)
    parts = np.asarray(grown.split_codes)[old]
    features = {m: replace(each, table=each.table[:n], present=each.present[:n]) for m, each in grown.features.items()}
    dataset = Dataset(grown.users, Vocabulary(grown.items.ids[:n]), interactions, features, split_codes=parts)
    grown = replace(grown, interactions=replace(interactions, n_items=grown.n_items), split_codes=parts)
    recommender = fit(name, dataset, training=QUICK)
    before = explained(recommender, dataset, ["i03", "i07"])
    after = explained(add_items(recommender, grown), grown, ["i03", "i07", "i24"])
    for one, other in zip(before, after, strict=False):
        assert [reason.item for reason in one.reasons] == [reason.item for reason in other.reasons]
        for reason, same in zip(one.reasons, other.reasons, strict=True):
            for channel, value in same.through.items():
                assert value == pytest.approx(reason.through.get(channel, 0.0), rel=1e-3, abs=1e-4)
