"""Where a step of ours spends its time, phase by phase, beside what it must cost at the least (`benchmarks.limits`).

    python -m benchmarks.profile MODEL [--share 1.0] [--threads 2] [--set NAME=VALUE]… [--operators]

Phases are timed from outside, by wrapping what the parts of a model are called by; a phase within another is counted
once, for itself. Backward is one phase: what autograd runs, but for the optimiser, which steps within it. `--operators`
prints torch's own count of operators too. The last line printed is the result as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.inputs import Inputs, open_inputs, write_inputs
from benchmarks.limits import least_seconds
from benchmarks.machine import Machine
from benchmarks.machine import measure as measure_machine
from benchmarks.steps import NEIGHBOURS, Job, add_options, job_of, timed_steps

BACKWARD, OPTIMISER, OTHER = "backward", "optimiser", "everything else"
ORDER = ("batch", "propagation", "features and dense layers", "loss", BACKWARD, OPTIMISER, OTHER)


@dataclass(frozen=True)
class Phase:
    """Seconds of one step, their share of it, and the least they could be (None: not modelled)."""

    name: str
    seconds: float
    share: float
    limit: float | None


@dataclass(frozen=True)
class Profile:
    """One model's step by phases."""

    step: float
    n_steps: int
    phases: list[Phase]


class Stopwatch:
    """Seconds by phase; one entered within another interrupts it; within backward the optimiser alone is told apart."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(ORDER, 0.0)
        self._open = [OTHER]
        self._since = time.perf_counter()

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted for the phase."""

        def counted(*arguments: Any, **named: Any) -> Any:
            if BACKWARD in self._open and phase != OPTIMISER:
                return function(*arguments, **named)
            self._turn(phase)
            try:
                return function(*arguments, **named)
            finally:
                self._turn(None)

        return counted

    def start(self) -> None:
        """Count from now."""
        self.seconds = dict.fromkeys(ORDER, 0.0)
        self._since = time.perf_counter()

    def stop(self) -> None:
        """What has passed goes to the phase that is open."""
        now = time.perf_counter()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def _turn(self, phase: str | None) -> None:
        self.stop()
        if phase is None:
            self._open.pop()
        else:
            self._open.append(phase)


def watch(trainer: Any, stopwatch: Stopwatch) -> None:
    """Wrap the parts of a trainer of ours: by where a module's class lives, and by what a step calls."""
    import torch

    for module in trainer.model.modules():
        room = type(module).__module__
        if module is trainer.model:
            continue
        if ".graph." in room:
            methods = [name for name in dir(type(module)) if name in vars(type(module)) and not name.startswith("_")]
            for name in methods:
                if callable(getattr(module, name)):
                    setattr(module, name, stopwatch.timed("propagation", getattr(module, name)))
        elif not isinstance(module, torch.nn.ModuleDict | torch.nn.ModuleList | torch.nn.ParameterDict):
            module.forward = stopwatch.timed("features and dense layers", module.forward)
    trainer.model.loss = stopwatch.timed("loss", trainer.model.loss)
    trainer.batches.batch = stopwatch.timed("batch", trainer.batches.batch)
    trainer.optimizer._step = stopwatch.timed(OPTIMISER, trainer.optimizer._step)
    torch.Tensor.backward = stopwatch.timed(BACKWARD, torch.Tensor.backward)  # type: ignore[method-assign]


def uses_bfloat16(precision: str | None, machine: Machine) -> bool:
    """Whether products of features are meant to run in bfloat16: asked for, or left to a machine that has them."""
    asked = precision or ""
    return "bf" in asked or (asked == "auto" and machine.native_bfloat16)


def measure(job: Job, folder: Path, machine: Machine, *, operators: bool = False) -> Profile:
    """Take steps with a stopwatch in every part."""
    import torch

    from benchmarks.stepping import OurTrainer

    torch.set_num_threads(job.threads)
    dataset = open_inputs(Inputs(folder, job.sizes), neighbours=NEIGHBOURS if job.model == "freedom" else 0)
    values: Mapping[str, object] = job.values or {}
    trainer = OurTrainer(job.model, dataset, values, job.batch_size, job.precision)
    trainer.start_epoch()
    stopwatch = Stopwatch()
    watch(trainer, stopwatch)
    trainer.step()
    stopwatch.start()
    seconds, _ = timed_steps(trainer.step, job.n_steps, job.seconds)
    stopwatch.stop()
    if operators:
        with torch.profiler.profile() as told:
            trainer.step()
        print(told.key_averages().table(sort_by="self_cpu_time_total", row_limit=15), file=sys.stderr)
    n_steps, total = len(seconds), sum(stopwatch.seconds.values())
    bfloat16 = uses_bfloat16(trainer.precision, machine)
    limits = least_seconds(job.model, job.sizes, values, job.batch_size, machine, bfloat16=bfloat16)
    phases = [
        Phase(name, stopwatch.seconds[name] / n_steps, stopwatch.seconds[name] / total, limits.get(name))
        for name in ORDER
    ]
    return Profile(total / n_steps, n_steps, phases)


def main() -> None:
    """Profile one model."""
    parser = argparse.ArgumentParser(description="A step of ours, phase by phase.")
    parser.add_argument("model")
    add_options(parser)
    parser.add_argument("--machine", type=json.loads, default=None, help="what benchmarks.machine printed, as JSON")
    parser.add_argument("--operators", action="store_true", help="print torch's count of operators to stderr")
    arguments = parser.parse_args()
    job = job_of(arguments, arguments.model, "ours")
    write_inputs(Inputs(arguments.folder, job.sizes))
    machine = Machine(**arguments.machine) if arguments.machine else measure_machine(arguments.threads)
    profile = measure(job, arguments.folder, machine, operators=arguments.operators)
    print(json.dumps(asdict(profile)))


if __name__ == "__main__":
    main()
