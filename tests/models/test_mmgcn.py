"""MMGCN trains the parameters that its paper trains, and projects wide modalities first."""

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
    """Return a data set as large as the recorded worlds."""
    return random_dataset(n_users=40, n_items=30)


def batch_of_all(dataset: Dataset) -> Batch:
    interactions = dataset.interactions
    negatives = draw_negatives(interactions, interactions.users, np.random.default_rng(0))
    return Batch(*(torch.from_numpy(rows) for rows in (interactions.users, interactions.items, negatives)))


def train(model: MMGCN, dataset: Dataset, names: list[str], steps: int = 20) -> list[float]:
    """Train the named parameters by Adam; return the losses."""
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


def test_id_embeddings_and_preferences_are_trained() -> None:
    dataset = world()
    model = MMGCN(dataset, SETTINGS, torch.Generator().manual_seed(0))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    assert {ID, *PREFERENCES} <= set(before)
    train(model, dataset, list(before))
    after = dict(model.named_parameters())
    for name in (ID, *PREFERENCES):
        moved = (after[name] - before[name]).norm(dim=1)
        assert (moved > 0.01).all(), f"{int((moved <= 0.01).sum())} rows of {name} are not trained"


@pytest.mark.parametrize("compute_dtype", [torch.float32, torch.bfloat16])
def test_the_released_form_trains_all_parameters_except_id_embeddings_and_preferences(
    compute_dtype: torch.dtype,
) -> None:
    dataset = world()
    model = MMGCN(dataset, replace(SETTINGS, form="released"), torch.Generator().manual_seed(0))
    model.set_compute_dtype(compute_dtype)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    losses = train(model, dataset, list(before))
    assert losses[-1] < losses[0]
    untrained = {name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])}
    assert untrained == {ID, *PREFERENCES}


@pytest.mark.parametrize("name", [ID, *PREFERENCES])
def test_training_the_id_embeddings_or_one_preference_alone_lowers_the_loss(name: str) -> None:
    dataset = world()
    losses = train(MMGCN(dataset, SETTINGS, torch.Generator().manual_seed(0)), dataset, [name])
    assert losses[-1] < losses[0]


def add_wide_modalities(dataset: Dataset, *modalities: str) -> Dataset:
    """Return the data set with more modalities, of 1,500 columns each."""
    generator, present = np.random.default_rng(1), np.ones(dataset.n_items, dtype=np.bool_)
    added = {
        name: Features(name, generator.standard_normal((dataset.n_items, 1500)).astype(np.float32), present)
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
def test_only_the_named_modalities_are_projected_to_latent_width(setting: str, projected: set[str]) -> None:
    model = MMGCN(
        add_wide_modalities(world(), "photo"), replace(SETTINGS, projected=setting), torch.Generator().manual_seed(0)
    )
    parameters = dict(model.named_parameters())
    assert {name for name in model.modalities if f"modalities.{name}.projection.weight" in parameters} == projected
    for name in projected:
        assert parameters[f"modalities.{name}.preference"].shape == (40, SETTINGS.latent_width)


def test_by_default_a_data_set_without_images_is_not_projected() -> None:
    dataset = world().with_modalities(["text"])
    model = MMGCN(dataset, SETTINGS, torch.Generator().manual_seed(0))
    assert not [name for name, _ in model.named_parameters() if "projection" in name]


@pytest.mark.parametrize(("setting", "hint"), [("imgae", '"image"'), ("image,sound", "known: auto, image, none, text")])
def test_an_unknown_modality_in_projected_is_an_error_with_a_hint(setting: str, hint: str) -> None:
    with pytest.raises(SettingsError, match="the data set lacks") as caught:
        MMGCN(world(), replace(SETTINGS, projected=setting), torch.Generator())
    assert hint in str(caught.value.hint)
