"""`python -m tests.campaign`: disturb every command that writes, as disks, power and people do, and count what happens.

Each try ends with the same bytes as an undisturbed run or with an error that names what is wrong. Everything else is a
defect, and the exit code is 1. Linux with a C compiler is needed. See docs/reliability.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
LOADED = "TRIPTYCH_CAMPAIGN"  # set in the process that has the shim


def main() -> int:
    options = _options()
    if LOADED not in os.environ:
        return _with_shim(options.work)
    sys.path[:0] = [str(ROOT / "tests")]
    return _campaign(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.campaign", description=__doc__.partition("\n\n")[2])
    parser.add_argument("--kills", type=int, default=60, help="processes to kill at a call that changes files")
    parser.add_argument("--failures", type=int, default=40, help="full disks and other failed calls")
    parser.add_argument("--flips", type=int, default=60, help="damaged files of finished outputs")
    parser.add_argument("--resumed", type=int, default=40, help="damaged files of killed commands, which run again")
    parser.add_argument("--hostile", type=int, default=60, help="wrong artefacts with honest manifests")
    parser.add_argument("--scenarios", default="", help="only these, separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="JSON file for the counts and defects")
    parser.add_argument("--work", type=Path, help="folder for temporary files; a folder in memory is faster")
    parser.add_argument("--first-process", action="store_true", help="every process is number 1, as in containers")
    parser.add_argument("--verbose", action="store_true", help="print one line per try")
    return parser.parse_args()


def _with_shim(work: Path | None) -> int:
    """Run this again in a process with the shim."""
    sys.path[:0] = [str(ROOT / "tests")]
    from campaign.shim import build

    with TemporaryDirectory(dir=work, prefix="campaign-") as folder:
        environment = {**os.environ, LOADED: folder, **build(Path(folder))}
        environment |= {
            "OMP_NUM_THREADS": "1",
            "POLARS_MAX_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(ROOT),
        }
        environment["XDG_CACHE_HOME"] = f"{folder}/cache"
        return subprocess.run([sys.executable, "-m", "tests.campaign", *sys.argv[1:]], env=environment).returncode


def _campaign(options: argparse.Namespace) -> int:
    from campaign import damage, hostile, kills, places, processes, shim, verdicts
    from campaign.scenarios import SCENARIOS

    names = [name for name in options.scenarios.split(",") if name] or [each.name for each in SCENARIOS]
    unknown = set(names) - {each.name for each in SCENARIOS}
    if unknown:
        sys.exit(f"unknown scenarios: {', '.join(sorted(unknown))}; known: {', '.join(s.name for s in SCENARIOS)}")
    folder = Path(os.environ[LOADED])
    processes.import_everything()
    if options.first_process and not processes.can_be_first():
        sys.exit("this user may not make pid namespaces: run as root, or without --first-process")
    with shim.shared_memory() as control:
        made = places.make_places(folder / "places", control, names)
        by_name = {place.scenario.name: place for place in made}
        readable = [place for place in made if place.scenario.reads]

        def tries() -> Iterator[verdicts.Try | None]:
            for kill in kills.kills(made, options.kills, Random(f"{options.seed} kills")):
                yield kills.try_kill(control, kill, first_process=options.first_process)
            for failure in kills.failures(made, options.failures, Random(f"{options.seed} failures")):
                yield kills.try_failure(control, failure)
            for number in range(options.flips):
                generator = Random(f"{options.seed} flip {number}")
                yield damage.try_flip(readable[number % len(readable)], generator)
            for number in range(options.resumed):
                generator = Random(f"{options.seed} resume {number}")
                yield damage.try_flip_and_resume(control, made[number % len(made)], generator)
            for number in range(options.hostile):
                generator = Random(f"{options.seed} hostile {number}")
                yield hostile.try_hostile(readable[number % len(readable)], generator)

        found = list[verdicts.Try]()
        for each in tries():
            if each is None:
                continue
            found.append(each)
            if each.verdict not in verdicts.GOOD:
                print(f"DEFECT {each.kind}, {each.scenario}: {each.verdict}\n{each.detail}\n", flush=True)
            if options.verbose:
                print(
                    f"{len(found)} {each.kind}, {each.scenario}: {each.detail.splitlines()[0]}: {each.verdict}",
                    flush=True,
                )
    calls = {name: len(place.calls) for name, place in by_name.items()}
    about = {"seed": options.seed, "machine": platform.platform(), "calls": calls, "arguments": sys.argv[1:]}
    if options.output:
        verdicts.write_results(options.output, found, about)
    print(verdicts.table(found))
    return int(any(each.verdict not in verdicts.GOOD for each in found))


if __name__ == "__main__":
    sys.exit(main())
