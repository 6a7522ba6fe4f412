"""GRCN's routing changes the representation in the paper's form, and has no effect in the released form."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from triptych.models.grcn import GRCN
from worlds import random_dataset


def representation(n_routing: int, settings: GRCN.Settings) -> torch.Tensor:
    """Return [ID ‖ content] of users, then items; the initial parameters do not depend on T."""
    dataset = random_dataset(n_users=40, n_items=30)
    model = GRCN(dataset, replace(settings, n_routing=n_routing), torch.Generator().manual_seed(0))
    factors = model.factors()
    return torch.cat([factors.users, factors.items])


def test_the_representation_depends_on_the_number_of_routing_iterations() -> None:
    width = 16
    zero, one, three = (representation(t, GRCN.Settings(embedding_size=width)) for t in (0, 1, 3))
    for a, b in ((zero, one), (one, three), (zero, three)):
        users, items = (a - b)[:40], (a - b)[40:]
        assert (users[:, width:].norm(dim=1) > 1e-3).all()  # content of every user
        assert (items[:, width:].norm(dim=1) > 1e-3).all()
        assert (users[:, :width].norm(dim=1) > 1e-3).any()  # the refined edges, and so the ID block


@pytest.mark.parametrize("n_routing", [1, 3])
def test_routing_has_no_effect_in_the_released_form(n_routing: int) -> None:
    released = GRCN.Settings(embedding_size=16, form="released")
    assert torch.equal(representation(n_routing, released), representation(0, released))
    assert torch.equal(representation(n_routing, released), representation(0, replace(released, form="paper")))
