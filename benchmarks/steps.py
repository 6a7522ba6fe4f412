"""A few training steps of one model on one side: seconds per step and memory, in its own process.

    python -m benchmarks.steps MODEL textbook|triptych [--share 1.0] [--threads 2] [--set NAME=VALUE]…

The last line printed is the result as JSON. Steps are taken until `--seconds` have passed or `--steps` are counted. The
first step is a warm-up and does not count, unless there is time for two steps only: then both count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.inputs import Inputs, open_inputs, training_sizes, write_inputs
from benchmarks.synthetic_data import Sizes

DEFAULT_FOLDER = Path("build/benchmarks")
NEIGHBOURS = 10  # of FREEDOM's item graph


@dataclass(frozen=True)
class Job:
    """One measurement. values: settings of the model and, for Triptych, of training. precision: for Triptych only."""

    model: str
    side: str
    sizes: Sizes
    batch_size: int = 2048
    threads: int = 2
    values: Mapping[str, object] | None = None
    precision: str | None = None
    n_steps: int = 40
    seconds: float = 60.0


@dataclass(frozen=True)
class StepsResult:
    """The result. Seconds are wall-clock time, megabytes are 1e6 bytes.

    median, shortest, longest, warm_up: seconds per step. epoch_start: seconds of the work before the first step of an
    epoch. epoch: seconds per epoch, from the median. build: seconds to open the data and build the model.
    """

    n_steps: int
    median: float
    shortest: float
    longest: float
    warm_up: float | None
    steps_per_epoch: int
    epoch_start: float
    epoch: float
    build: float
    peak_resident_megabytes: float
    peak_anonymous_megabytes: float
    threads: int
    precision: str | None
    loss: float


def measure(job: Job, folder: Path) -> StepsResult:
    """Open the data, build the model and take the steps."""
    import torch

    from benchmarks.memory import peak_anonymous_memory
    from benchmarks.stepping import TRAINERS
    from triptych.memory import peak_resident_megabytes

    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    with peak_anonymous_memory() as anonymous:
        began = time.perf_counter()
        dataset = open_inputs(Inputs(folder, job.sizes), neighbours=NEIGHBOURS if job.model == "freedom" else 0)
        trainer = TRAINERS[job.side](job.model, dataset, job.values or {}, job.batch_size, job.precision)
        built = time.perf_counter()
        trainer.start_epoch()
        started = time.perf_counter()
        seconds, loss = timed_steps(trainer.step, job.n_steps, job.seconds)
    warm_up = seconds.pop(0) if len(seconds) > 2 else None
    median, n_steps = statistics.median(seconds), trainer.batches.n_steps
    return StepsResult(
        n_steps=len(seconds),
        median=median,
        shortest=min(seconds),
        longest=max(seconds),
        warm_up=warm_up,
        steps_per_epoch=n_steps,
        epoch_start=started - built,
        epoch=started - built + n_steps * median,
        build=built - began,
        peak_resident_megabytes=peak_resident_megabytes(),
        peak_anonymous_megabytes=anonymous.megabytes,
        threads=torch.get_num_threads(),
        precision=trainer.precision,
        loss=loss,
    )


def timed_steps(step: Callable[[], float], n_steps: int, budget: float) -> tuple[list[float], float]:
    """Return the seconds of every step, the first included, and the last loss. At least two steps are taken.

    budget: no step is started that would exceed this number of seconds if it takes as long as the step before it.
    """
    seconds: list[float] = []
    loss = 0.0
    while len(seconds) < 2 or (len(seconds) <= n_steps and sum(seconds) + seconds[-1] <= budget):
        began = time.perf_counter()
        loss = step()
        seconds.append(time.perf_counter() - began)
    return seconds, loss


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of all benchmarks of steps."""
    parser.add_argument("--share", type=float, default=1.0, help="share of the users, items and interactions")
    parser.add_argument("--users", type=int, default=None, help="this number instead of the share")
    parser.add_argument("--items", type=int, default=None, help="this number instead of the share")
    parser.add_argument(
        "--interactions", type=int, default=None, help="this number of training interactions instead of the share"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the model")
    parser.add_argument("--precision", default=None, help="precision of Triptych, if it has this setting")
    parser.add_argument("--steps", type=int, default=40, help="maximum number of counted steps")
    parser.add_argument("--seconds", type=float, default=60.0, help="time limit for the steps")
    parser.add_argument(
        "--folder", type=Path, default=DEFAULT_FOLDER, help="folder of the input files, which are written if need be"
    )


def job_from(arguments: argparse.Namespace, model: str, side: str) -> Job:
    """Return the job that the options describe."""
    from triptych.settings import parse_assignments

    sizes = training_sizes(arguments.share)
    sizes = replace(
        sizes,
        n_users=arguments.users or sizes.n_users,
        n_items=arguments.items or sizes.n_items,
        n_interactions=arguments.interactions or sizes.n_interactions,
    )
    return Job(
        model=model,
        side=side,
        sizes=sizes,
        batch_size=arguments.batch_size,
        threads=arguments.threads,
        values=parse_assignments(arguments.set),
        precision=arguments.precision,
        n_steps=arguments.steps,
        seconds=arguments.seconds,
    )


def main() -> None:
    """Measure one side of one model."""
    parser = argparse.ArgumentParser(description="Measure seconds per step and memory of one model.")
    parser.add_argument("model")
    parser.add_argument("side", choices=["textbook", "triptych"])
    add_options(parser)
    arguments = parser.parse_args()
    job = job_from(arguments, arguments.model, arguments.side)
    write_inputs(Inputs(arguments.folder, job.sizes))
    steps = measure(job, arguments.folder)
    if job.precision not in (None, steps.precision):
        print(json.dumps({"skipped": f"{job.model} has no precision setting"}))
    else:
        print(json.dumps(asdict(steps)))


if __name__ == "__main__":
    main()
