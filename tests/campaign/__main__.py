"""`python -m tests.campaign`: disturb every command that writes, as disks, power and people do, and count what happens.

Each try ends with the same bytes as an undisturbed run or with an error that names what is wrong. Everything else is a
defect, and the exit code is 1. Linux with a C compiler is needed. What is promised is in docs/reliability.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
FOLDER = "TRIPTYCH_CAMPAIGN"  # set in the processes that have the shim: their folder
KINDS = {
    "--kills": "processes to kill at a call that changes files",
    "--failures": "full disks and other calls that fail",
    "--flips": "files of finished outputs to damage",
    "--resumed": "commands to kill, damage a file of and run again",
    "--hostile": "wrong artefacts with honest manifests",
}


def main() -> int:
    sys.path.insert(0, str(ROOT / "tests"))
    options = _options()
    if FOLDER in os.environ:
        from campaign.tries import run_share

        run_share(options, Path(os.environ[FOLDER]))
        return 0
    return _run_all(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.campaign", description=(__doc__ or "").partition("\n\n")[2])
    for name, meaning in KINDS.items():
        parser.add_argument(name, type=int, default=50, metavar="N", help=f"{meaning} [default: 50]")
    parser.add_argument("--scenarios", default="", metavar="NAMES", help="only these, separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that share the tries")
    parser.add_argument("--output", type=Path, metavar="FILE", help="JSON file for the counts and the defects")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="for temporary files; in memory, it is faster")
    parser.add_argument("--first-process", action="store_true", help="every process is number 1, as in containers")
    parser.add_argument("--verbose", action="store_true", help="print one line per try")
    parser.add_argument("--share", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def _run_all(options: argparse.Namespace) -> int:
    """Run the shares in processes that have the shim, and add up what they found."""
    from campaign.shim import build
    from campaign.verdicts import GOOD, read_tries, table, write_results

    folders, processes = list[Path](), list[subprocess.Popen[bytes]]()
    with TemporaryDirectory(dir=options.work, prefix="campaign-") as root:
        for share in range(options.jobs):
            folder = Path(root) / str(share)
            folder.mkdir()
            environment = {**os.environ, **build(folder), FOLDER: str(folder), "XDG_CACHE_HOME": f"{folder}/cache"}
            environment |= {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "PYTHONPATH": str(ROOT)}
            command = [sys.executable, "-m", "tests.campaign", *sys.argv[1:], "--share", str(share)]
            processes.append(subprocess.Popen(command, env=environment))
            folders.append(folder)
        codes = [process.wait() for process in processes]
        tries = [each for folder in folders for each in read_tries(folder)]
    if options.output:
        write_results(options.output, tries, {"machine": platform.platform(), "arguments": sys.argv[1:]})
    print(table(tries))
    return int(any(codes) or any(each.verdict not in GOOD for each in tries))


if __name__ == "__main__":
    sys.exit(main())
