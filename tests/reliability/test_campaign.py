"""The campaign finds no defect in a few tries of every kind, and it would find one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from campaign.damage import DAMAGES
from campaign.processes import Outcome
from campaign.verdicts import Verdict, is_named_error, judge_read

ROOT = Path(__file__).parents[2]


def campaign(output: Path, *options: str) -> dict[str, Sequence[dict[str, object]]]:
    if not sys.platform.startswith("linux") or shutil.which(os.environ.get("CC", "cc")) is None:
        pytest.skip("the campaign needs Linux and a C compiler")
    command = [sys.executable, "-m", "tests.campaign", "--output", str(output), *options]
    subprocess.run(command, cwd=ROOT, check=False, timeout=600)
    results: dict[str, Sequence[dict[str, object]]] = json.loads(output.read_text(encoding="utf-8"))
    return results


def test_a_sample_of_the_campaign_finds_no_defect(tmp_path: Path) -> None:
    counts = ("--kills", "6", "--failures", "4", "--flips", "6", "--resumed", "4", "--hostile", "6")
    results = campaign(tmp_path / "c.json", "--scenarios", "prepare,train", "--work", str(tmp_path), *counts)
    assert results["defects"] == []
    assert sum(int(str(row["tries"])) for row in results["counts"]) >= 20  # a few tries have nothing to disturb


@pytest.mark.parametrize("how", DAMAGES, ids=lambda how: how.__name__)
def test_damage_changes_bytes(how: object) -> None:
    assert callable(how)
    content = bytes(range(1, 200))
    assert any(how(content, Random(seed)) != content for seed in range(5))


def test_silence_signals_and_tracebacks_are_defects() -> None:
    assert judge_read(Outcome(0, "[2]"), ["[1]"], "[2]") is Verdict.SILENT
    assert judge_read(Outcome(0, "[1]"), ["[1]"], "[1]") is Verdict.SAME
    assert judge_read(Outcome(139, ""), ["[1]"], "") is Verdict.CRASH
    assert judge_read(Outcome(None, ""), ["[1]"], "") is Verdict.CRASH
    assert judge_read(Outcome(1, "Traceback (most recent call last):"), ["[1]"], "") is Verdict.CRASH
    assert judge_read(Outcome(1, ""), ["[1]"], "") is Verdict.CRASH  # it does not say what is wrong
    assert judge_read(Outcome(1, "error: shop/users.parquet: is damaged"), ["[1]"], "") is Verdict.NAMED
    assert not is_named_error(Outcome(0, "error: "))
