"""Conversion of data sets to and from PyTorch Geometric's `HeteroData`: `pip install triptych[geometric]`.

A data set becomes two node types and one edge type:

    data["user"]    num_nodes, user_id (list of str)
    data["item"]    num_nodes, item_id (list of str)
    both            for every modality m of the items or users: data["item"][m] [n_items, width] and
                    data["item"][m + "_present"], bool [n_items]
    data["user", "interacts", "item"]    edge_index int64 [2, n]. With a split: split int8 [n] (0 train, 1 validation,
                    2 test), train_mask, val_mask, test_mask. With times: time float64 [n]. With weights:
                    edge_weight float64 [n]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.data.interactions import Interactions
from triptych.data.split_codes import N_CODES, in_split
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, did_you_mean
from triptych.models.feature_rows import feature_tensor

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData

RELATION = ("user", "interacts", "item")
MASKS = ("train_mask", "val_mask", "test_mask")
PRESENT = "_present"


def to_hetero_data(dataset: Dataset) -> HeteroData:
    """Convert a data set to a `HeteroData`, as described above. Feature tables share memory: do not write to them."""
    from torch_geometric.data import HeteroData

    data = HeteroData()
    user, _, item = RELATION
    data[user].num_nodes, data[item].num_nodes = dataset.n_users, dataset.n_items
    data[user].user_id, data[item].item_id = dataset.users.ids.to_list(), dataset.items.ids.to_list()
    for nodes, modalities in ((item, dataset.features), (user, dataset.user_features)):
        for modality, features in modalities.items():
            data[nodes][modality] = feature_tensor(features)
            data[nodes][modality + PRESENT] = torch.from_numpy(features.present.copy())
    edges, interactions = data[RELATION], dataset.interactions
    edges.edge_index = torch.from_numpy(np.stack([interactions.users, interactions.items]))
    if dataset.times is not None:
        edges.time = torch.from_numpy(dataset.times.copy())
    if dataset.weights is not None:
        edges.edge_weight = torch.from_numpy(dataset.weights.copy())
    if dataset.split_codes is not None:
        edges.split = torch.from_numpy(dataset.split_codes.copy())
        for code, mask in enumerate(MASKS):
            edges[mask] = torch.from_numpy(in_split(dataset.split_codes, code))
    return data


def from_hetero_data(
    data: HeteroData,
    relation: tuple[str, str, str] | None = None,
    modalities: Sequence[str] | None = None,
    user_modalities: Sequence[str] | None = None,
) -> Dataset:
    """Convert a `HeteroData` to a data set.

    relation: the edge type of the interactions, from users to items. It may be left out if there is only one edge type,
    reverse edges (`rev_…`) not counted. modalities: the attributes of the item nodes that become features; by default
    all float matrices with one row per item. user_modalities: the same for the user nodes. Ids are `user_id` and
    `item_id` if the nodes have them, else row numbers. Repeated edges become one, with the split and the time of the
    first and the sum of their weights. Raises InputError.
    """
    chosen = relation or _only_relation(data)
    if chosen not in data.edge_types:
        names = [str(each) for each in data.edge_types]
        raise InputError(f"has no edge type {chosen}", where="HeteroData", hint=did_you_mean(str(chosen), names))
    users, items, edges = data[chosen[0]], data[chosen[2]], data[chosen]
    n_users, n_items = int(users.num_nodes), int(items.num_nodes)
    pairs = edges.edge_index.cpu().numpy().astype(np.int64)
    for row, n, kind in ((0, n_users, chosen[0]), (1, n_items, chosen[2])):
        if pairs.shape[1] and not 0 <= pairs[row].min() <= pairs[row].max() < n:
            raise InputError(f'edge_index names a "{kind}" node that is not among the {n} nodes', where=str(chosen))
    _, order, edge_of = np.unique(pairs[0] * n_items + pairs[1], return_index=True, return_inverse=True)
    return Dataset(
        users=Vocabulary(_ids(users, "user_id", n_users), noun="user"),
        items=Vocabulary(_ids(items, "item_id", n_items)),
        interactions=Interactions(pairs[0][order], pairs[1][order], n_users, n_items),
        features={name: _features(items, name, n_items) for name in _modalities(items, n_items, modalities)},
        user_features={name: _features(users, name, n_users) for name in _modalities(users, n_users, user_modalities)},
        times=edges.time.cpu().numpy().astype(np.float64)[order] if "time" in edges else None,
        split_codes=_split_codes(edges, order),
        weights=_weights(edges, edge_of),
        about={"sources": ["HeteroData"]},
    )


def _only_relation(data: HeteroData) -> tuple[str, str, str]:
    forward = [edge for edge in data.edge_types if not edge[1].startswith("rev_")]
    if len(forward) != 1:
        raise InputError(
            f"{len(forward)} edge types: {forward}",
            where="HeteroData",
            hint='name one, for example relation=("user", "interacts", "item")',
        )
    source, name, target = forward[0]
    return source, name, target


def _ids(nodes: Any, name: str, n: int) -> list[str]:
    if name not in nodes:
        return [str(row) for row in range(n)]
    return [str(each.item() if isinstance(each, torch.Tensor) else each) for each in nodes[name]]


def _modalities(nodes: Any, n: int, requested: Sequence[str] | None) -> list[str]:
    matrices = [name for name in nodes.keys() if _is_matrix(nodes[name], n)]  # noqa: SIM118 - not a mapping
    if requested is None:
        return matrices
    for name in requested:
        if name not in matrices:
            raise InputError(f'the nodes have no float matrix "{name}"', hint=did_you_mean(name, matrices))
    return list(requested)


def _is_matrix(value: object, n: int) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point() and value.dim() == 2 and len(value) == n


def _features(nodes: Any, name: str, n: int) -> Features:
    table: NDArray[Any] = nodes[name].detach().cpu().numpy()
    if not np.isfinite(table).all():
        row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        raise InputError("features are not finite", where=f'modality "{name}", row {row}', hint="correct that row")
    present = np.ones(n, dtype=np.bool_)
    if name + PRESENT in nodes:
        present = nodes[name + PRESENT].cpu().numpy().astype(np.bool_)
    return Features(name, table, present, {"source": "HeteroData"})


def _weights(edges: Any, edge_of: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return the sum of the weights of each distinct edge. edge_of: int64 [n], the distinct edge of each edge."""
    if "edge_weight" not in edges:
        return None
    weights = edges.edge_weight.detach().cpu().numpy().astype(np.float64).reshape(-1)
    if len(weights) != len(edge_of):
        raise InputError(f"{len(weights)} edge weights for {len(edge_of)} edges", where="HeteroData")
    bad = ~(np.isfinite(weights) & (weights > 0))
    if bad.any():
        raise InputError(
            f"edge_weight {weights[bad][0]:g} of edge {np.flatnonzero(bad)[0]} is not a number above 0",
            where="HeteroData",
            hint="leave out the edges that do not count",
        )
    return np.bincount(edge_of, weights).astype(np.float64)


def _split_codes(edges: Any, order: NDArray[np.int64]) -> NDArray[np.int8] | None:
    if "split" in edges:
        codes = edges.split.cpu().numpy().astype(np.int8)
        if not np.isin(codes, np.arange(N_CODES)).all():
            raise InputError("split must be 0 (train), 1 (validation) or 2 (test)", where="HeteroData")
    elif all(mask in edges for mask in MASKS):
        masks = np.stack([edges[mask].cpu().numpy() for mask in MASKS])
        if not (masks.sum(axis=0) == 1).all():
            raise InputError("every edge must be in one of train_mask, val_mask and test_mask", where="HeteroData")
        codes = masks.argmax(axis=0).astype(np.int8)
    else:
        return None
    return np.asarray(codes[order], dtype=np.int8)
