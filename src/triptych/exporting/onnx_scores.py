"""The scores of every scorer as nodes of an ONNX graph: from user rows, or from histories."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.data.interactions import Interactions
from triptych.exporting.graph_nodes import Nodes
from triptych.ranking.new_users import history_map, without_given_scores
from triptych.ranking.scorer import Blend, Factors, ItemWeights, OurScorer

CHUNK = 1024  # items whose dense weights are computed at a time


def scores_of_users(nodes: Nodes, factors: Factors, users: str) -> str:
    """float32 [n, n_items] from user rows, int64 [n]."""
    vectors = nodes.add("Gather", nodes.constant(_float32(factors.users)), users)
    return nodes.add("MatMul", vectors, nodes.constant(_float32(factors.items).T))


def scores_of_histories(nodes: Nodes, scorer: OurScorer, train: Interactions, history: str, count: str) -> str:
    """float32 [n, n_items] from the items of new users; see `ranking/new_users.py`.

    train: the training interactions of the scorer's users. history: int64 [n, m], distinct item rows, -1 for none.
    count: float32 [n, 1], the number of items of each.
    """
    scorer = without_given_scores(scorer)
    if isinstance(scorer, ItemWeights):
        return _weighted(nodes, scorer, history, count)
    if isinstance(scorer, Factors):
        return _regressed(nodes, scorer, train, history, count)
    parts = []
    for each, weight in zip(scorer.scorers, scorer.weights, strict=True):
        standardised = _standardised(nodes, scores_of_histories(nodes, each, train, history, count))
        parts.append(nodes.add("Mul", standardised, nodes.constant(float(weight))))
    return nodes.add("Sum", *parts)


def size_of_histories(scorer: OurScorer) -> int:
    """Return the bytes of the constants that `scores_of_histories` adds."""
    scorer = without_given_scores(scorer)
    if isinstance(scorer, Blend):
        return sum(map(size_of_histories, scorer.scorers))
    if isinstance(scorer, ItemWeights):
        return 4 * (scorer.n_items + 1) * scorer.n_items
    return 3 * 4 * (scorer.n_items + 1) * int(scorer.items.shape[1])


def _regressed(nodes: Nodes, factors: Factors, train: Interactions, history: str, count: str) -> str:
    fitted = history_map(factors, train)
    at_least_1 = nodes.add("Max", count, nodes.constant(1.0))
    axis = nodes.constant([1])

    def total(table: NDArray[np.float64], divisor: str) -> str:
        rows = nodes.add("Gather", nodes.constant(_with_zero_row(table.astype(np.float32))), history)
        return nodes.add("Div", nodes.add("ReduceSum", rows, axis, keepdims=0), divisor)

    vectors = nodes.add(
        "Sum",
        total(fitted.propagated, nodes.add("Sqrt", at_least_1)),
        total(fitted.averaged, at_least_1),
        nodes.constant(fitted.constant.astype(np.float32)),
    )
    return nodes.add("MatMul", vectors, nodes.constant(_float32(factors.items).T))


def _weighted(nodes: Nodes, scorer: ItemWeights, history: str, count: str) -> str:
    """Add the weights of one item of each history after the other: the memory is that of the scores."""
    from onnx import TensorProto, helper

    weights = nodes.constant(_with_zero_row(dense_weights(scorer)))
    zeros = nodes.add("Mul", count, nodes.constant(np.zeros((1, scorer.n_items), dtype=np.float32)))
    step = Nodes(prefix=f"{weights}_")
    added = step.add("Add", f"{weights}_sum", step.add("Gather", weights, f"{weights}_item"), name=f"{weights}_added")
    body = helper.make_graph(
        step.nodes,
        "add_one_item",
        [
            helper.make_tensor_value_info(f"{weights}_sum", TensorProto.FLOAT, [None, scorer.n_items]),
            helper.make_tensor_value_info(f"{weights}_item", TensorProto.INT64, [None]),
        ],
        [helper.make_tensor_value_info(added, TensorProto.FLOAT, [None, scorer.n_items])],
    )
    none = nodes.add("Expand", nodes.constant([[-1]]), nodes.add("Shape", count))  # so that there is a step to take
    by_position = nodes.add("Transpose", nodes.add("Concat", history, none, axis=1), perm=[1, 0])
    return nodes.add("Scan", zeros, by_position, body=body, num_scan_inputs=1)


def dense_weights(scorer: ItemWeights) -> NDArray[np.float32]:
    """float32 [n_items, n_items]: the scores of a user whose history is one item, for every item."""
    weights: Any = scorer.weights
    if isinstance(weights, np.ndarray):
        return weights.astype(np.float32, copy=False)
    dense = np.empty((scorer.n_items, scorer.n_items), dtype=np.float32)
    for begin in range(0, scorer.n_items, CHUNK):
        part = slice(begin, min(begin + CHUNK, scorer.n_items))
        rows: Any = weights[part]
        if scorer.spread is not None:
            rows = rows + scorer.spread[part] @ weights
        if scorer.direct is not None:
            rows = rows + scorer.direct[part]
        dense[part] = rows.toarray()
    return dense


def _standardised(nodes: Nodes, scores: str) -> str:
    axis = nodes.constant([1])
    centred = nodes.add("Sub", scores, nodes.add("ReduceMean", scores, axis))
    variance = nodes.add("ReduceMean", nodes.add("Mul", centred, centred), axis)
    return nodes.add("Div", centred, nodes.add("Max", nodes.add("Sqrt", variance), nodes.constant(1e-12)))


def _with_zero_row(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Append a row of zeros: index -1, "no item", then adds nothing."""
    return np.concatenate([table, np.zeros((1, table.shape[1]), dtype=np.float32)])


def _float32(matrix: Any) -> NDArray[np.float32]:
    return np.asarray(matrix.detach().cpu().numpy(), dtype=np.float32)
