"""The models are those of the papers: loss, every gradient and every score of recorded worlds."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from reference.worlds import assert_reproduces, read_world, set_parameters
from triptych.models.bm3 import BM3
from triptych.models.lightgcn import LightGCN

BOTH = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


@BOTH
def test_lightgcn_reproduces_the_recorded_world(dtype: torch.dtype) -> None:
    world = read_world("lightgcn")
    settings = LightGCN.Settings(
        embedding_size=world.arrays["param/user_embedding"].shape[1],
        n_layers=world.config("n_layers"),
        reg_weight=world.config("reg_weight"),
    )
    model = LightGCN(world.dataset, settings, torch.Generator().manual_seed(0)).to(dtype)
    set_parameters(model, world.under("param/"), dtype)
    assert_reproduces(model, world, dtype)


@BOTH
@pytest.mark.parametrize("features", ["frozen", "residual", "trained"])
def test_bm3_reproduces_the_recorded_world(
    dtype: torch.dtype, features: Literal["frozen", "residual", "trained"]
) -> None:
    world = read_world("bm3")
    settings = BM3.Settings(
        embedding_size=world.arrays["param/user_embedding"].shape[1],
        n_layers=world.config("n_layers"),
        dropout=world.config("dropout"),
        reg_weight=world.config("reg_weight"),
        cl_weight=world.config("cl_weight"),
        features=features,
    )
    model = BM3(world.dataset, settings, torch.Generator().manual_seed(0)).to(dtype)
    if features == "trained":
        for modality, table in world.dataset.features.items():
            trained = model.modalities[modality].features
            assert isinstance(trained, torch.nn.Parameter)
            trained.data = torch.from_numpy(table.table).to(dtype)
    set_parameters(model, world.under("param/"), dtype)
    assert_reproduces(model, world, dtype)
