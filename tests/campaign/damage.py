"""Damages files of finished and of interrupted outputs, as bad disks and broken copies do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from campaign.kills import run_again
from campaign.places import Place, answer
from campaign.processes import in_child
from campaign.shim import Mode, Shim
from campaign.verdicts import Try, Verdict, judge_read, worst

PAGE = 4096


def flip_a_bit(content: bytes, generator: Random) -> bytes:
    """Invert one bit."""
    position = generator.randrange(len(content))
    return content[:position] + bytes([content[position] ^ (1 << generator.randrange(8))]) + content[position + 1 :]


def cut(content: bytes, generator: Random) -> bytes:
    """Lose the end."""
    return content[: generator.randrange(len(content))]


def zero_a_page(content: bytes, generator: Random) -> bytes:
    """Lose one page of a disk, or what there is of it."""
    begin = generator.randrange(len(content)) // PAGE * PAGE
    page = content[begin : begin + PAGE]
    return content[:begin] + bytes(len(page)) + content[begin + PAGE :]


def repeat_a_part(content: bytes, generator: Random) -> bytes:
    """Write a part over another one of the same length, so that the size is right."""
    length = max(1, len(content) // 8)
    source, target = (generator.randrange(len(content) - length + 1) for _ in range(2))
    return content[:target] + content[source : source + length] + content[target + length :]


def append(content: bytes, generator: Random) -> bytes:
    """Add some bytes at the end."""
    return content + generator.randbytes(generator.randrange(1, 64))


DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (flip_a_bit, cut, zero_a_page, repeat_a_part, append)
WEIGHTS = (12, 2, 2, 2, 2)


@dataclass(frozen=True)
class Damage:
    """What was done to a file. path: below the folder of the scenario."""

    how: str
    path: str

    def __str__(self) -> str:
        return f"{self.how}: {self.path}"


def damage_a_file(files: list[Path], root: Path, generator: Random) -> Damage | None:
    """Damage one of the files. Returns how, or None if its bytes are the same as before."""
    path = generator.choice(files)
    content = path.read_bytes()
    if not content:
        return None
    (how,) = generator.choices(DAMAGES, WEIGHTS)
    damaged = how(content, generator)
    path.write_bytes(damaged)
    return None if damaged == content else Damage(how.__name__, path.relative_to(root).as_posix())


def try_flip(place: Place, generator: Random) -> Try | None:
    """Damage a file of a finished output and read it: the same answers, or an error that says what is damaged."""
    place.restore(finished=True)
    how = damage_a_file(output_files(place), place.folder, generator)
    if how is None:
        return None
    verdicts, details = list[Verdict](), [str(how)]
    for read, right in zip(place.scenario.reads, place.answers, strict=True):
        outcome = in_child(read, place.folder)
        verdicts.append(judge_read(outcome, (right,), answer(outcome)))
        details.append(f"{outcome.code} {outcome.output}")
    return Try("flip", place.scenario.name, worst(verdicts), "\n".join(details))


def try_flip_and_resume(shim: Shim, place: Place, generator: Random) -> Try | None:
    """Kill a command, damage a file that it left, and run it again: the same bytes, or an error."""
    place.restore()
    at = generator.randrange(1, len(place.calls) + 1)
    shim.choose(Mode.KILL, place.folder, at=at)
    place.run()
    shim.stop()
    files = output_files(place)
    how = damage_a_file(files, place.folder, generator) if files else None
    if how is None:
        return None
    verdict, detail = run_again(place, damaged=how.path)
    return Try("flip and resume", place.scenario.name, verdict, f"killed at {at}, {how}\n{detail}")


def output_files(place: Place) -> list[Path]:
    """Return the files of the outputs, and hidden or partial ones beside them that a resumed command reads."""
    names = place.scenario.outputs
    files = (file for file in place.folder.rglob("*") if file.is_file() and file.name != "lock")
    tops = ((file, file.relative_to(place.folder).parts[0]) for file in files)
    return sorted(file for file, top in tops if any(top.lstrip(".").startswith(name) for name in names))
