"""The main job at contest size: prepare, train BM3, evaluate, everyone's top 50; seconds and peak memory of each.

    python -m benchmarks.contest [--share 1.0] [--full] [--epochs 1] [--set NAME=VALUE]… [--folder DIR]

Every step is a process of its own, as a user would run it; peak memory is what the system counted for that process.
Before it, the feature files are copied as they are, to say what reading and writing them costs alone. `--full` trains
to early stopping. The last line printed is the result as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

COPIES = 3
BUFFER = 16 << 20


@dataclass(frozen=True)
class Measured:
    """One process: wall and processor seconds, and peak resident memory in megabytes."""

    step: str
    seconds: float
    cpu_seconds: float
    peak_megabytes: float


@dataclass(frozen=True)
class Contest:
    """The whole job. copy_seconds: of copying the feature files, written out to the disk as `prepare` does."""

    steps: list[Measured]
    copy_seconds: float
    prepare_over_copy: float
    seconds: float
    peak_megabytes: float
    settings: list[str]
    full: bool
    epochs: int | None


def measure(step: str, arguments: Sequence[str]) -> Measured:
    """Run `triptych` with these arguments, its words on stderr. Raises RuntimeError if it fails."""
    began = time.perf_counter()
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "triptych", *arguments],
        dict(os.environ),
        file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)],
    )
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"triptych {' '.join(arguments)} failed")
    unit = 1e6 if sys.platform == "darwin" else 1e3 / 1.024  # ru_maxrss is in bytes there, in KiB elsewhere
    return Measured(
        step, round(seconds, 1), round(usage.ru_utime + usage.ru_stime, 1), round(usage.ru_maxrss / unit, 1)
    )


def copy_seconds(files: Sequence[Path], folder: Path) -> float:
    """Median seconds of copying the files into a folder, until they are on the disk; the copies are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    seconds = []
    for _ in range(COPIES):
        began = time.perf_counter()
        for file in files:
            with file.open("rb") as source, (folder / file.name).open("wb") as target:
                shutil.copyfileobj(source, target, BUFFER)
                target.flush()
                os.fsync(target.fileno())
        seconds.append(time.perf_counter() - began)
        for file in files:
            (folder / file.name).unlink()
    return statistics.median(seconds)


def run(folder: Path, share: float, *, epochs: int | None, settings: Sequence[str]) -> Contest:
    """The whole job in a folder; epochs None trains to early stopping."""
    raw, data, trained = folder / "raw", folder / "data", folder / "run"
    if not (raw / "text.npy").exists():  # by a process of its own: what it needs must not count for the others
        subprocess.run([sys.executable, "-m", "benchmarks.world", str(raw), "--share", str(share)], check=True)
    if trained.exists():
        shutil.rmtree(trained)  # of an earlier bench; a run found there would be gone on with
    features = [f"image={raw / 'image.npy'}:{raw / 'item_ids.txt'}", f"text={raw / 'text.npy'}:{raw / 'item_ids.txt'}"]
    copied = copy_seconds([raw / "image.npy", raw / "text.npy"], folder / "copies")
    chosen = [*settings, *([f"epochs={epochs}"] if epochs is not None else [])]
    words = f"{epochs} epoch" + "s" * (epochs != 1) if epochs is not None else "to early stopping"
    steps = [
        measure(
            "prepare",
            [
                *("prepare", str(raw / "interactions.parquet"), "--output", str(data), "--overwrite"),
                *("--unknown-items", "drop", "-f", features[0], "-f", features[1]),
            ],
        ),
        measure(
            f"train BM3, {words}",
            [
                *("train", str(data), "--run", str(trained), "--model", "bm3"),
                *(word for setting in chosen for word in ("--set", setting)),
            ],
        ),
        measure("evaluate", ["evaluate", str(trained)]),
        measure("top 50 for everyone", ["recommend", str(trained), "-o", str(folder / "top50.parquet"), "--overwrite"]),
    ]
    cost = json.loads((trained / "cost.json").read_text(encoding="utf-8"))
    return Contest(
        steps=steps,
        copy_seconds=round(copied, 2),
        prepare_over_copy=round(steps[0].seconds / copied, 2),
        seconds=round(sum(step.seconds for step in steps), 1),
        peak_megabytes=max(step.peak_megabytes for step in steps),
        settings=chosen,
        full=epochs is None,
        epochs=cost["epochs"],
    )


def main() -> None:
    """Run all steps and print a table, then JSON."""
    parser = argparse.ArgumentParser(description="The main job at contest size.")
    parser.add_argument("--share", type=float, default=1.0, help="of users, items and interactions")
    parser.add_argument("--full", action="store_true", help="train to early stopping")
    parser.add_argument("--epochs", type=int, default=1, help="without --full")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of `triptych train`"
    )
    parser.add_argument("--batch-size", type=int, default=None, help="the same as --set batch_size=…")
    parser.add_argument("--folder", type=Path, default=None, help="where the world and the results go")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="triptych-contest-"))
    epochs = None if arguments.full else arguments.epochs
    settings = [*arguments.set, *([f"batch_size={arguments.batch_size}"] if arguments.batch_size else [])]
    contest = run(folder, arguments.share, epochs=epochs, settings=settings)
    for step in contest.steps:
        print(f"{step.step:24} {step.seconds:9.1f} s  {step.cpu_seconds:9.1f} cpu s  {step.peak_megabytes:9.1f} MB")
    print(f"{'copy of the features':24} {contest.copy_seconds:9.1f} s, prepare takes {contest.prepare_over_copy} of it")
    print(json.dumps(asdict(contest)))


if __name__ == "__main__":
    main()
