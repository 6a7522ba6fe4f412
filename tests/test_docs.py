"""The Python blocks of README and docs run. Their shell blocks are in test_docs_shell.py."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]


def run_python_blocks(page: str) -> None:
    """Run all Python blocks of a page in the current folder, each in its own namespace."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:py|python)\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {})


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_python_blocks("README.md")
    assert (tmp_path / "model" / "manifest.json").exists()


def test_the_encoder_of_the_encoding_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = tmp_path / "demo" / "raw" / "pictures"
    pictures.mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (8, 8), (80 * number, 0, 0)).save(pictures / f"T{number}.png")
    monkeypatch.chdir(tmp_path)
    run_python_blocks("docs/encoding.md")
    assert np.load(tmp_path / "features" / "colour" / "features.npy")[:, 0].tolist() == [0, 80, 160]


def test_every_page_with_python_is_tested() -> None:
    pages = {page.name for page in (ROOT / "docs").glob("*.md") if re.search("```py", page.read_text(encoding="utf-8"))}
    assert pages == {"encoding.md"}


def heading_anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub forms them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in heading_anchors(target), f"{page.name}: {link}: no such heading"
