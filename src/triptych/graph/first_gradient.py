"""A mark for the backward passes of our autograd functions: their gradients have no gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

Backward = Callable[..., Any]


def first_gradient_only(backward: Backward) -> Backward:
    """Make a gradient of the gradient an error: RuntimeError, instead of zeros where the backward pass has no gradient.

    The backward pass must depend only on incoming gradients, on saved tensors and on constants.

    torch's `once_differentiable` leaves two gaps. It marks the results only if an incoming gradient requires a gradient
    itself; that of `f(x).sum()` does not, although the gradient of x depends on x. And its mark is not on the way to x,
    so `torch.autograd.grad(…, x)` passes by it.
    """

    @wraps(backward)
    def marked(ctx: Any, *gradients: Tensor | None) -> Any:
        with torch.no_grad():
            results = backward(ctx, *gradients)
        if not torch.is_grad_enabled():  # the usual case: create_graph was not asked for
            return results
        sources = [t for t in (*gradients, *ctx.saved_tensors) if t is not None and t.requires_grad]
        name = type(ctx).__name__.removesuffix("Backward").lstrip("_")
        if not sources:  # the results are constants
            return results
        if isinstance(results, tuple):
            return tuple(_mark(result, name, sources) for result in results)
        return _mark(results, name, sources)

    return marked


def _mark(result: Any, name: str, sources: list[Tensor]) -> Any:
    if not isinstance(result, Tensor):
        return result
    marked: Tensor = _NoGradient.apply(name, result, *sources)  # type: ignore[no-untyped-call]
    return marked


class _NoGradient(torch.autograd.Function):
    """(name, result, *sources) -> the result, which depends on the sources in a way that has no gradient."""

    @staticmethod
    def forward(ctx: Any, name: str, result: Tensor, *_: Tensor) -> Tensor:
        ctx.name = name
        return result.view_as(result)

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise RuntimeError(f"{ctx.name} has a first gradient only, but a gradient of its gradient was requested")
