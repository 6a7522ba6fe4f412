"""Content-smoothed EASE: both forms agree, scores follow the equations, and the sparse form stays small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from triptych.data.split import split
from triptych.models.content_ease import ContentEASE
from triptych.ranking.own_scorer import similarity_of
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.ranking.scorer import ItemWeights
from triptych.training.fit import fit
from worlds import random_dataset

ALL_USERS = np.arange(30)


def fitted(form: str, **settings: object) -> Recommender:
    dataset = random_dataset(density=0.7)  # any two items share a user, so N is all other items
    return fit("content-ease", split(dataset, "ratio", seed=0), {"form": form, "n_neighbours": 4, **settings})


@pytest.mark.parametrize("smoothing", [0.0, 0.4])
@pytest.mark.parametrize("content_weight", [0.0, 0.3])
def test_the_sparse_form_with_all_neighbours_equals_the_dense_form(smoothing: float, content_weight: float) -> None:
    settings = {"smoothing": smoothing, "content_weight": content_weight}
    dense, sparse = fitted("dense", **settings).scorer, fitted("sparse", n_regressors=24, **settings).scorer
    assert torch.allclose(dense.score(ALL_USERS), sparse.score(ALL_USERS), atol=1e-4)
    assert torch.allclose(similarity_of(dense, 3), similarity_of(sparse, 3), atol=1e-4)


def test_scores_follow_the_equations() -> None:
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
    assert np.allclose(recommender.scorer.score(ALL_USERS).numpy(), expected, atol=1e-4)


def test_the_sparse_form_stays_factored_and_survives_saving(tmp_path: Path) -> None:
    recommender = fitted("sparse", n_regressors=5)
    scorer = recommender.scorer
    assert isinstance(scorer, ItemWeights)
    entries = sum(len(array) for name, array in scorer.arrays().items() if name.endswith("data"))
    assert entries <= 25 * 5 + 2 * (2 * 25 * 2 * 4)  # W itself would be dense here
    recommender.save(tmp_path / "saved")
    reopened = open_recommender(tmp_path / "saved")
    assert torch.equal(reopened.scorer.score(ALL_USERS), scorer.score(ALL_USERS))
    assert reopened.similar_items("i03").equals(recommender.similar_items("i03"))
