"""Every model of the registry documents itself, and README's table lists the same models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from triptych.models.registry import MODELS

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("name", MODELS)
def test_the_class_docstring_has_a_summary_and_the_equations(name: str) -> None:
    summary, blank, *text = (MODELS[name].__doc__ or "").splitlines()
    assert summary.endswith(".")
    assert not blank
    assert any("s(u, i) =" in line or "scores =" in line for line in text)


def test_the_models_table_of_the_readme_equals_the_registry() -> None:
    section = README.read_text(encoding="utf-8").split("\n## Models\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE) == list(MODELS)
