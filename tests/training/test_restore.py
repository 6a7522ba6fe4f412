"""A restored model equals the trained one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from triptych.data.dataset import Dataset
from triptych.data.split import assign_split
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError
from triptych.training.fit import fit
from triptych.training.restore import load_model
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

SHORT = TrainingSettings(epochs=2, precision="float32")


@pytest.fixture
def dataset() -> Dataset:
    return assign_split(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0)


@pytest.mark.parametrize("name", ["bm3", "lightgcn", "mmgcn"])
def test_a_restored_model_has_the_factors_of_the_trained_one(name: str, dataset: Dataset) -> None:
    recommender = fit(name, dataset, training=SHORT)
    restored = load_model(recommender, dataset).factors()
    torch.testing.assert_close(restored.users, recommender.factors.users)
    torch.testing.assert_close(restored.items, recommender.factors.items)


def test_a_model_that_cannot_be_restored_is_refused(dataset: Dataset) -> None:
    with pytest.raises(InputError, match="closed form"):
        load_model(fit("ease", dataset), dataset)
    recommender = fit("lightgcn", dataset, training=SHORT)
    others = Vocabulary([f"other {n}" for n in range(dataset.n_users)], noun="user")
    with pytest.raises(InputError, match="another data set"):
        load_model(recommender, replace(dataset, users=others))
