"""Seconds and peak memory of all commands: prepare, train BM3, evaluate, and recommend the top 50 to every user.

    python -m benchmarks.end_to_end [--share 1.0] [--full] [--epochs 1] [--set NAME=VALUE]… [--folder DIR]

Every stage runs in its own process, as for a user. Peak memory is the figure of the operating system for that process.
First the feature files are copied, to measure the cost of reading and writing them alone. `--full` trains until early
stopping. The last line printed is the result as JSON.
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
class StageCost:
    """Cost of one process: wall-clock and processor seconds, and peak resident memory in megabytes."""

    stage: str
    seconds: float
    cpu_seconds: float
    peak_megabytes: float


@dataclass(frozen=True)
class EndToEnd:
    """Cost of all stages. copy_seconds: to copy the feature files and sync them to the disk, as `prepare` does."""

    stages: list[StageCost]
    copy_seconds: float
    prepare_over_copy: float
    seconds: float
    peak_megabytes: float
    settings: list[str]
    full: bool
    epochs: int | None


def measure(stage: str, arguments: Sequence[str]) -> StageCost:
    """Run `triptych` with these arguments, its output on stderr. Raises RuntimeError if it fails."""
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
    unit = 1e6 if sys.platform == "darwin" else 1e3 / 1.024  # ru_maxrss is in bytes on macOS, in KiB elsewhere
    return StageCost(
        stage, round(seconds, 1), round(usage.ru_utime + usage.ru_stime, 1), round(usage.ru_maxrss / unit, 1)
    )


def copy_seconds(files: Sequence[Path], folder: Path) -> float:
    """Median seconds to copy the files into a folder and to sync them to the disk. The copies are removed."""
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


def run(folder: Path, share: float, *, epochs: int | None, settings: Sequence[str]) -> EndToEnd:
    """Run all stages in a folder. epochs: None trains until early stopping."""
    raw, data, trained = folder / "raw", folder / "data", folder / "run"
    if not (raw / "text.npy").exists():  # in its own process: its memory must not count for the stages
        subprocess.run([sys.executable, "-m", "benchmarks.synthetic_data", str(raw), "--share", str(share)], check=True)
    if trained.exists():
        shutil.rmtree(trained)  # from an earlier benchmark; `train` would resume it
    features = [f"image={raw / 'image.npy'}:{raw / 'item_ids.txt'}", f"text={raw / 'text.npy'}:{raw / 'item_ids.txt'}"]
    copied = copy_seconds([raw / "image.npy", raw / "text.npy"], folder / "copies")
    chosen = [*settings, *([f"epochs={epochs}"] if epochs is not None else [])]
    length = f"{epochs} epoch" + "s" * (epochs != 1) if epochs is not None else "to early stopping"
    stages = [
        measure(
            "prepare",
            [
                *("prepare", str(raw / "interactions.parquet"), "--output", str(data), "--overwrite"),
                *("--unknown-items", "drop", "-f", features[0], "-f", features[1]),
            ],
        ),
        measure(
            f"train BM3, {length}",
            [
                *("train", str(data), "--run", str(trained), "--model", "bm3"),
                *(word for setting in chosen for word in ("--set", setting)),
            ],
        ),
        measure("evaluate", ["evaluate", str(trained)]),
        measure("top 50 for everyone", ["recommend", str(trained), "-o", str(folder / "top50.parquet"), "--overwrite"]),
    ]
    cost = json.loads((trained / "cost.json").read_text(encoding="utf-8"))
    return EndToEnd(
        stages=stages,
        copy_seconds=round(copied, 2),
        prepare_over_copy=round(stages[0].seconds / copied, 2),
        seconds=round(sum(stage.seconds for stage in stages), 1),
        peak_megabytes=max(stage.peak_megabytes for stage in stages),
        settings=chosen,
        full=epochs is None,
        epochs=cost["epochs"],
    )


def main() -> None:
    """Run all stages and print a table, then JSON."""
    parser = argparse.ArgumentParser(description="Measure all commands end to end.")
    parser.add_argument("--share", type=float, default=1.0, help="share of the users, items and interactions")
    parser.add_argument("--full", action="store_true", help="train until early stopping")
    parser.add_argument("--epochs", type=int, default=1, help="number of epochs without --full")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of `triptych train`"
    )
    parser.add_argument("--batch-size", type=int, default=None, help="the same as --set batch_size=…")
    parser.add_argument("--folder", type=Path, default=None, help="folder for the data and the results")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="triptych-end-to-end-"))
    epochs = None if arguments.full else arguments.epochs
    settings = [*arguments.set, *([f"batch_size={arguments.batch_size}"] if arguments.batch_size else [])]
    result = run(folder, arguments.share, epochs=epochs, settings=settings)
    for each in result.stages:
        print(f"{each.stage:24} {each.seconds:9.1f} s  {each.cpu_seconds:9.1f} cpu s  {each.peak_megabytes:9.1f} MB")
    print(
        f"{'copy of the features':24} {result.copy_seconds:9.1f} s; prepare takes {result.prepare_over_copy}x as long"
    )
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
