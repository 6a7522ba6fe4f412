"""Train BM3 from a PyTorch Geometric data set.

`pip install triptych[geometric]`, then `python examples/bm3_from_pyg.py`.

The data set is PyG's random one, which needs no download. Any `HeteroData` works. For example, the relation of
`torch_geometric.datasets.MovieLens100K` is ("user", "rates", "movie").
"""

from __future__ import annotations

import torch
from torch_geometric.data import HeteroData
from torch_geometric.datasets import FakeHeteroDataset

from triptych import TrainingSettings, fit, split
from triptych.interchange.geometric import from_hetero_data


def main(epochs: int = 20) -> None:
    """Load and split the data set, then train, evaluate and recommend."""
    torch.manual_seed(0)
    data = FakeHeteroDataset(num_node_types=2, num_edge_types=4, avg_num_nodes=200, avg_degree=12)[0]
    assert isinstance(data, HeteroData)
    dataset = from_hetero_data(data, relation=("v0", "e0", "v1"))
    print(f"{dataset.n_users} users, {dataset.n_items} items, modalities: {', '.join(dataset.features)}")
    recommender = fit("bm3", split(dataset, "ratio", seed=0), training=TrainingSettings(epochs=epochs))
    print(f"NDCG@50 {recommender.evaluate()['ndcg@50']:.4f} (the data are random: there is nothing to learn)")
    print(recommender.recommend(["0"], k=5).to_polars())


if __name__ == "__main__":
    main()
