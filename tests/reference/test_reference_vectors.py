"""The models reproduce the reference vectors: loss, every gradient and every score."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from reference.recorded import assert_reproduces, read_world, set_parameters
from triptych.models.bm3 import BM3
from triptych.models.bpr import BPR
from triptych.models.freedom import FREEDOM, item_graph
from triptych.models.grcn import GRCN
from triptych.models.lightgcn import LightGCN
from triptych.models.mmgcn import MMGCN
from triptych.models.vbpr import VBPR

BOTH = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


@BOTH
def test_lightgcn_reproduces_the_reference_vectors(dtype: torch.dtype) -> None:
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
def test_bm3_reproduces_the_reference_vectors(
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


@BOTH
def test_bpr_reproduces_the_reference_vectors(dtype: torch.dtype) -> None:
    world = read_world("bpr")
    width = world.arrays["param/user_embedding"].shape[1]
    settings = BPR.Settings(embedding_size=width, reg_weight=world.config("reg_weight"))
    model = BPR(world.dataset, settings, torch.Generator().manual_seed(0)).to(dtype)
    set_parameters(model, world.under("param/"), dtype)
    assert_reproduces(model, world, dtype)


@BOTH
def test_vbpr_reproduces_the_reference_vectors(dtype: torch.dtype) -> None:
    world = read_world("vbpr")
    width = world.arrays["param/item_embedding"].shape[1]
    settings = VBPR.Settings(embedding_size=width, reg_weight=world.config("reg_weight"))
    model = VBPR(world.dataset, settings, torch.Generator().manual_seed(0)).to(dtype)
    set_parameters(model, world.under("param/"), dtype)
    assert_reproduces(model, world, dtype)


@BOTH
def test_mmgcn_reproduces_the_reference_vectors(dtype: torch.dtype) -> None:
    world = read_world("mmgcn")
    projected = [m for m in world.dataset.features if f"param/{m}.projection.weight" in world.arrays]
    settings = MMGCN.Settings(
        embedding_size=world.arrays["param/id_embedding"].shape[1],
        latent_width=max([len(world.arrays[f"param/{m}.projection.weight"]) for m in projected], default=1),
        projected=",".join(projected) or "none",
        reg_weight=world.config("reg_weight"),
    )
    model = MMGCN(world.dataset, settings, torch.Generator().manual_seed(0)).to(dtype)
    set_parameters(model, world.under("param/"), dtype)
    assert_reproduces(model, world, dtype)


@BOTH
@pytest.mark.parametrize("form", ["paper", "released"])
def test_grcn_reproduces_the_reference_vectors(dtype: torch.dtype, form: Literal["paper", "released"]) -> None:
    world = read_world("grcn" if form == "paper" else "grcn_as_released")
    settings = GRCN.Settings(
        embedding_size=world.arrays["param/id_embedding"].shape[1],
        n_routing=world.config("n_layers"),
        form=form,
        reg_weight=world.config("reg_weight"),
    )
    model = GRCN(world.dataset, settings, torch.Generator().manual_seed(0)).to(dtype)
    set_parameters(model, world.under("param/"), dtype)
    assert_reproduces(model, world, dtype)


@BOTH
def test_freedom_reproduces_the_reference_vectors(dtype: torch.dtype) -> None:
    world = read_world("freedom")
    settings = FREEDOM.Settings(
        embedding_size=world.arrays["param/user_embedding"].shape[1],
        n_layers=world.config("n_ui_layers"),
        n_item_layers=world.config("n_mm_layers"),
        n_neighbours=world.config("knn_k"),
        image_weight=world.config("mm_image_weight"),
        edge_dropout=world.config("dropout"),
        reg_weight=world.config("reg_weight"),
    )
    rows, columns = world.arrays["item_graph/index"]
    recorded = np.zeros((world.dataset.n_items, world.dataset.n_items))
    np.add.at(recorded, (rows, columns), world.arrays["item_graph/value"])
    assert np.abs(item_graph(world.dataset, settings).toarray() - recorded).max() <= 1e-7
    model = FREEDOM(world.dataset, settings, torch.Generator().manual_seed(0)).to(dtype)
    set_parameters(model, world.under("param/"), dtype)
    assert_reproduces(model, world, dtype)
