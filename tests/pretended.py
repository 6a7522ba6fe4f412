"""A pretended GPU: tensors that say they are on Apple's GPU, while a CPU computes their values.

So tests see, without a GPU, what a GPU would refuse: operations that mix tensors of the GPU and of the CPU, and, as on
Apple's GPUs, numbers of 64 bits. The code under test cannot see the difference: it asks `tensor.device` only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE, INSIDE = torch.device("mps"), torch.device("meta")
MOVES = ("aten._to_copy.default", "aten.copy_.default")  # these may read from one device and write to another
INDEXES = ("aten.index.Tensor", "aten.index_put_.default", "aten._index_put_impl_.default")  # take indices of the CPU


class OnDevice(torch.Tensor):
    """A tensor of the pretended GPU. numbers: its values, on the CPU."""

    numbers: torch.Tensor

    @staticmethod
    def __new__(cls, values: torch.Tensor) -> OnDevice:
        return torch.Tensor._make_wrapper_subclass(
            cls, values.size(), strides=values.stride(), dtype=values.dtype, device=INSIDE
        )

    def __init__(self, values: torch.Tensor) -> None:
        self.numbers = values

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"OnDevice({self.numbers!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        raise AssertionError(f"{func} outside of pretended_gpu()")


class Generator(torch.Generator):
    """A generator of the pretended GPU."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE


class Renamed(TorchFunctionMode):
    """Calls with the pretended GPU as an argument. torch knows it as "meta", the device of tensors without numbers."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.device:
            return func(*args, **(kwargs or {}))
        if func is torch.Tensor.tolist and isinstance(args[0], OnDevice):
            return args[0].numbers.tolist()
        return func(*tree_map(_renamed, args), **tree_map(_renamed, kwargs or {}))


def _renamed(each: Any) -> Any:
    is_pretended = each == DEVICE.type if isinstance(each, str) else isinstance(each, torch.device) and each == DEVICE
    return INSIDE if is_pretended else each


class PretendedGPU(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Computes operations of the pretended GPU on the CPU. refused: what a GPU would not have done."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.refused: set[str] = set()
        self.n_operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        given = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
        here = [each for each in given if isinstance(each, OnDevice)]
        target = kwargs.get("device")
        if not here and (target is None or torch.device(target) not in (DEVICE, INSIDE)):
            return func(*args, **kwargs)
        self.n_operations += 1
        name = str(func)
        others = [each for each in given if not isinstance(each, OnDevice) and each.ndim]
        if here and others and name not in (*MOVES, *INDEXES):
            self.refused.add(f"{name} mixes devices")
        to_cpu = target is not None and torch.device(target).type == "cpu"
        if target is not None:
            kwargs["device"] = torch.device("cpu")
        wrappers = {id(each.numbers): each for each in here}
        out = func(*tree_map(_values, args), **tree_map(_values, kwargs))
        if to_cpu or (name == "aten.copy_.default" and not isinstance(args[0], OnDevice)):
            return out if to_cpu else args[0]
        return tree_map(lambda each: self._wrapped(each, wrappers, name), out)

    def _wrapped(self, value: Any, wrappers: dict[int, OnDevice], name: str) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if value.dtype in (torch.float64, torch.complex128):
            self.refused.add(f"{name} makes {value.dtype}")
        return wrappers[id(value)] if id(value) in wrappers else OnDevice(value)


def _values(each: Any) -> Any:
    return each.numbers if isinstance(each, OnDevice) else each


@contextmanager
def pretended_gpu() -> Iterator[PretendedGPU]:
    """Compute with `DEVICE` inside this context."""
    with PretendedGPU() as gpu, Renamed():
        yield gpu
