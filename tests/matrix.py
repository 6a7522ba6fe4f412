"""Run the test suite in the environments of other machines: `python tests/matrix.py --help`.

Each row is one run of the whole suite in an environment that a maintainer's machine, a CI runner or a server may have.
A table shows the results. Every two values of different columns meet in at least one row, so that a failure that needs
two of them together is found too.
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
class Environment:
    """precision: the meaning of precision=auto. sigint: how the suite finds SIGINT. locale: UTF-8 or C.

    order: by file, or the seed of a random order. load: "busy" for an endless loop on every core.
    """

    precision: str
    threads: str
    kernels: str
    sigint: str
    locale: str
    order: str
    load: str
    workers: int


ENVIRONMENTS = (
    Environment("float32", "1", "native", "default", "UTF-8", "file", "idle", 2),
    Environment("bfloat16", "2", "torch", "ignored", "UTF-8", "file", "idle", 1),
    Environment("bfloat16", "2", "torch", "default", "C", "file", "busy", 2),
    Environment("bfloat16", "1", "native", "ignored", "UTF-8", "1", "busy", 1),
    Environment("float32", "2", "native", "ignored", "C", "2", "busy", 2),
    Environment("float32", "1", "torch", "default", "C", "3", "idle", 1),
    Environment("bfloat16", "unset", "native", "default", "UTF-8", "file", "idle", 2),
)


def variables(environment: Environment) -> dict[str, str]:
    """Return the environment variables of a run."""
    dropped = ("LC_", "LANG", "PYTHONUTF8", "PYTEST_", "OMP_NUM_THREADS")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    locale = {"LANG": "C", "LC_ALL": "C"} if environment.locale == "C" else {"LANG": "C.UTF-8"}
    unset = environment.threads == "unset"  # tests/conftest.py would set it to 1
    threads = {"TRIPTYCH_TEST_THREADS": "unset"} if unset else {"OMP_NUM_THREADS": environment.threads}
    return {
        **inherited,
        **locale,
        "TRIPTYCH_PRECISION": environment.precision,
        "TRIPTYCH_KERNELS": environment.kernels,
        **threads,
    }


def command(environment: Environment, report: Path, arguments: list[str]) -> list[str]:
    """Return the command of a run, which writes its results to a JUnit file."""
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}"]
    if environment.workers > 1:
        words += ["-n", str(environment.workers), "--dist", "worksteal"]
    if environment.order != "file":
        words += ["-p", "randomly", f"--randomly-seed={environment.order}"]
    return words + arguments


@contextmanager
def load(environment: Environment) -> Iterator[None]:
    """Keep every core busy, if the environment says so."""
    n = os.cpu_count() or 1 if environment.load == "busy" else 0
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for each in loops:
            each.kill()
            each.wait()


def run(environment: Environment, folder: Path, name: str, arguments: list[str]) -> tuple[str, list[str]]:
    """Run the suite. Returns passed, failed, skipped and seconds as text, and the names of the failed tests."""
    report, began = folder / f"{name}.xml", time.monotonic()
    with load(environment), (folder / f"{name}.log").open("wb") as log:
        before = signal.getsignal(signal.SIGINT)
        ignored = environment.sigint == "ignored"
        signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
        try:  # the child inherits an ignored signal
            suite = subprocess.Popen(
                command(environment, report, arguments),
                cwd=ROOT,
                env=variables(environment),
                stdout=log,
                stderr=subprocess.STDOUT,
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
    (results,) = ElementTree.parse(report).getroot().iter("testsuite")
    counts = {key: int(results.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
    n_failed = counts["failures"] + counts["errors"]
    failed = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in results.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    if code and not failed:
        failed = [f"pytest ended with code {code}: {folder / name}.log"]
    n_passed = counts["tests"] - n_failed - counts["skipped"]
    return f"{n_passed:>6} {n_failed:>6} {counts['skipped']:>7} {seconds:>7}", failed


def missing_pairs() -> set[tuple[tuple[int, object], tuple[int, object]]]:
    """Return the pairs of values of different columns that no row has. threads=unset is one extra row."""
    rows = [
        [("random" if field.name == "order" and value != "file" else value) for field, value in cells]
        for cells in (
            list(zip(fields(Environment), astuple(each), strict=True))
            for each in ENVIRONMENTS
            if each.threads != "unset"
        )
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
    parser = argparse.ArgumentParser(description="Run the suite in the environments of other machines; print a table.")
    parser.add_argument("--only", metavar="N,N", help="only these rows, counted from 1")
    parser.add_argument("--list", action="store_true", help="show the rows and run nothing")
    parser.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="for pytest, after --: files, -k TEXT, …")
    options = parser.parse_args()
    chosen = [int(n) for n in options.only.split(",")] if options.only else range(1, len(ENVIRONMENTS) + 1)
    folder = Path(mkdtemp(prefix="triptych-matrix-"))
    print(f"logs: {folder}")
    names = " ".join(f"{field.name:9}" for field in fields(Environment))
    print(f"  {names} passed failed skipped seconds", flush=True)
    failures: dict[int, list[str]] = {}
    for number in chosen:
        environment = ENVIRONMENTS[number - 1]
        print(f"{number} {' '.join(f'{value!s:9}' for value in astuple(environment))} ", end="", flush=True)
        text, failed = ("", []) if options.list else run(environment, folder, f"row-{number}", options.arguments)
        failures |= {number: failed} if failed else {}
        print(text, flush=True)
    for number, failed in failures.items():
        print(f"\nrow {number}: {folder / f'row-{number}.log'}", *failed, sep="\n  ")
    return 1 if failures else 0


if __name__ == "__main__":
    assert not missing_pairs(), missing_pairs()
    sys.exit(main())
