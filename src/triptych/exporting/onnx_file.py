"""A recommender as an ONNX file: user rows or histories in, the best items and their scores out.

Its lists are those of `Recommender.recommend` and `recommend_from_history`, with the popular items for users of whom
nothing is known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from triptych.artefacts import writing_file
from triptych.errors import InputError
from triptych.exporting.graph_nodes import Nodes
from triptych.exporting.onnx_scores import scores_of_histories, scores_of_users, size_of_histories
from triptych.exporting.vectors import has_inner_product, ids_of, inner_product
from triptych.memory import free_bytes
from triptych.progress import Listener, ignore_progress, track
from triptych.ranking.own_scorer import require_ours
from triptych.ranking.recommender import Recommender

InputKind = Literal["users", "history"]
OPSET, IR_VERSION = 18, 8  # those of onnxruntime 1.14, of 2023
LARGEST = (1 << 31) - (1 << 24)  # bytes of a file; the format ends at 2 GiB
COPIES = 4  # of the constants in memory, while a file is written


def write_onnx(
    model: Recommender,
    path: Path,
    input_kind: InputKind | None,
    about: Mapping[str, Any],
    *,
    k: int = 50,
    overwrite: bool = False,
    listener: Listener = ignore_progress,
) -> InputKind:
    """Write a recommender to an ONNX file, whole or not at all, and return what the graph takes.

    input_kind: "users" takes rows of users, "history" item rows of users that the model was not trained on; None: users
    if the model has user vectors. k: the length of the lists. about: goes into the file's
    metadata, beside the ids: "item_ids" and "user_ids", lists in JSON. Raises InputError if the model cannot take
    users, or if the file or the memory for it would be too large; ArtefactError.
    """
    kind: InputKind = input_kind or ("users" if has_inner_product(model.scorer) else "history")
    _check_size(model, kind)
    for _ in track("making the graph", [kind], listener):
        content = _model_proto(model, kind, k, about).SerializeToString()
    with writing_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)
    return kind


def _check_size(model: Recommender, kind: InputKind) -> None:
    if kind == "users":
        factors = inner_product(model)
        size = 4 * (factors.users.numel() + factors.items.numel())
    else:
        size = size_of_histories(require_ours(model.scorer, "exported"))
    if size > LARGEST:
        what = f"needs {size / 1e9:.1f} GB of constants, and an ONNX file holds 2.1 GB"
        hint = "export a model with vectors, or a smaller catalogue" if kind == "history" else "export faiss:FILE"
        raise InputError(what, hint=hint)
    if COPIES * size > free_bytes():
        what = f"needs {COPIES * size / 1e9:.1f} GB of memory, and {free_bytes() / 1e9:.1f} GB are free"
        raise InputError(what, hint="use a machine with more memory, or export a model with vectors")


def _model_proto(model: Recommender, kind: InputKind, k: int, about: Mapping[str, Any]) -> Any:
    """Return the ONNX model.

    Inputs: users int64 [n], or history int64 [n, m] with -1 for "no item"; exclude int64 [n or 1, m], items that are
    left out, -1 for none. Outputs: items int64 [n, k], -1 where no item is left, and scores float32.
    """
    from onnx import TensorProto, helper

    nodes, n_items = Nodes(), model.dataset.n_items
    if kind == "users":
        scores = scores_of_users(nodes, inner_product(model), "users")
        unknown = nodes.add("Gather", nodes.constant(model.users_of_whom_nothing_is_known()[:, None]), "users")
        left_out = ["exclude"]
    else:
        scorer = require_ours(model.scorer, "exported")
        history, count = _history(nodes)
        scores = scores_of_histories(nodes, scorer, model.split.train.interactions, history, count)
        unknown = nodes.add("Equal", count, nodes.constant(0.0))
        left_out = ["exclude"] if model.dataset.keeps_seen else [history, "exclude"]
    popularity = model.dataset.interactions.item_degrees.astype(np.float32)[None]
    scores = nodes.add("Where", unknown, nodes.constant(popularity), scores)
    for items in left_out:
        scores = _without(nodes, scores, unknown, items, n_items)
    _best(nodes, scores, min(k, n_items))
    shapes = {"users": ["n"], "history": ["n", "m"], "exclude": ["n_or_1", "m_excluded"]}
    graph = helper.make_graph(
        nodes.nodes,
        "recommend",
        [helper.make_tensor_value_info(each, TensorProto.INT64, shapes[each]) for each in (kind, "exclude")],
        [
            helper.make_tensor_value_info("items", TensorProto.INT64, ["n", min(k, n_items)]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", min(k, n_items)]),
        ],
        nodes.constants,
        doc_string=str(about.get("model", "")),
    )
    opset = [helper.make_opsetid("", OPSET)]
    proto = helper.make_model(graph, producer_name="triptych", opset_imports=opset, ir_version=IR_VERSION)
    ids = {"item_ids": ids_of(model.dataset.items).to_list()}
    if kind == "users":
        ids["user_ids"] = ids_of(model.dataset.users).to_list()
    texts = {name: json.dumps(each, ensure_ascii=False) for name, each in ids.items()}
    helper.set_model_props(proto, {**texts, "triptych": json.dumps(dict(about))})
    return proto


def _history(nodes: Nodes) -> tuple[str, str]:
    """Return the history with each item once and -1 for the rest, and float32 [n, 1] items of each."""
    last, first = nodes.constant([2]), nodes.constant([1])
    same = nodes.add("Equal", nodes.add("Unsqueeze", "history", last), nodes.add("Unsqueeze", "history", first))
    before = nodes.add(
        "Trilu", nodes.add("Cast", same, to=6), nodes.constant(-1), upper=0
    )  # as int32: int64 of 8 bytes
    n_before = nodes.add("ReduceSum", before, last, keepdims=0)
    is_new = nodes.add("Equal", n_before, nodes.constant(np.array(0, dtype=np.int32)))
    is_item = nodes.add("GreaterOrEqual", "history", nodes.constant(0))
    counts = nodes.add("And", is_new, is_item)
    history = nodes.add("Where", counts, "history", nodes.constant(-1))
    count = nodes.add("ReduceSum", nodes.add("Cast", counts, to=1), first, keepdims=1)
    return history, count


def _without(nodes: Nodes, scores: str, like: str, items: str, n_items: int) -> str:
    """Set the scores of items, int64 [n or 1, m], to -inf. A column for -1 is added, and removed again."""
    n = nodes.add("Shape", like)  # [n, 1]
    rows = nodes.add("Expand", nodes.add("Max", items, nodes.constant(-1)), n)
    zeros = nodes.add("Cast", nodes.add("Expand", nodes.constant(np.zeros((1, 1), dtype=np.float32)), n), to=1)
    wide = nodes.add("Concat", scores, zeros, axis=1)
    lowest = nodes.constant(np.full((1, 1), -np.inf, dtype=np.float32))
    updates = nodes.add("Expand", lowest, nodes.add("Shape", rows))
    wide = nodes.add("ScatterElements", wide, rows, updates, axis=1)
    return nodes.add("Slice", wide, nodes.constant([0]), nodes.constant([n_items]), nodes.constant([1]))


def _best(nodes: Nodes, scores: str, k: int) -> None:
    nodes.add_many("TopK", (scores, nodes.constant([k])), ("scores", "best"), axis=1)
    none = nodes.add("Equal", "scores", nodes.constant(float("-inf")))
    nodes.add("Where", none, nodes.constant(-1), "best", name="items")
