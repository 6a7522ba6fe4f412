"""The main job at contest size: prepare, one BM3 epoch, evaluate, everyone's top 50; seconds and peak memory of each.

    python -m benchmarks.contest [--share 1.0] [--epochs 1] [--batch-size 2048] [--folder DIR] [--results FILE]

Every step is a process of its own, as a user would run it; peak memory is what the system counted for that process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.world import Sizes, write_world


@dataclass(frozen=True)
class Measured:
    """One process: wall and processor seconds, and peak resident memory in megabytes."""

    step: str
    seconds: float
    cpu_seconds: float
    peak_megabytes: float


def measure(step: str, arguments: list[str]) -> Measured:
    """Run `triptych` with these arguments. Raises RuntimeError if it fails."""
    began = time.perf_counter()
    process = os.posix_spawn(sys.executable, [sys.executable, "-m", "triptych", *arguments], dict(os.environ))
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"triptych {' '.join(arguments)} failed")
    unit = 1e6 if sys.platform == "darwin" else 1e3 / 1.024  # ru_maxrss is in bytes there, in KiB elsewhere
    return Measured(
        step, round(seconds, 1), round(usage.ru_utime + usage.ru_stime, 1), round(usage.ru_maxrss / unit, 1)
    )


def main() -> None:
    """Run all steps and print a table."""
    parser = argparse.ArgumentParser(description="The main job at contest size.")
    parser.add_argument("--share", type=float, default=1.0, help="of users, items and interactions")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--folder", type=Path, default=None, help="where the world and the results go")
    parser.add_argument("--results", type=Path, default=None, help="write the figures to this JSON file")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="triptych-contest-"))
    raw, data, run = folder / "raw", folder / "data", folder / "run"
    sizes = Sizes().scaled(arguments.share)
    if not (raw / "text.npy").exists():
        print(f"making the world in {raw} …", flush=True)
        write_world(raw, sizes)
    features = [f"image={raw / 'image.npy'}:{raw / 'item_ids.txt'}", f"text={raw / 'text.npy'}:{raw / 'item_ids.txt'}"]
    steps = [
        measure(
            "prepare",
            [
                *("prepare", str(raw / "interactions.parquet"), "--output", str(data), "--overwrite"),
                *("--unknown-items", "drop", "-f", features[0], "-f", features[1]),
            ],
        ),
        measure(
            f"train BM3, {arguments.epochs} epoch",
            [
                *("train", str(data), "--run", str(run), "--model", "bm3"),
                *("--set", f"epochs={arguments.epochs}", "--set", f"batch_size={arguments.batch_size}"),
            ],
        ),
        measure("evaluate", ["evaluate", str(run)]),
        measure("top 50 for everyone", ["recommend", str(run), "-o", str(folder / "top50.parquet"), "--overwrite"]),
    ]
    print(f"{sizes.n_users:,} users, {sizes.n_items:,} items, {sizes.n_interactions:,} interactions")
    print(f"batches of {arguments.batch_size:,}")
    for step in steps:
        print(f"{step.step:24} {step.seconds:9.1f} s  {step.cpu_seconds:9.1f} cpu s  {step.peak_megabytes:9.1f} MB")
    if arguments.results is not None:
        text = json.dumps(
            {"sizes": asdict(sizes), "batch_size": arguments.batch_size, "steps": [asdict(step) for step in steps]},
            indent=2,
        )
        arguments.results.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
