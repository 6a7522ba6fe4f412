"""Ends or fails a command at a chosen call that changes files, then runs it again."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from random import Random

from campaign.places import Place, answer, snapshot
from campaign.processes import in_child
from campaign.shim import Mode, Shim
from campaign.verdicts import Try, Verdict, is_named_error, judge_read, worst

KILLS = (Mode.KILL, Mode.TORN, Mode.POWER)
FAILURES = ((Mode.FULL, errno.ENOSPC), (Mode.FULL, errno.EDQUOT), (Mode.FULL, errno.EFBIG), (Mode.ONCE, errno.EIO))


@dataclass(frozen=True)
class Disturbance:
    """One try: the call number `at` of the scenario at a place, and what happens there."""

    place: Place
    mode: Mode
    at: int
    error: int = 0

    @property
    def name(self) -> str:
        call = self.place.calls[self.at - 1]
        cause = f" {errno.errorcode[self.error]}" if self.error else ""
        return f"{self.mode.name.lower()}{cause} at call {self.at}: {call.name} {call.path}"


def kills(places: list[Place], count: int, generator: Random) -> list[Disturbance]:
    """Choose kills: every call and kind of kill if there are enough, no two alike, all scenarios equally often."""
    return _choose(
        {
            place.scenario.name: [Disturbance(place, mode, at) for at in _numbers(place) for mode in KILLS]
            for place in places
        },
        count,
        generator,
    )


def failures(places: list[Place], count: int, generator: Random) -> list[Disturbance]:
    """Choose calls that fail: a full disk, a limit on file sizes or on space, and one error of the device."""
    return _choose(
        {
            place.scenario.name: [
                Disturbance(place, mode, at, error) for at in _numbers(place) for mode, error in FAILURES
            ]
            for place in places
        },
        count,
        generator,
    )


def try_kill(shim: Shim, kill: Disturbance, *, first_process: bool) -> Try:
    """Kill the command, read what is there, and run the command again: the same bytes as undisturbed, or an error."""
    place = kill.place
    place.restore()
    shim.choose(kill.mode, place.folder, at=kill.at)
    ended = place.run(first_process=first_process)
    shim.stop()
    if ended.crashed and not ended.killed:
        return Try("kill", place.scenario.name, Verdict.CRASH, f"{kill.name}\n{ended.output}")
    verdict, detail = _read(place)
    if verdict in (Verdict.SAME, Verdict.NAMED):
        verdict, detail = run_again(place, first_process=first_process)
    return Try("kill", place.scenario.name, verdict, f"{kill.name}\n{detail}")


def try_failure(shim: Shim, failure: Disturbance) -> Try:
    """Let calls fail: the command must say so, and when there is space again it must end with the same bytes."""
    place = failure.place
    place.restore()
    shim.choose(failure.mode, place.folder, at=failure.at, error=failure.error)
    ended = place.run()
    shim.stop()
    if ended.code != 0 and (ended.crashed or not is_named_error(ended)):
        return Try("failed call", place.scenario.name, Verdict.CRASH, f"{failure.name}\n{ended.code}\n{ended.output}")
    verdict, detail = run_again(place)
    return Try("failed call", place.scenario.name, verdict, f"{failure.name}\n{detail}")


def run_again(place: Place, *, first_process: bool = False, damaged: str = "") -> tuple[Verdict, str]:
    """Run the command again and compare what is there with what an undisturbed run leaves.

    damaged: a file that was damaged before. It may stay so if the command does not read it; who reads it is told.
    """
    before = snapshot(place.folder).get(damaged)
    again = place.run(first_process=first_process)
    exists = is_named_error(again) and "already exists" in again.output
    if again.code != 0 and not exists:
        return (Verdict.NAMED if is_named_error(again) else Verdict.CRASH), f"again: {again.code}\n{again.output}"
    left = snapshot(place.folder)
    differences = [name for name, value in place.result.items() if left.get(name) != value]
    if before is not None and differences == [damaged] and left[damaged] == before:
        return Verdict.SAME, f"{damaged} was not read"
    if differences:
        return Verdict.SILENT, f"other bytes after the second run: {differences}\n{again.output}"
    more = sorted(left.keys() - place.result.keys())
    return (Verdict.LEFTOVER, f"left over: {more}") if more else (Verdict.SAME, "")


def _read(place: Place) -> tuple[Verdict, str]:
    """Read the outputs: they are whole, old or new, or an error says what they are."""
    verdicts, details = list[Verdict](), list[str]()
    if place.scenario.multiprocess:
        return Verdict.SAME, ""
    for position, read in enumerate(place.scenario.reads):
        outcome = in_child(read, place.folder)
        allowed = {place.answers[position], *place.old[position : position + 1]}
        verdicts.append(judge_read(outcome, allowed, answer(outcome)))
        details.append(f"read {position}: {outcome.code} {outcome.output}")
    return worst(verdicts), "\n".join(details)


def _numbers(place: Place) -> range:
    return range(1, len(place.calls) + 1)


def _choose(by_scenario: dict[str, list[Disturbance]], count: int, generator: Random) -> list[Disturbance]:
    """Take from each scenario in turn, at random, until there are enough."""
    for each in by_scenario.values():
        generator.shuffle(each)
    chosen = list[Disturbance]()
    turn = 0
    while len(chosen) < count and any(by_scenario.values()):
        chosen += [each.pop() for each in by_scenario.values() if each and is_in_turn(each[-1].place, turn)]
        turn += 1
    return chosen[:count]


def is_in_turn(place: Place, turn: int) -> bool:
    """Whether a scenario has a try in a turn: one that starts processes only in every fifth, as each takes long."""
    return turn % 5 == 0 or not place.scenario.multiprocess
