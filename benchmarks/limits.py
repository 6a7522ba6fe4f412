"""Lower bounds for the cost of a step: bytes through memory and floating-point operations, per phase.

A part of a phase needs at least max(bytes / the machine's copy bandwidth, operations / its rate of matrix products).
The graph and the dense layers run one after the other. Only compulsory bytes count: every table of a pass is read from
memory once and written once, and every edge is read once (an int32 index and a float32 weight). A pass over the graph
also looks up a row per edge. How many of these come from the cache depends on the machine, and none is counted. So an
implementation may come close to these limits, but need not reach them.

With N users and items together, E training interactions (2 E entries of Â), width d, batch B, F the sum of the widths
of all features, and P parameters:

    propagation, one product with Â    8 N d bytes + 16 E bytes; the same backward
    features of the batch              rows · F · 2 bytes, 2 rows F d operations; the same for the weights' gradient
    features of all items              n_items · F · 2 bytes, 2 n_items F d operations; the same backward
    dense layers [N, a] -> [N, b]      2 N a b operations, twice that backward; 4 N (a + b) bytes, twice that backward
    Adam                               reads p, g, m, v and writes p, m, v: 28 P bytes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.machine import Machine
from benchmarks.synthetic_data import Sizes


@dataclass(frozen=True)
class Cost:
    """Bytes through memory, and floating-point operations of matrix products."""

    bytes: float = 0.0
    operations: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.bytes + other.bytes, self.operations + other.operations)

    def times(self, factor: float) -> Cost:
        """Return the cost of `factor` repetitions."""
        return Cost(self.bytes * factor, self.operations * factor)

    def seconds(self, machine: Machine, *, bfloat16: bool = False) -> float:
        """The minimum time. Memory traffic and products overlap at best."""
        rate = machine.bfloat16_gigaflops if bfloat16 else machine.float32_gigaflops
        return max(self.bytes / machine.copy_gigabytes, self.operations / rate) / 1e9


def minimum_seconds(
    model: str, sizes: Sizes, values: Mapping[str, object], batch_size: int, machine: Machine, *, bfloat16: bool = False
) -> dict[str, float]:
    """Phase -> its minimum time in one step on this machine."""
    costs = minimum_costs(model, sizes, values, batch_size)
    return {phase: sum(cost.seconds(machine, bfloat16=bfloat16) for cost in each) for phase, each in costs.items()}


def minimum_costs(
    model: str, sizes: Sizes, values: Mapping[str, object], batch_size: int
) -> dict[str, tuple[Cost, ...]]:
    """Phase -> costs that follow each other in one step of Triptych's form of the model."""
    width = _number(values, "embedding_size", 64)
    passes = product_with_graph(sizes, width)
    zero = Cost()
    forward_graph, forward_dense, backward_dense, parameters = zero, zero, zero, node_parameters(sizes, width)
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
            sampled = product_with_graph(sizes, width, kept)
            items = Cost(8.0 * sizes.n_items * width + 8.0 * sizes.n_items * 2 * _number(values, "n_neighbours", 10))
            forward_graph = sampled.times(_number(values, "n_layers", 2)) + items
            forward_dense = projection(2 * batch_size, columns, width)
        case "vbpr":
            forward_dense = projection(2 * batch_size, columns, width)
            parameters += sizes.n_users * width
        case "grcn":
            n_routing = _number(values, "n_routing", 3)
            # per modality: a dot product and a sum to the users at every routing, then a dot product and the sums in
            # both directions; then two sums of the ID embeddings in both directions. Each of these costs half a
            # product with Â: it reads the same rows for one direction.
            halves = 2 * (2 * n_routing + 1 + 2) + 4
            forward_graph = passes.times(halves / 2)
            forward_dense = projection(sizes.n_items, columns, width)
            parameters += 2 * sizes.n_users * width
        case "mmgcn":
            forward_graph, forward_dense, backward_dense, extra = _mmgcn(sizes, values, width)
            parameters += extra
    if backward_dense == zero:
        backward_dense = forward_dense
    return {
        "propagation": (forward_graph,),
        "features and dense layers": (forward_dense,),
        "backward": (forward_graph, backward_dense),
        "optimiser": (Cost(bytes=28.0 * parameters),),
    }


def product_with_graph(sizes: Sizes, width: float, kept: float = 1.0) -> Cost:
    """Â times a matrix [N, width]. kept: the share of the edges."""
    return Cost(bytes=8.0 * (sizes.n_users + sizes.n_items) * width + 16.0 * sizes.n_interactions * kept)


def projection(rows: float, columns: float, width: float) -> Cost:
    """16-bit features [rows, columns] -> [rows, width]."""
    return Cost(bytes=2.0 * rows * columns, operations=2.0 * rows * columns * width)


def node_parameters(sizes: Sizes, width: float) -> float:
    """The number of parameters of the embeddings of all users and items."""
    return (sizes.n_users + sizes.n_items) * width


def _dense(rows: float, columns: float, width: float) -> Cost:
    return Cost(bytes=4.0 * rows * (columns + width), operations=2.0 * rows * columns * width)


def _mmgcn(sizes: Sizes, values: Mapping[str, object], d: float) -> tuple[Cost, Cost, Cost, float]:
    """Costs of graph (forward) and dense layers (forward, backward), and parameters besides the ID embeddings."""
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
