"""The shell blocks of README and docs can be pasted: they run on the demo's files, and all options in them exist.

The Python blocks of a page run between them, in their order, as one program.
A block that cannot run there (real data, hours) has the comment `<!-- not run: REASON -->` in the line before it. Its
commands are only parsed. Every page runs in its own folder, which contains what `make demo` leaves in `demo/`.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
import typer.core
import typer.main

from triptych.cli.app import app, run
from triptych.demo.run import run_demo
from triptych.demo.world import Sizes
from triptych.studies.experiment import read_experiment

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
SMALL = Sizes(n_users=120, n_items=120)  # instead of 2,000 and 3,000: the pages run in less than a minute
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?```(?P<language>sh|bash|shell|console|py|python)\n(?P<text>.*?)```",
    re.DOTALL,
)
INSTALLED_BEFORE = ("pip", "make")  # commands of the shell that are checked, but not run


@dataclass(frozen=True)
class Block:
    """A block of a page, of shell or Python, and the reason why it is not run, or ""."""

    page: str
    text: str
    reason: str
    is_python: bool = False

    def commands(self) -> list[str]:
        """The commands, without comments. In a transcript only lines with a prompt `$ ` are commands."""
        lines = re.sub(r"\\\n\s*", "", self.text).splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [line for line in lines if shlex.split(line, comments=True)]


def blocks_of(page: Path) -> list[Block]:
    """All shell blocks of a page."""
    return [block for block in all_blocks_of(page) if not block.is_python]


def all_blocks_of(page: Path) -> list[Block]:
    """All blocks of a page, of shell and of Python."""
    name, text = page.relative_to(ROOT).as_posix(), page.read_text(encoding="utf-8")
    return [
        Block(name, match["text"], match["reason"] or "", match["language"].startswith("py"))
        for match in BLOCK.finditer(text)
    ]


def words_of(command: str) -> list[str]:
    """Split as the shell does; paths with * or [ ] are expanded if they exist."""
    words = []
    for word in shlex.split(command, comments=True):
        words += sorted(map(str, Path().glob(word))) or [word] if re.search(r"[*\[]", word) else [word]
    return words


@cache
def commands() -> Mapping[str, Any]:
    """The commands of triptych by name, as the library of the command line describes them."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return group.commands


def options_of(command: Any) -> dict[str, Any]:
    """Every spelling of every option of a command -> the option. Arguments have no dashes."""
    params = command.get_params(typer.Context(command))  # with the options that are made from settings
    spellings = {name: each for each in params for name in (*each.opts, *each.secondary_opts)}
    return {name: each for name, each in spellings.items() if name.startswith("-")}


def check_options(words: Sequence[str]) -> None:
    """Check `triptych COMMAND …` without running it. Raises LookupError for an unknown command or option."""
    if words[1] not in commands():
        raise LookupError(f"triptych has no command {words[1]}")
    options, rest = {**options_of(commands()[words[1]]), "--help": None, "-h": None}, iter(words[2:])
    for word in rest:
        name, equals, _ = word.partition("=")
        if not name.startswith("-"):
            continue
        if name not in options:
            raise LookupError(f"{words[1]} has no option {name}")
        if not equals and options[name] is not None and not options[name].is_flag and next(rest, None) is None:
            raise LookupError(f"{words[1]}: {name} needs a value")


def options_of_all_programs() -> set[str]:
    """Every --name of triptych, of the benchmarks, of the campaign, and of pip as README uses it."""
    names = {name for command in commands().values() for name in options_of(command)}
    programs = [*(ROOT / "benchmarks").glob("*.py"), ROOT / "tests" / "campaign" / "__main__.py"]
    source = "".join(path.read_text(encoding="utf-8") for path in programs)
    return names | set(re.findall(r'"(--[a-z-]+)"', source)) | {"--help", "--version", "--extra-index-url"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make demo` leaves, for a small shop."""
    folder = tmp_path_factory.mktemp("docs") / "demo"
    run_demo(folder, sizes=SMALL, epochs=2)
    return folder


def run_block(block: Block) -> None:
    """Run all commands of a block in the current folder: triptych in this process, others with bash."""
    for command in block.commands():
        words = words_of(command)
        if words[0] == "triptych":
            assert run(words[1:]) == 0, f"{block.page}: {command}"
        elif words[0] not in INSTALLED_BEFORE:
            subprocess.run(["bash", "-euc", command], check=True)


@pytest.mark.filterwarnings("default::triptych.errors.InputWarning")
@pytest.mark.parametrize("name", NAMES)
def test_the_blocks_of_a_page_run_on_the_demos_files(
    name: str, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = [block for block in all_blocks_of(ROOT / name) if not block.reason]
    if any("triptych encode" in block.text for block in blocks):
        pytest.importorskip("transformers", reason='transformers is absent: pip install "triptych[features]"')
        pytest.importorskip("sentence_transformers", reason="sentence-transformers is absent: as above")
    if not any(block.is_python or block.commands() for block in blocks):
        return
    page = ModuleType("page")  # the blocks follow one another, as in a notebook
    monkeypatch.setitem(sys.modules, page.__name__, page)
    shutil.copytree(demo, tmp_path / "demo")
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        if block.is_python:
            exec(compile(block.text, block.page, "exec", dont_inherit=True), page.__dict__)
        else:
            run_block(block)


def all_blocks() -> Iterator[Block]:
    """The blocks of all pages."""
    for page in PAGES:
        yield from blocks_of(page)


def test_every_shell_block_is_found_and_runs_or_says_why_not() -> None:
    n_fences = sum(
        len(re.findall(r"^```(?:sh|bash|shell|console)$", page.read_text(encoding="utf-8"), re.MULTILINE))
        for page in PAGES
    )
    blocks = list(all_blocks())
    assert len(blocks) == n_fences > 10
    for block in blocks:
        assert block.commands(), f"{block.page}: a shell block without commands"
        assert not block.reason or len(block.reason.split()) >= 3, (
            f"{block.page}: give a reason, not only {block.reason}"
        )


def test_every_option_in_a_shell_block_exists() -> None:
    for block in all_blocks():
        for command in block.commands():
            words = shlex.split(command, comments=True)
            if words[0] == "triptych":
                try:
                    check_options(words)
                except LookupError as error:
                    pytest.fail(f"{block.page}: {command}: {error}")


def test_every_command_and_option_in_the_text_exists() -> None:
    options = options_of_all_programs()
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for code in re.findall(r"`([^`\n]+)`", text):
            unknown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", code)) - options
            assert not unknown, f"{page.name}: `{code}`: no command has {', '.join(sorted(unknown))}"
            words = code.replace("[", "").replace("]", "").split()
            if words[0] == "triptych" and len(words) > 1 and words[1].islower():
                try:
                    check_options(words)
                except LookupError as error:
                    pytest.fail(f"{page.name}: `{code}`: {error}")


def test_every_make_target_in_a_shell_block_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for block in all_blocks():
        for command in block.commands():
            words = shlex.split(command, comments=True)
            assert words[0] != "make" or words[1] in targets, f"{block.page}: {command}"


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.stem)
def test_every_experiment_of_the_examples_can_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPTYCH_DATA", "/data")
    for source in read_experiment(path).data.values():
        check_options(["triptych", "prepare", *source.prepare])


def test_a_retired_option_or_command_in_a_page_is_found() -> None:
    with pytest.raises(LookupError, match="--took"):
        check_options(["triptych", "recommend", "runs/bm3", "--took", "i4"])
    with pytest.raises(LookupError, match="newcomers"):
        check_options(["triptych", "newcomers", "shop"])
