"""What a step must cost at the least: bytes through memory and floating-point operations, phase by phase.

A part of a phase needs at least max(bytes / the machine's copy bandwidth, operations / its rate of products); the graph
and the dense layers come one after the other. The bytes are the
compulsory ones: every table that a pass works on comes from memory once and goes back once, edges are read once (an
int32 index and a float32 weight each). A pass over the graph also looks up a row per edge; how many of those come from
the cache depends on the machine, and none is counted. So these are limits that can be neared, not promises.

With N users and items, E training pairs (2 E entries of Â), width d, batch B, F the summed widths of the features and
n_items rows of them, P parameters:

    propagation, one product with Â    8 N d bytes + 16 E bytes; as many again backward
    features of the batch              rows · F · 2 bytes, 2 rows F d operations; the weights' gradient costs as much
    features of all items              n_items · F · 2 bytes, 2 n_items F d operations; the same backward
    dense layers [N, a] -> [N, b]      2 N a b operations, twice that backward; 4 N (a + b) bytes, twice that backward
    Adam                               reads p, g, m, v and writes p, m, v: 28 P bytes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.machine import Machine
from benchmarks.world import Sizes


@dataclass(frozen=True)
class Cost:
    """Bytes through memory, and floating-point operations of products."""

    bytes: float = 0.0
    operations: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.bytes + other.bytes, self.operations + other.operations)

    def times(self, factor: float) -> Cost:
        """So many of it."""
        return Cost(self.bytes * factor, self.operations * factor)

    def seconds(self, machine: Machine, *, bfloat16: bool = False) -> float:
        """At least this long; traffic and products overlap at best."""
        rate = machine.bfloat16_gigaflops if bfloat16 else machine.float32_gigaflops
        return max(self.bytes / machine.copy_gigabytes, self.operations / rate) / 1e9


def least_seconds(
    model: str, sizes: Sizes, values: Mapping[str, object], batch_size: int, machine: Machine, *, bfloat16: bool = False
) -> dict[str, float]:
    """Phase -> the least that it can take in one step on this machine."""
    costs = least_costs(model, sizes, values, batch_size)
    return {phase: sum(cost.seconds(machine, bfloat16=bfloat16) for cost in parts) for phase, parts in costs.items()}


def least_costs(model: str, sizes: Sizes, values: Mapping[str, object], batch_size: int) -> dict[str, tuple[Cost, ...]]:
    """Phase -> costs, one after the other, of one step of our form of the model."""
    width = _number(values, "embedding_size", 64)
    passes = product_with_graph(sizes, width)
    nothing = Cost()
    forward_graph, forward_dense, backward_dense, parameters = nothing, nothing, nothing, node_parameters(sizes, width)
    columns = sizes.image_width + sizes.text_width
    match model:
        case "lightgcn":
            forward_graph = passes.times(_number(values, "n_layers", 3))
        case "bm3":
            forward_graph = passes.times(_number(values, "n_layers", 1))
            forward_dense = projection(batch_size, columns, width)
            if values.get("features", "residual") == "residual":
                parameters += 2 * sizes.n_items * width
        case "freedom":
            kept = 1 - _number(values, "edge_dropout", 0.8)
            thinned = product_with_graph(sizes, width, kept)
            items = Cost(8.0 * sizes.n_items * width + 8.0 * sizes.n_items * 2 * _number(values, "n_neighbours", 10))
            forward_graph = thinned.times(_number(values, "n_layers", 2)) + items
            forward_dense = projection(2 * batch_size, columns, width)
        case "vbpr":
            forward_dense = projection(2 * batch_size, columns, width)
            parameters += sizes.n_users * width
        case "grcn":
            n_routing = _number(values, "n_routing", 3)
            # a modality: a dot and a sum to the users at every routing, then a dot and the sums both ways; then two
            # sums both ways of the IDs. Half a product with Â each way, and a dot reads what a product reads.
            halves = 2 * (2 * n_routing + 1 + 2) + 4
            forward_graph = passes.times(halves / 2)
            forward_dense = projection(sizes.n_items, columns, width)
            parameters += 2 * sizes.n_users * width
        case "mmgcn":
            forward_graph, forward_dense, backward_dense, extra = _mmgcn(sizes, values, width)
            parameters += extra
    if backward_dense == nothing:
        backward_dense = forward_dense
    return {
        "propagation": (forward_graph,),
        "features and dense layers": (forward_dense,),
        "backward": (forward_graph, backward_dense),
        "optimiser": (Cost(bytes=28.0 * parameters),),
    }


def product_with_graph(sizes: Sizes, width: float, kept: float = 1.0) -> Cost:
    """Â times [N, width], with a share of the edges."""
    return Cost(bytes=8.0 * (sizes.n_users + sizes.n_items) * width + 16.0 * sizes.n_interactions * kept)


def projection(rows: float, columns: float, width: float) -> Cost:
    """Features [rows, columns] in 16 bits -> [rows, width]."""
    return Cost(bytes=2.0 * rows * columns, operations=2.0 * rows * columns * width)


def node_parameters(sizes: Sizes, width: float) -> float:
    """An embedding for every user and item."""
    return (sizes.n_users + sizes.n_items) * width


def _dense(rows: float, columns: float, width: float) -> Cost:
    return Cost(bytes=4.0 * rows * (columns + width), operations=2.0 * rows * columns * width)


def _mmgcn(sizes: Sizes, values: Mapping[str, object], d: float) -> tuple[Cost, Cost, Cost, float]:
    """Forward over the graph, forward and backward dense, and parameters beside the ID embeddings."""
    n_nodes = sizes.n_users + sizes.n_items
    graph, forward, backward, parameters = Cost(), Cost(), Cost(), 0.0
    projected = str(values.get("projected", "image")).split(",")
    for modality, columns in (("image", sizes.image_width), ("text", sizes.text_width)):
        width: float = columns
        if modality in projected:
            width = _number(values, "latent_width", 256)
            forward += projection(sizes.n_items, columns, width)
            backward += projection(sizes.n_items, columns, width)
            parameters += columns * width
        parameters += sizes.n_users * width
        for _ in range(3):
            layer = _dense(n_nodes, width, width) + _dense(n_nodes, width, d) + _dense(n_nodes, width + d, d)
            forward += layer
            backward += layer.times(2)
            graph += product_with_graph(sizes, width)
            parameters += width * width + width * d + (width + d) * d
            width = d
    return graph, forward, backward, parameters


def _number(values: Mapping[str, object], name: str, default: float) -> float:
    return float(str(values.get(name, default)))
