"""Run the suite as other machines would: `python tests/matrix.py`; `--help` tells more.

Each way is one run of the whole suite in an environment that a maintainer's machine, a CI runner or a user's server may
have, and a table at the end says what came of each. Every two values of different columns meet in one way at least, so
that what fails only where two of them come together is found, too.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from itertools import combinations
from pathlib import Path
from tempfile import mkdtemp
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Way:
    """precision: what precision=auto means. sigint: as the suite finds it. locale: "C" without UTF-8 asked for.

    order: of the file, or the seed of a random one. beside: "load" for a loop at work on every core.
    """

    precision: str
    threads: int
    kernels: str
    sigint: str
    locale: str
    order: str
    beside: str
    workers: int


WAYS = (
    Way("float32", 1, "native", "default", "own", "file", "nothing", 2),
    Way("bfloat16", 2, "torch", "ignored", "own", "file", "nothing", 1),
    Way("bfloat16", 2, "torch", "default", "C", "file", "load", 2),
    Way("bfloat16", 1, "native", "ignored", "own", "1", "load", 1),
    Way("float32", 2, "native", "ignored", "C", "2", "load", 2),
    Way("float32", 1, "torch", "default", "C", "3", "nothing", 1),
)


def environment(way: Way) -> dict[str, str]:
    """What the suite is started with: ours, less what would decide instead."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONUTF8", "PYTEST_"))}
    spoken = {"LANG": "C", "LC_ALL": "C"} if way.locale == "C" else {"LANG": "C.UTF-8"}
    return {
        **ours,
        **spoken,
        "TRIPTYCH_PRECISION": way.precision,
        "TRIPTYCH_KERNELS": way.kernels,
        "OMP_NUM_THREADS": str(way.threads),
    }


def command(way: Way, report: Path, others: list[str]) -> list[str]:
    """The suite in this way, which writes its results to a file of JUnit's form."""
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}"]
    words += ["-n", str(way.workers), "--dist", "worksteal"] if way.workers > 1 else []
    words += ["-p", "randomly", f"--randomly-seed={way.order}"] if way.order != "file" else []
    return words + others


@contextmanager
def beside(way: Way) -> Iterator[None]:
    """A loop on every core, if it is to be so."""
    n = os.cpu_count() or 1 if way.beside == "load" else 0
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for each in loops:
            each.kill()
            each.wait()


def ran(way: Way, folder: Path, name: str, others: list[str]) -> tuple[str, list[str]]:
    """Passed, failed, skipped and seconds in words, and the tests that failed."""
    report, began = folder / f"{name}.xml", time.monotonic()
    with beside(way), (folder / f"{name}.log").open("wb") as log:
        before = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_IGN if way.sigint == "ignored" else signal.default_int_handler)
        try:  # what is ignored when it starts stays ignored in it
            suite = subprocess.Popen(
                command(way, report, others), cwd=ROOT, env=environment(way), stdout=log, stderr=subprocess.STDOUT
            )
        finally:
            signal.signal(signal.SIGINT, before)
        try:
            code = suite.wait()
        finally:
            suite.kill()
    seconds = f"{time.monotonic() - began:.0f}"
    if not report.is_file():
        return f"{'-':>6} {'-':>6} {'-':>7} {seconds:>7}", [f"pytest ended with code {code}: {folder / name}.log"]
    (suite_told,) = ElementTree.parse(report).getroot().iter("testsuite")
    n = {key: int(suite_told.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
    failed = n["failures"] + n["errors"]
    bad = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in suite_told.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    if code and not bad:
        bad = [f"pytest ended with code {code}: {folder / name}.log"]
    return f"{n['tests'] - failed - n['skipped']:>6} {failed:>6} {n['skipped']:>7} {seconds:>7}", bad


def pairs_left_out() -> set[tuple[tuple[int, object], tuple[int, object]]]:
    """Two values of different columns that no way has both; seeds of random orders are one value."""
    rows = [
        [("random" if field.name == "order" and value != "file" else value) for field, value in cells]
        for cells in (list(zip(fields(Way), astuple(way), strict=True)) for way in WAYS)
    ]
    values = [sorted({row[column] for row in rows}, key=str) for column in range(len(rows[0]))]
    met = {((a, row[a]), (b, row[b])) for row in rows for a, b in combinations(range(len(row)), 2)}
    return {
        ((a, one), (b, other))
        for a, b in combinations(range(len(values)), 2)
        for one in values[a]
        for other in values[b]
    } - met


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Run the suite as other machines would, and tell in a table how it went."
    )
    parser.add_argument("--only", metavar="N,N", help="these ways alone, counted from 1")
    parser.add_argument("--list", action="store_true", help="show the ways and run nothing")
    parser.add_argument("others", nargs="*", metavar="ARGUMENT", help="for pytest, after --: files, -k WORDS, …")
    given = parser.parse_args()
    chosen = [int(n) for n in given.only.split(",")] if given.only else range(1, len(WAYS) + 1)
    folder = Path(mkdtemp(prefix="triptych-matrix-"))
    named = [field.name for field in fields(Way)]
    print(f"logs: {folder}")
    print(f"  {' '.join(f'{name:9}' for name in named)} passed failed skipped seconds", flush=True)
    wrong: dict[int, list[str]] = {}
    for number in chosen:
        way = WAYS[number - 1]
        print(f"{number} {' '.join(f'{value!s:9}' for value in astuple(way))} ", end="", flush=True)
        words, bad = ("", []) if given.list else ran(way, folder, f"way-{number}", given.others)
        wrong |= {number: bad} if bad else {}
        print(words, flush=True)
    for number, bad in wrong.items():
        print(f"\nway {number}: {folder / f'way-{number}.log'}", *bad, sep="\n  ")
    return 1 if wrong else 0


if __name__ == "__main__":
    assert not pairs_left_out(), pairs_left_out()
    sys.exit(main())
