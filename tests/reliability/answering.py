"""What a worker process of a server does with a recommender, for test_forks.py: everything that it promises to do."""

from __future__ import annotations

from typing import Any

import torch

from triptych import forks
from triptych.data.dataset import Dataset
from triptych.data.split import split
from triptych.explaining.explainer import explain
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

N_USERS, N_ITEMS = 1100, 200  # more users than the 1,000 from which ids were found by a join


def recommender() -> Recommender:
    """Return a recommender that was trained for a moment."""
    dataset = random_dataset(3, n_users=N_USERS, n_items=N_ITEMS, density=0.03, modalities=())
    training = TrainingSettings(epochs=1, precision="float32")
    return fit("lightgcn", split(dataset, "ratio", seed=1), {}, training)


def answers(one: Recommender) -> dict[str, Any]:
    """Return what each kind of request answers, in plain values."""
    users, items = one.dataset.users.ids.to_list(), one.dataset.items.ids.to_list()
    many = one.recommend(users, k=20)
    return {
        "one": one.recommend(users[:1], k=3).to_polars().rows(),
        "many": many.to_polars().rows(),
        "arrow": many.to_arrow().to_pydict()["item_id"],
        "pandas": many.to_pandas()["item_id"].tolist(),
        "similar": one.similar_items(items[0], k=3).rows(),
        "history": one.recommend_from_history({"new": items[:3]}, k=3).to_polars().rows(),
        "measured": one.evaluate().means,
        "explained": explain(one, users[0], items[1]).statement,
    }


def answers_of(path: str) -> dict[str, Any]:
    """Return the answers of a stored recommender, in a process that has nothing yet."""
    torch.set_num_threads(2)
    return answers(open_recommender(path))


def answers_to(_: int, one: Recommender) -> dict[str, Any]:
    """Return the answers of a recommender that came with the request."""
    return answers(one)


def opens_if_forked_early(path: str) -> bool:
    """Return whether this is a forked process in which a recommender can be opened and used."""
    return forks.is_forked() and bool(answers(open_recommender(path)))


def small_dataset() -> Dataset:
    """Return a data set for a training of a moment."""
    return random_dataset(5, modalities=())
