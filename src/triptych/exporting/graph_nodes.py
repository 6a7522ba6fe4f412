"""Nodes of an ONNX graph, written as calls: `nodes.add("MatMul", a, b)` returns the name of the result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Nodes:
    """The nodes and constants of a graph that is being written.

    prefix: begins all names, so that those of an inner graph differ from those around it.
    """

    prefix: str = ""
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node with one result, and return the name of the result."""
        result = name or f"{self.prefix}{operator}_{len(self.nodes)}"
        self.add_many(operator, inputs, (result,), **attributes)
        return result

    def add_many(self, operator: str, inputs: tuple[str, ...], results: tuple[str, ...], **attributes: Any) -> None:
        """Add a node with several results."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, list(inputs), list(results), **attributes))

    def constant(self, value: NDArray[Any] | float | int | list[Any]) -> str:
        """Add a constant and return its name. Numbers become float32 or int64."""
        from onnx import numpy_helper

        name = f"{self.prefix}constant_{len(self.constants)}"
        if not isinstance(value, np.ndarray):
            value = np.array(value, dtype=np.float32 if isinstance(value, float) else np.int64)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name
