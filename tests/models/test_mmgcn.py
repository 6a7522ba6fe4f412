"""MMGCN trains all that its paper trains, and brings wide modalities to a bearable width first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.errors import SettingsError
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


@pytest.mark.parametrize("products", [torch.float32, torch.bfloat16])
def test_the_released_form_leaves_them_as_drawn_and_trains_all_else(compute_dtype: torch.dtype) -> None:
    dataset = world()
    model = MMGCN(dataset, replace(SETTINGS, form="released"), torch.Generator().manual_seed(0))
    model.set_compute_dtype(compute_dtype)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    losses = trained(model, dataset, list(before))
    assert losses[-1] < losses[0]
    stayed = {name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])}
    assert stayed == {ID, *PREFERENCES}


@pytest.mark.parametrize("name", [ID, *PREFERENCES])
def test_each_of_them_learns_something_even_alone(name: str) -> None:
    dataset = world()
    losses = trained(MMGCN(dataset, SETTINGS, torch.Generator().manual_seed(0)), dataset, [name])
    assert losses[-1] < losses[0]


def wide(dataset: Dataset, *modalities: str) -> Dataset:
    """The same with modalities of 1,500 columns more."""
    generator, everything = np.random.default_rng(1), np.ones(dataset.n_items, dtype=np.bool_)
    added = {
        name: Features(name, generator.standard_normal((dataset.n_items, 1500)).astype(np.float32), everything)
        for name in modalities
    }
    return replace(dataset, features={**dataset.features, **added})


@pytest.mark.parametrize(
    ("setting", "projected"),
    [
        ("auto", {"image", "photo"}),
        ("photo, text", {"photo", "text"}),
        ("image", {"image"}),
        ("none", set()),
        ("", set()),
    ],
)
def test_only_the_modalities_meant_are_brought_to_latent_width(setting: str, projected: set[str]) -> None:
    model = MMGCN(wide(world(), "photo"), replace(SETTINGS, projected=setting), torch.Generator().manual_seed(0))
    parameters = dict(model.named_parameters())
    assert {name for name in model.modalities if f"modalities.{name}.projection.weight" in parameters} == projected
    for name in projected:
        assert parameters[f"modalities.{name}.preference"].shape == (40, SETTINGS.latent_width)


def test_by_default_a_data_set_without_pictures_goes_in_as_it_is() -> None:
    dataset = world().with_modalities(["text"])
    model = MMGCN(dataset, SETTINGS, torch.Generator().manual_seed(0))
    assert not [name for name, _ in model.named_parameters() if "projection" in name]


@pytest.mark.parametrize(("setting", "mend"), [("imgae", '"image"'), ("image,sound", "known: auto, image, none, text")])
def test_a_modality_named_that_is_not_there_is_refused(setting: str, hint: str) -> None:
    with pytest.raises(SettingsError, match="the data set lacks") as caught:
        MMGCN(world(), replace(SETTINGS, projected=setting), torch.Generator())
    assert hint in str(caught.value.hint)
