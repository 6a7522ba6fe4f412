"""Adam in one pass over memory (D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015).

g: the gradient         m ← β₁ m + (1 - β₁) g        v ← β₂ v + (1 - β₂) g²
p ← p - γ m̂ / (√v̂ + ε),  m̂ = m / (1 - β₁ᵗ),  v̂ = v / (1 - β₂ᵗ)

torch's own fused operation does it. `torch.optim.Adam` calls the same one, but brings in torch's compiler, which costs
every training 60 MB and two seconds at its start.
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
    """Of one parameter: how many steps it took, float32 [], and m and v, of its shape."""

    step: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor


class Adam:
    """Moments of all parameters, made at once: not in the first step, whose memory they would end up among.

    learning_rates: γ of every parameter, by name.
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
        """Gradients of a loss, and a step along them: every parameter's as soon as its gradient is whole.

        The gradient is gone then, so that all of them are never in memory at once.
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
        own = self.moments[name]
        own.step.add_(1)
        torch._fused_adam_(
            [parameter],
            [parameter.grad],
            [own.exp_avg],
            [own.exp_avg_sq],
            [],
            [own.step],
            lr=self.learning_rates[name],
            beta1=BETA_1,
            beta2=BETA_2,
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
        parameter.grad = None
