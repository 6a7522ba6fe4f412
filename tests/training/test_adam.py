"""Our Adam takes the same steps as torch's, without importing torch's compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from triptych.training.adam import Adam


def drawn_parameters() -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return {name: nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in (("a", (5, 3)), ("b", (7,)))}


def test_steps_equal_those_of_torch_with_a_learning_rate_per_parameter() -> None:
    ours, theirs = drawn_parameters(), drawn_parameters()
    rates = {"a": 0.1, "b": 0.003}
    adam = Adam(ours, rates)
    reference = torch.optim.Adam([{"params": [theirs[name]], "lr": rate} for name, rate in rates.items()])
    generator = torch.Generator().manual_seed(1)
    for step in range(20):
        gradients: dict[str, torch.Tensor | None] = {}
        for name in rates:
            gradient = torch.randn(ours[name].shape, generator=generator)
            skipped = name == "b" and step == 3  # a parameter without a gradient stays, and its count of steps too
            gradients[name] = None if skipped else gradient
        for name, given in gradients.items():
            theirs[name].grad = given
        compute_dtype = [(ours[name] * given).sum() for name, given in gradients.items() if given is not None]
        adam.descend(torch.stack(compute_dtype).sum())
        reference.step()
        assert all(parameter.grad is None for parameter in ours.values())
    for name in rates:
        assert torch.allclose(ours[name], theirs[name], atol=1e-6)
    assert adam.moments["b"].step == 19


def test_gradients_are_freed_one_by_one_and_a_parameter_may_be_used_twice() -> None:
    ours, theirs = drawn_parameters(), drawn_parameters()
    adam = Adam(ours, dict.fromkeys(ours, 0.1))
    there: list[int] = []
    step = adam._step

    def counted(name: str, parameter: torch.Tensor) -> None:
        there.append(sum(each.grad is not None for each in ours.values()))
        step(name, parameter)

    adam._step = counted  # type: ignore[method-assign]

    def loss(of: dict[str, nn.Parameter]) -> torch.Tensor:
        return (of["a"].exp() * of["a"]).sum() + (of["b"].cos() * of["a"].mean()).sum()

    reference = torch.optim.Adam(theirs.values(), lr=0.1)
    for _ in range(3):
        adam.descend(loss(ours))
        reference.zero_grad()
        loss(theirs).backward()  # type: ignore[no-untyped-call]
        reference.step()
    assert there == [1] * 6
    for name in ours:
        assert torch.allclose(ours[name], theirs[name], atol=1e-6)


def test_a_backward_that_fails_leaves_no_hook_behind() -> None:
    ours = drawn_parameters()
    adam = Adam(ours, dict.fromkeys(ours, 0.1))
    loss = ours["a"].square().sum()
    loss.backward()  # type: ignore[no-untyped-call]
    ours["a"].grad = None
    with pytest.raises(RuntimeError, match="second time"):
        adam.descend(loss)
    before = ours["a"].detach().clone()
    ours["a"].sum().backward()  # type: ignore[no-untyped-call]
    assert torch.equal(ours["a"], before)
    assert ours["a"].grad is not None


def test_training_does_not_import_torchs_compiler(tmp_path: Path) -> None:
    program = (
        "import sys; from triptych.training.fit import fit; from triptych.training.settings import TrainingSettings;"
        "from worlds import random_split; fit('lightgcn', random_split(), {}, TrainingSettings(epochs=1));"
        "print('torch._dynamo' in sys.modules)"
    )
    paths = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=paths, cwd=tmp_path)
    assert result.stdout.strip() == "False"
