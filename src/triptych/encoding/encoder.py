"""Encoders: two functions, and a description that identifies the encoder exactly."""

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
    """A function from pictures or texts to vectors.

    identity: everything that decides the vectors (weights, pooling, preprocessing), as plain JSON values. Features of
    equal identity may be in one table. name: the name that the user gave. metadata: other facts, such as the revision.
    prepare: one input (an RGB PIL.Image, a str) -> the form that `encode` needs; it runs in several threads.
    encode: prepared inputs -> floats [n, width]. scripts: returns the scripts of which the encoder knows words, as
    "LATIN"; None if that cannot be said.
    """

    input_kind: InputKind
    name: str
    width: int
    identity: Mapping[str, Any]
    prepare: Callable[[Any], Any]
    encode: Callable[[Sequence[Any]], NDArray[Any]]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    scripts: Callable[[], frozenset[str]] | None = None

    @property
    def fingerprint(self) -> str:
        """The sha256 of the identity."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()


def import_optional(name: str) -> ModuleType:
    """Import an optional library. Raises TriptychError if it is not installed, or fails to import."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == name
        what = f"{name} is not installed" if absent else f"{name} cannot be imported: {error}"
        raise TriptychError(what, hint='pip install "triptych[features]"') from None


def weights_checksum(tensors: Mapping[str, Any]) -> str:
    """The sha256 of a torch state dict: names, types, shapes and bytes. It does not depend on the file format."""
    import torch

    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        if tensor.numel():
            total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def to_json_values(value: object) -> Any:
    """Convert the settings of a library to JSON values. Other objects become their text."""
    return json.loads(json.dumps(value, default=str, sort_keys=True))


def stack(prepared: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Stack arrays of one shape into a batch."""
    return np.stack(list(prepared)).astype(np.float32, copy=False)
