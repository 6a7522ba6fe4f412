"""What the campaign found in one try, and how tries are counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from campaign.processes import Outcome


class Verdict(StrEnum):
    """How a try ended. Only the first two are promised; the others are defects."""

    SAME = "same bytes"
    NAMED = "named error"
    SILENT = "silent difference"
    LEFTOVER = "leftover"
    CRASH = "signal or traceback"


FILE = "tries.jsonl"  # of one process
GOOD = (Verdict.SAME, Verdict.NAMED)


@dataclass(frozen=True)
class Try:
    """kind: "kill", "flip", …. detail: how to repeat it, and what was found."""

    kind: str
    scenario: str
    verdict: Verdict
    detail: str


def is_named_error(outcome: Outcome) -> bool:
    """Whether a command failed with a message for its user."""
    return outcome.code in (1, 2) and ("error:" in outcome.output or "failed:" in outcome.output)


def judge_read(outcome: Outcome, allowed: Iterable[str], found: str) -> Verdict:
    """Judge one command that reads something disturbed. allowed: the right answers. found: the answer."""
    if outcome.crashed:
        return Verdict.CRASH
    if outcome.code == 0:
        return Verdict.SAME if found in allowed else Verdict.SILENT
    return Verdict.NAMED if is_named_error(outcome) else Verdict.CRASH


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that comes last in the order of `Verdict`."""
    order = list(Verdict)
    return max(verdicts, key=order.index, default=Verdict.SAME)


def table(tries: Iterable[Try]) -> str:
    """Return the counts as a Markdown table: one row per kind and scenario."""
    counts = Counter((each.kind, each.scenario, each.verdict) for each in tries)
    rows = list(dict.fromkeys((kind, scenario) for kind, scenario, _ in counts))
    kinds = list(dict.fromkeys(kind for kind, _ in rows))
    lines = ["| | tries | " + " | ".join(Verdict) + " |", "|---|---:|" + "---:|" * len(Verdict)]
    for kind in kinds:
        of_kind = [scenario for each, scenario in rows if each == kind]
        for name, scenarios in [(f"**{kind}**", of_kind), *((each, [each]) for each in of_kind)]:
            cells = [sum(counts[kind, scenario, verdict] for scenario in scenarios) for verdict in Verdict]
            lines.append(f"| {name} | {sum(cells)} | " + " | ".join(str(cell or "") for cell in cells) + " |")
    return "\n".join(lines)


def append_try(folder: Path, found: Try) -> None:
    """Add a try to the file of a process."""
    with (folder / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(found)) + "\n")


def read_tries(folder: Path) -> list[Try]:
    """Return the tries of a process."""
    lines = (folder / FILE).read_text(encoding="utf-8").splitlines() if (folder / FILE).exists() else []
    values = [json.loads(line) for line in lines]
    return [Try(**{**each, "verdict": Verdict(each["verdict"])}) for each in values]


def write_results(path: Path, tries: list[Try], about: dict[str, object]) -> None:
    """Write counts and the tries that found a defect as JSON."""
    counts = Counter((each.kind, each.scenario, each.verdict) for each in tries)
    rows = [{"kind": k, "scenario": s, "verdict": str(v), "tries": n} for (k, s, v), n in sorted(counts.items())]
    defects = [asdict(each) for each in tries if each.verdict not in GOOD]
    path.write_text(json.dumps({**about, "counts": rows, "defects": defects}, indent=2), encoding="utf-8")
