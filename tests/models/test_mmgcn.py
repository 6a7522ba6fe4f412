"""MMGCN trains all that its paper trains, and brings wide modalities to a bearable width first."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from triptych.data.dataset import Dataset
from triptych.models.mmgcn import MMGCN
from triptych.models.model import Batch
from triptych.training.batches import draw_negatives
from worlds import random_dataset

SETTINGS = MMGCN.Settings(embedding_size=16, latent_width=20)
ID, PREFERENCES = "id_embedding", ("modalities.image.preference", "modalities.text.preference")


def world() -> Dataset:
    """As large as the recorded worlds."""
    return random_dataset(n_users=40, n_items=30)


def batch_of_all(dataset: Dataset) -> Batch:
    taken = dataset.interactions
    negatives = draw_negatives(taken, taken.users, np.random.default_rng(0))
    return Batch(*(torch.from_numpy(rows) for rows in (taken.users, taken.items, negatives)))


def trained(model: MMGCN, dataset: Dataset, names: list[str], steps: int = 20) -> list[float]:
    """Losses of some steps of Adam on the named parameters."""
    parameters = dict(model.named_parameters())
    adam, generator, losses = torch.optim.Adam([parameters[name] for name in names], lr=0.01), torch.Generator(), []
    for _ in range(steps):
        terms = model.loss(batch_of_all(dataset), generator)
        loss = torch.stack(list(terms.values())).sum()
        losses.append(loss.item())
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
    return losses


def test_mmgcns_id_embeddings_and_preferences_are_trained() -> None:
    dataset = world()
    model = MMGCN(dataset, SETTINGS, torch.Generator().manual_seed(0))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    assert {ID, *PREFERENCES} <= set(before)
    trained(model, dataset, list(before))
    after = dict(model.named_parameters())
    for name in (ID, *PREFERENCES):
        moved = (after[name] - before[name]).norm(dim=1)
        assert (moved > 0.01).all(), f"{int((moved <= 0.01).sum())} rows of {name} stay where they began"


@pytest.mark.parametrize("name", [ID, *PREFERENCES])
def test_each_of_them_learns_something_even_alone(name: str) -> None:
    dataset = world()
    losses = trained(MMGCN(dataset, SETTINGS, torch.Generator().manual_seed(0)), dataset, [name])
    assert losses[-1] < losses[0]
