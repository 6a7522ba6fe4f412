"""Folders in which a scenario runs again and again, and the comparison of what it leaves there."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from campaign.processes import Outcome, in_child
from campaign.scenarios import SCENARIOS, VOLATILE, Scenario, write_raw_files
from campaign.shim import Call, Mode, Shim
from triptych.artefacts import map_tensors, tensor_metadata
from triptych.errors import ArtefactError

Snapshot = Mapping[str, str]  # path -> the checksum of what must be equal


@dataclass(frozen=True)
class Place:
    """A scenario, ready to run.

    before: a folder with all that it reads. folder: where it runs, always under the same path. after: a copy of what it
    leaves if nobody disturbs it, result: the checksums of that, answers: of its reads, then. old: the answers before,
    for an output that it replaces. calls: its calls that change files.
    """

    scenario: Scenario
    before: Path
    folder: Path
    after: Path
    result: Snapshot
    answers: tuple[str, ...]
    old: tuple[str, ...]
    calls: tuple[Call, ...]

    def restore(self, *, finished: bool = False) -> None:
        """Make the folder as it is before the scenario, or after it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.after if finished else self.before, self.folder)

    def run(self, *, first_process: bool = False) -> Outcome:
        """Run the scenario's command in the folder."""
        return in_child(self.scenario.work, self.folder, first_process=first_process)


def make_places(root: Path, shim: Shim, names: list[str]) -> list[Place]:
    """Run each scenario once undisturbed, and the ones that it needs. Raises AssertionError if one fails."""
    places = list[Place]()
    finished = dict[str, Path]()
    for scenario in SCENARIOS:
        if scenario.name in names or any(scenario.name in needed_by(name) for name in names):
            place = _make_place(root / scenario.name.replace(" ", "-"), scenario, finished, shim)
            finished[scenario.name] = place.after
            if scenario.name in names:
                places.append(place)
    return places


def needed_by(name: str) -> set[str]:
    """Return the names of all scenarios that must run before this one."""
    (scenario,) = (each for each in SCENARIOS if each.name == name)
    return set(scenario.needs).union(*(needed_by(each) for each in scenario.needs))


def _make_place(root: Path, scenario: Scenario, finished: Mapping[str, Path], shim: Shim) -> Place:
    before, folder, after = root / "before", root / "work", root / "after"
    before.mkdir(parents=True)
    assert in_child(partial(write_raw_files, before), before).code == 0
    for name in scenario.needs:
        for output in outputs_of(name):
            _copy(finished[name] / output, before / output)
    shutil.copytree(before, folder)
    old = read_all(scenario, folder) if scenario.again else ()
    shim.choose(Mode.COUNT, folder)
    outcome = in_child(scenario.work, folder)
    calls = shim.stop()
    assert outcome.code == 0, f"{scenario.name} failed undisturbed:\n{outcome.output}"
    shutil.copytree(folder, after)
    result = snapshot(folder)
    answers = read_all(scenario, folder)
    return Place(scenario, before, folder, after, result, answers, old, tuple(calls))


def outputs_of(name: str) -> tuple[str, ...]:
    """Return the outputs of a scenario."""
    return next(each.outputs for each in SCENARIOS if each.name == name)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


def read_all(scenario: Scenario, folder: Path) -> tuple[str, ...]:
    """Return the answers of the scenario's reads; all must succeed."""
    answers = list[str]()
    for read in scenario.reads:
        outcome = in_child(read, folder)
        assert outcome.code == 0, f"{scenario.name} cannot be read undisturbed:\n{outcome.output}"
        answers.append(answer(outcome))
    return tuple(answers)


def answer(outcome: Outcome) -> str:
    """Return a read's JSON without what differs between two equal runs."""
    lines = outcome.output.strip().splitlines()
    try:
        return json.dumps([_stable(json.loads(line)) for line in lines])
    except ValueError:
        return outcome.output


def snapshot(folder: Path) -> Snapshot:
    """Return the checksums of all files below a folder, hidden ones too, without locks and what `reads` wrote."""
    files = (file for file in sorted(folder.rglob("*")) if not file.is_dir())
    names = {file.relative_to(folder).as_posix(): file for file in files}
    kept = {name: file for name, file in names.items() if not name.endswith("lock") and not name.startswith("read")}
    return {name: hashlib.sha256(_comparable(file)).hexdigest() for name, file in kept.items()}


def _comparable(file: Path) -> bytes:
    """Return the bytes of a file, or of the stable values if it is JSON."""
    if file.suffix in (".html", ".md", ".tex", ".csv"):
        return b""  # they show seconds and megabytes; the same numbers are in a JSON file
    if file.name == "checkpoint.safetensors":
        with suppress(ArtefactError, ValueError, KeyError):  # damaged: its bytes
            state = json.loads(tensor_metadata(file)["state"])
            tensors = {name: array.tobytes().hex() for name, array in sorted(map_tensors(file).items())}
            return json.dumps([_stable(state), tensors]).encode()
    content = file.read_bytes()
    if file.suffix in (".json", ".jsonl"):
        try:
            values = (
                [json.loads(line) for line in content.splitlines()] if file.suffix == ".jsonl" else json.loads(content)
            )
            return json.dumps(_stable(values)).encode()
        except ValueError:
            return content
    return content


def _stable(value: Any) -> Any:
    """Return a JSON value without durations, and without the checksums of the files that hold them."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if not any(word in key for word in VOLATILE)}
        return {key: _stable(each) for key, each in kept.items()}
    return [_stable(each) for each in value] if isinstance(value, list) else value
