"""Data sets are converted to PyTorch Geometric and back, and the LightGCNs of both libraries agree."""

from __future__ import annotations

import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData
from torch_geometric.nn import LightGCN as GeometricLightGCN

from triptych.data.dataset import Dataset
from triptych.data.split import assign_split
from triptych.errors import InputError
from triptych.interchange.geometric import from_hetero_data, to_hetero_data
from triptych.models.lightgcn import LightGCN
from worlds import random_dataset

EXAMPLE = Path(__file__).parents[2] / "examples" / "bm3_from_pyg.py"


@pytest.fixture
def dataset() -> Dataset:
    dataset = assign_split(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0)
    return replace(dataset, times=np.arange(len(dataset.interactions), dtype=np.float64))


def test_a_data_set_is_the_same_after_a_round_trip(dataset: Dataset) -> None:
    data = to_hetero_data(dataset)
    data.validate()
    restored = from_hetero_data(data)
    assert restored.users.ids.equals(dataset.users.ids)
    assert restored.items.ids.equals(dataset.items.ids)
    assert np.array_equal(restored.interactions.keys, dataset.interactions.keys)
    assert dataset.split_codes is not None
    assert restored.split_codes is not None
    assert np.array_equal(restored.split_codes, dataset.split_codes)
    assert dataset.times is not None
    assert restored.times is not None
    assert np.array_equal(restored.times, dataset.times)
    assert list(restored.features) == list(dataset.features)
    for name, features in dataset.features.items():
        assert np.array_equal(restored.features[name].table, features.table)
        assert np.array_equal(restored.features[name].present, features.present)


def test_shuffled_and_repeated_edges_and_masks_are_read(dataset: Dataset) -> None:
    data = to_hetero_data(dataset)
    edges = data["user", "interacts", "item"]
    shuffled = torch.randperm(edges.edge_index.shape[1], generator=torch.Generator().manual_seed(0))
    for name in ("edge_index", "train_mask", "val_mask", "test_mask"):
        value = edges[name][..., shuffled]
        edges[name] = torch.cat([value, value[..., :5]], dim=-1)
    del edges["split"], edges["time"]
    restored = from_hetero_data(data)
    assert np.array_equal(restored.interactions.keys, dataset.interactions.keys)
    assert restored.split_codes is not None
    assert dataset.split_codes is not None
    assert np.array_equal(restored.split_codes, dataset.split_codes)


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_lightgcn_equals_the_one_of_pytorch_geometric_on_the_same_weights(dataset: Dataset, n_layers: int) -> None:
    model = LightGCN(
        dataset, LightGCN.Settings(embedding_size=8, n_layers=n_layers), torch.Generator().manual_seed(0)
    ).double()
    users, items = torch.from_numpy(dataset.interactions.users), torch.from_numpy(dataset.interactions.items)
    forward = torch.stack([users, items + dataset.n_users])
    reference = GeometricLightGCN(dataset.n_users + dataset.n_items, 8, n_layers).double()
    with torch.no_grad():
        reference.embedding.weight.copy_(torch.cat([model.user_embedding, model.item_embedding]))
        expected = reference.get_embedding(torch.cat([forward, forward.flip(0)], dim=1))
        representations = torch.cat(model.representations())
    assert torch.allclose(representations, expected, rtol=1e-6, atol=1e-8)


def test_invalid_input_is_refused_with_a_hint(dataset: Dataset) -> None:
    data = to_hetero_data(dataset)
    with pytest.raises(InputError, match="no edge type"):
        from_hetero_data(data, relation=("user", "rates", "item"))
    with pytest.raises(InputError, match=r'no float matrix "imgae"'):
        from_hetero_data(data, modalities=["imgae"])
    data["user", "views", "item"].edge_index = torch.zeros((2, 1), dtype=torch.int64)
    with pytest.raises(InputError, match="2 edge types") as caught:
        from_hetero_data(data)
    assert caught.value.hint
    broken = HeteroData()
    broken["user"].num_nodes, broken["item"].num_nodes = 2, 2
    broken["user", "interacts", "item"].edge_index = torch.tensor([[0, 1], [0, 2]])
    with pytest.raises(InputError, match="not among the 2 nodes"):
        from_hetero_data(broken)


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE))["main"](epochs=2)
    assert "NDCG@50" in capsys.readouterr().out


def test_torch_geometric_is_not_imported_unless_used() -> None:
    code = (
        "import sys, triptych.interchange.geometric, triptych.training.fit; sys.exit('torch_geometric' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_weights_survive_a_round_trip_and_those_of_repeated_edges_are_summed(dataset: Dataset) -> None:
    given = np.linspace(0.5, 3, len(dataset.interactions))
    data = to_hetero_data(replace(dataset, weights=given))
    np.testing.assert_array_equal(from_hetero_data(data).weights, given)
    edges = data["user", "interacts", "item"]
    for name in ("edge_index", "edge_weight", "split", "time"):
        edges[name] = torch.cat([edges[name], edges[name][..., :1]], dim=-1)
    summed = from_hetero_data(data).weights
    assert summed is not None
    assert summed[0] == 2 * given[0]
    np.testing.assert_array_equal(summed[1:], given[1:])


def test_edge_weights_that_are_no_numbers_above_0_are_refused(dataset: Dataset) -> None:
    for bad in (0.0, -1.0, np.nan, np.inf):
        data = to_hetero_data(replace(dataset, weights=np.ones(len(dataset.interactions))))
        data["user", "interacts", "item"].edge_weight[3] = bad
        with pytest.raises(InputError, match="of edge 3 is not a number above 0"):
            from_hetero_data(data)
