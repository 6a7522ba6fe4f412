"""All tries of one process of the campaign."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

from campaign import damage, hostile, kills
from campaign.places import Place, make_places
from campaign.processes import can_be_first, import_everything
from campaign.scenarios import SCENARIOS
from campaign.shim import Shim, shared_memory
from campaign.verdicts import GOOD, Try, append_try


def run_share(options: argparse.Namespace, folder: Path) -> None:
    """Run this process's share of the tries, and write each into the folder as it ends."""
    names = [name for name in options.scenarios.split(",") if name] or [each.name for each in SCENARIOS]
    if unknown := sorted(set(names) - {each.name for each in SCENARIOS}):
        sys.exit(f"unknown: {', '.join(unknown)}; known: {', '.join(each.name for each in SCENARIOS)}")
    import_everything()
    if options.first_process and not can_be_first():
        sys.exit("this user may not make pid namespaces: run as root, or without --first-process")
    with shared_memory() as shim:
        places = make_places(folder / "places", shim, names)
        began = time.monotonic()
        for number, each in enumerate(_tries(options, places, shim), start=1):
            if each is None:
                continue
            append_try(folder, each)
            if each.verdict not in GOOD:
                print(f"DEFECT {each.kind}, {each.scenario}: {each.verdict}\n{each.detail}\n", flush=True)
            if options.verbose:
                seconds, (detail, *_) = time.monotonic() - began, each.detail.splitlines()
                print(f"{number} {seconds:.1f} s {each.kind}, {each.scenario}: {detail}: {each.verdict}", flush=True)
            began = time.monotonic()


def _tries(options: argparse.Namespace, places: list[Place], shim: Shim) -> Iterator[Try | None]:
    """Yield the tries; None for one that has nothing to disturb."""
    seed, share = options.seed, slice(options.share, None, options.jobs)
    readable = [place for place in places if place.scenario.reads]
    for kill in kills.kills(places, options.kills, Random(f"{seed} kills"))[share]:
        yield kills.try_kill(shim, kill, first_process=options.first_process)
    for failure in kills.failures(places, options.failures, Random(f"{seed} failures"))[share]:
        yield kills.try_failure(shim, failure)
    for place, generator in _turns(readable, options.flips, f"{seed} flip")[share]:
        yield damage.try_flip(place, generator)
    for place, generator in _turns(places, options.resumed, f"{seed} resume")[share]:
        yield damage.try_flip_and_resume(shim, place, generator)
    for place, generator in _turns(readable, options.hostile, f"{seed} hostile")[share]:
        yield hostile.try_hostile(place, generator)


def _turns(places: list[Place], count: int, seed: str) -> list[tuple[Place, Random]]:
    """Return each place in turn, with a generator of its own, until there are enough."""
    pairs = ((place, turn) for turn in range(count) for place in places if kills.is_in_turn(place, turn))
    return [(place, Random(f"{seed} {place.scenario.name} {turn}")) for place, turn in islice(pairs, count)]
