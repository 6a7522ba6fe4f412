"""Content-smoothed EASE says the same in both forms, and its sparse form stays small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from triptych.data.split import split
from triptych.models.content_ease import ContentEASE
from triptych.ranking.recommender import Recommender, open_recommender
from triptych.ranking.scorer import ItemWeights
from triptych.training.fit import fit
from worlds import random_dataset

EVERYONE = np.arange(30)


def fitted(form: str, **settings: object) -> Recommender:
    dataset = random_dataset(density=0.7)  # any two items have a user in common: nothing is left out
    return fit("content-ease", split(dataset, "ratio", seed=0), {"form": form, "n_neighbours": 4, **settings})


@pytest.mark.parametrize("smoothing", [0.0, 0.4])
@pytest.mark.parametrize("content_weight", [0.0, 0.3])
def test_regressed_on_all_others_the_sparse_form_is_the_dense_one(smoothing: float, content_weight: float) -> None:
    settings = {"smoothing": smoothing, "content_weight": content_weight}
    dense, sparse = fitted("dense", **settings).scorer, fitted("sparse", n_regressors=24, **settings).scorer
    assert torch.allclose(dense.score(EVERYONE), sparse.score(EVERYONE), atol=1e-4)
    assert torch.allclose(dense.similarity(3), sparse.similarity(3), atol=1e-4)


def test_scores_are_those_of_the_equations() -> None:
    recommender = fitted("dense", reg_weight=20.0)
    dataset = recommender.split.train
    features = split(random_dataset(density=0.7), "ratio", seed=0).train
    x = np.zeros((30, 25))
    x[dataset.interactions.users, dataset.interactions.items] = 1
    p = np.linalg.inv(x.T @ x + 20.0 * np.eye(25))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    s = ContentEASE(ContentEASE.Settings(n_neighbours=4)).item_graph(features).toarray()
    first, second = (x + 0.4 * x @ s) @ b, x @ s
    expected = first / np.sqrt((first**2).mean()) + 0.3 * second / np.sqrt((second**2).mean())
    assert np.allclose(recommender.scorer.score(EVERYONE).numpy(), expected, atol=1e-4)


def test_the_sparse_form_keeps_its_factors_and_comes_back_from_a_folder(tmp_path: Path) -> None:
    recommender = fitted("sparse", n_regressors=5)
    scorer = recommender.scorer
    assert isinstance(scorer, ItemWeights)
    entries = sum(len(array) for name, array in scorer.arrays().items() if name.endswith("data"))
    assert entries <= 25 * 5 + 2 * (2 * 25 * 2 * 4)  # not the product's, which is dense here
    recommender.save(tmp_path / "saved")
    again = open_recommender(tmp_path / "saved")
    assert torch.equal(again.scorer.score(EVERYONE), scorer.score(EVERYONE))
    assert again.similar_items("i03").equals(recommender.similar_items("i03"))
