"""One model, one side, a few steps of training: seconds per step and memory, in a process of its own.

    python -m benchmarks.steps MODEL textbook|ours [--share 1.0] [--threads 2] [--batch-size 2048] [--set NAME=VALUE]…

The last line printed is the result as JSON. Steps follow until `--seconds` are over or `--steps` are counted. The
first is a warm-up that does not count, unless the time is enough for two steps only: then both count.
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
from benchmarks.world import Sizes

DEFAULT_FOLDER = Path("build/benchmarks")
NEIGHBOURS = 10  # of FREEDOM's item graph


@dataclass(frozen=True)
class Job:
    """What to measure. values: settings of the model (for ours, of training too). precision: where ours has it."""

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
class Steps:
    """What came out; seconds are of the wall's clock, megabytes are 1e6 bytes."""

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


def measure(job: Job, folder: Path) -> Steps:
    """Build the world and the model, take the steps."""
    import torch

    from benchmarks.memory import watching_anonymous
    from benchmarks.stepping import TRAINERS
    from triptych.memory import peak_resident_megabytes

    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    with watching_anonymous() as anonymous:
        began = time.perf_counter()
        dataset = open_inputs(Inputs(folder, job.sizes), neighbours=NEIGHBOURS if job.model == "freedom" else 0)
        trainer = TRAINERS[job.side](job.model, dataset, job.values or {}, job.batch_size, job.precision)
        built = time.perf_counter()
        trainer.start_epoch()
        started = time.perf_counter()
        seconds, loss = timed_steps(trainer.step, job.n_steps, job.seconds)
    warm_up = seconds.pop(0) if len(seconds) > 2 else None
    median, n_steps = statistics.median(seconds), trainer.batches.n_steps
    return Steps(
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
    """Seconds of every step, the first included, and the last loss. Two steps where one is a third of the budget."""
    seconds: list[float] = []
    loss = 0.0
    while len(seconds) < 2 or (len(seconds) <= n_steps and sum(seconds) + seconds[-1] <= budget):
        began = time.perf_counter()
        loss = step()
        seconds.append(time.perf_counter() - began)
    return seconds, loss


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that every benchmark of steps has."""
    parser.add_argument("--share", type=float, default=1.0, help="of users, items and interactions")
    parser.add_argument("--users", type=int, default=None, help="instead of the share's")
    parser.add_argument("--items", type=int, default=None, help="instead of the share's")
    parser.add_argument("--interactions", type=int, default=None, help="training pairs, instead of the share's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the model")
    parser.add_argument("--precision", default=None, help="of ours, where the model or training has that setting")
    parser.add_argument("--steps", type=int, default=40, help="at most so many are counted")
    parser.add_argument("--seconds", type=float, default=60.0, help="that the steps may take")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="where the world's files lie, or are put")


def job_of(arguments: argparse.Namespace, model: str, side: str) -> Job:
    """What the options ask for."""
    from triptych.settings import assignments

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
        values=assignments(arguments.set),
        precision=arguments.precision,
        n_steps=arguments.steps,
        seconds=arguments.seconds,
    )


def main() -> None:
    """Measure one side of one model."""
    parser = argparse.ArgumentParser(description="Seconds per step and memory of one model.")
    parser.add_argument("model")
    parser.add_argument("side", choices=["textbook", "ours"])
    add_options(parser)
    arguments = parser.parse_args()
    job = job_of(arguments, arguments.model, arguments.side)
    write_inputs(Inputs(arguments.folder, job.sizes))
    steps = measure(job, arguments.folder)
    if job.precision not in (None, steps.precision):
        print(json.dumps({"skipped": f"{job.model} has no setting of precision"}))
    else:
        print(json.dumps(asdict(steps)))


if __name__ == "__main__":
    main()
