"""Adam in one pass over memory (D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015).

g: the gradient         m ← β₁ m + (1 - β₁) g        v ← β₂ v + (1 - β₂) g²
p ← p - γ m̂ / (√v̂ + ε),  m̂ = m / (1 - β₁ᵗ),  v̂ = v / (1 - β₂ᵗ)

This is torch's fused operation. `torch.optim.Adam` calls the same one, but it imports torch's compiler, which costs 60
MB and two seconds per training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Moments:
    """Adam's state for one parameter: the number of steps, float32 [], and m and v with the parameter's shape."""

    step: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor


class Adam:
    """Adam for named parameters. The moments are allocated at once, so that they do not fragment a step's memory.

    learning_rates: γ per parameter, by name.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], learning_rates: Mapping[str, float]) -> None:
        self.parameters, self.learning_rates = dict(parameters), dict(learning_rates)
        self.moments = {
            name: Moments(
                torch.zeros((), dtype=torch.float32, device=parameter.device),
                torch.zeros_like(parameter, requires_grad=False),
                torch.zeros_like(parameter, requires_grad=False),
            )
            for name, parameter in self.parameters.items()
        }

    def descend(self, loss: Tensor) -> None:
        """Compute the gradients of a loss and take one step. A parameter is updated once its gradient is ready.

        The gradient is freed then, so that all gradients are never in memory at once.
        """
        hooks = [
            parameter.register_post_accumulate_grad_hook(partial(self._step, name))  # type: ignore[no-untyped-call]
            for name, parameter in self.parameters.items()
            if parameter.requires_grad
        ]
        try:
            loss.backward()  # type: ignore[no-untyped-call]
        finally:
            for hook in hooks:
                hook.remove()

    @torch.no_grad()
    def _step(self, name: str, parameter: Tensor) -> None:
        assert parameter.grad is not None
        moments = self.moments[name]
        moments.step.add_(1)
        torch._fused_adam_(
            [parameter],
            [parameter.grad],
            [moments.exp_avg],
            [moments.exp_avg_sq],
            [],
            [moments.step],
            lr=self.learning_rates[name],
            beta1=BETA_1,
            beta2=BETA_2,
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
        parameter.grad = None
