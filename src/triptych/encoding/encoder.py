"""What every encoder is: two functions, and words that say exactly which encoder it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from triptych.errors import TriptychError

InputKind = Literal["pictures", "texts"]


@dataclass(frozen=True)
class Encoder:
    """Pictures or texts -> vectors.

    identity: what decides the vectors (weights, pooling, preprocessing), as plain JSON values; where it is equal,
    features may stand in one table. name: what it was asked for by; metadata: other facts about it (revision).
    prepare: one thing (an RGB PIL.Image, a str) as the encoder wants it; runs in several threads.
    encode: prepared things -> floats [n, width].
    """

    input_kind: InputKind
    name: str
    width: int
    identity: Mapping[str, Any]
    prepare: Callable[[Any], Any]
    encode: Callable[[Sequence[Any]], NDArray[Any]]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """One checksum over the identity."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()


def needed(name: str) -> ModuleType:
    """An optional library, imported. Raises TriptychError where it is not installed, or does not start."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == name
        what = f"{name} is not installed" if absent else f"{name} does not start: {error}"
        raise TriptychError(what, hint='pip install "triptych[features]"') from None


def weights_checksum(tensors: Mapping[str, Any]) -> str:
    """sha256 over the names, types, shapes and bytes of a torch state: the same however the weights were stored."""
    import torch

    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        if tensor.numel():
            total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def plain(value: object) -> Any:
    """Settings of a library as JSON values; what is none becomes its text."""
    return json.loads(json.dumps(value, default=str, sort_keys=True))


def stacked(prepared: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Arrays of one shape as one batch."""
    return np.stack(list(prepared)).astype(np.float32, copy=False)
