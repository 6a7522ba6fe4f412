"""The time of a Triptych step per phase, beside its lower bound (`benchmarks.limits`).

    python -m benchmarks.profile MODEL [--share 1.0] [--threads 2] [--set NAME=VALUE]… [--operators]

Phases are timed by wrapping methods of the model and of training. A nested phase counts for itself only.
Backward is one phase: all work of autograd except the optimiser, which steps within it. `--operators` also prints the
operator table of torch's profiler. The last line printed is the result as JSON.
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
from benchmarks.limits import minimum_seconds
from benchmarks.machine import Machine
from benchmarks.machine import measure as measure_machine
from benchmarks.steps import NEIGHBOURS, Job, add_options, job_from, timed_steps

BACKWARD, OPTIMISER, OTHER = "backward", "optimiser", "everything else"
ORDER = ("batch", "propagation", "features and dense layers", "loss", BACKWARD, OPTIMISER, OTHER)


@dataclass(frozen=True)
class Phase:
    """Seconds per step, their share of the step, and their lower bound (None: not modelled)."""

    name: str
    seconds: float
    share: float
    limit: float | None


@dataclass(frozen=True)
class Profile:
    """A step of one model by phases. step: seconds per step."""

    step: float
    n_steps: int
    phases: list[Phase]


class Stopwatch:
    """Seconds per phase. A nested phase interrupts the outer one. Within backward, only the optimiser is separate."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(ORDER, 0.0)
        self._open = [OTHER]
        self._since = time.perf_counter()

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that its time counts for the phase."""

        def counted(*arguments: Any, **named: Any) -> Any:
            if BACKWARD in self._open and phase != OPTIMISER:
                return function(*arguments, **named)
            self._switch(phase)
            try:
                return function(*arguments, **named)
            finally:
                self._switch(None)

        return counted

    def start(self) -> None:
        """Reset all phases and count from now."""
        self.seconds = dict.fromkeys(ORDER, 0.0)
        self._since = time.perf_counter()

    def stop(self) -> None:
        """Add the time since the last change to the current phase."""
        now = time.perf_counter()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def _switch(self, phase: str | None) -> None:
        self.stop()
        if phase is None:
            self._open.pop()
        else:
            self._open.append(phase)


def watch(trainer: Any, stopwatch: Stopwatch) -> None:
    """Wrap the methods of a `TriptychTrainer`: modules by the package of their class, and the calls of a step."""
    import torch

    for module in trainer.model.modules():
        package = type(module).__module__
        if module is trainer.model:
            continue
        if ".graph." in package:
            methods = [name for name in dir(type(module)) if name in vars(type(module)) and not name.startswith("_")]
            for name in methods:
                if callable(getattr(module, name)):
                    setattr(module, name, stopwatch.timed("propagation", getattr(module, name)))
        elif not isinstance(module, torch.nn.ModuleDict | torch.nn.ModuleList | torch.nn.ParameterDict):
            module.forward = stopwatch.timed("features and dense layers", module.forward)
    trainer.model.loss = stopwatch.timed("loss", trainer.model.loss)
    trainer.batches.batch = stopwatch.timed("batch", trainer.batches.batch)
    trainer.run.adam._step = stopwatch.timed(OPTIMISER, trainer.run.adam._step)
    torch.Tensor.backward = stopwatch.timed(BACKWARD, torch.Tensor.backward)  # type: ignore[method-assign]


def uses_bfloat16(precision: str | None, machine: Machine) -> bool:
    """Return whether feature products run in bfloat16: by the setting, or because the machine supports them."""
    setting = precision or ""
    return "bf" in setting or (setting == "auto" and machine.native_bfloat16)


def measure(job: Job, folder: Path, machine: Machine, *, operators: bool = False) -> Profile:
    """Take steps with a stopwatch around every phase."""
    import torch

    from benchmarks.stepping import TriptychTrainer

    torch.set_num_threads(job.threads)
    dataset = open_inputs(Inputs(folder, job.sizes), neighbours=NEIGHBOURS if job.model == "freedom" else 0)
    values: Mapping[str, object] = job.values or {}
    trainer = TriptychTrainer(job.model, dataset, values, job.batch_size, job.precision)
    trainer.start_epoch()
    stopwatch = Stopwatch()
    watch(trainer, stopwatch)
    trainer.step()
    stopwatch.start()
    seconds, _ = timed_steps(trainer.step, job.n_steps, job.seconds)
    stopwatch.stop()
    if operators:
        with torch.profiler.profile() as profiler:
            trainer.step()
        print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=15), file=sys.stderr)
    n_steps, total = len(seconds), sum(stopwatch.seconds.values())
    bfloat16 = uses_bfloat16(trainer.precision, machine)
    limits = minimum_seconds(job.model, job.sizes, values, job.batch_size, machine, bfloat16=bfloat16)
    phases = [
        Phase(name, stopwatch.seconds[name] / n_steps, stopwatch.seconds[name] / total, limits.get(name))
        for name in ORDER
    ]
    return Profile(total / n_steps, n_steps, phases)


def main() -> None:
    """Profile one model."""
    parser = argparse.ArgumentParser(description="Profile a Triptych step by phases.")
    parser.add_argument("model")
    add_options(parser)
    parser.add_argument("--machine", type=json.loads, default=None, help="output of benchmarks.machine, as JSON")
    parser.add_argument("--operators", action="store_true", help="print the operator table of torch to stderr")
    arguments = parser.parse_args()
    job = job_from(arguments, arguments.model, "triptych")
    write_inputs(Inputs(arguments.folder, job.sizes))
    machine = Machine(**arguments.machine) if arguments.machine else measure_machine(arguments.threads)
    profile = measure(job, arguments.folder, machine, operators=arguments.operators)
    print(json.dumps(asdict(profile)))


if __name__ == "__main__":
    main()
