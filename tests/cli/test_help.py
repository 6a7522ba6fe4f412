"""Help pages: plain text that is complete at 80 columns, with examples that can be pasted."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import Any

import pytest
import typer

from triptych.cli.app import PANELS, app, run
from triptych.ranking.metrics import METRICS

COMMANDS = {name: panel for panel, commands in PANELS.items() for name in commands}
GROUP: Any = typer.main.get_command(app)


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def help_page(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    assert run([*command, "--help"]) == 0
    return capsys.readouterr().out


def visible_parameters(command: str) -> list[Any]:
    context = GROUP.commands[command].make_context(command, [], resilient_parsing=True)
    return [each for each in GROUP.commands[command].get_params(context) if not each.hidden]


def example_commands(page: str) -> list[list[str]]:
    """Return the commands among the indented lines of a page; a backslash at the end of a line continues it."""
    text = page.replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in text.splitlines() if re.match(r" +triptych ", line)]


def test_the_overview_lists_every_command_in_its_panel_with_an_uncut_summary(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = help_page(capsys)
    assert "..." not in page.replace("[ARGS]...", "")
    assert "…" not in page
    panel, found = "", {}
    for line in page.splitlines():
        if match := re.fullmatch(r"(\w+):", line):
            panel = match[1]
        elif (match := re.fullmatch(r"  ([a-z-]+) +([A-Z].*\.)", line)) and panel in PANELS:
            found[match[1]] = (panel, match[2])
    assert {name: panel for name, (panel, _) in found.items()} == COMMANDS
    for name, (_, summary) in found.items():
        assert summary == GROUP.commands[name].help.splitlines()[0], "the summary is the whole first line of the help"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_a_page_is_plain_text_within_80_columns(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = help_page(capsys, *filter(None, [command]))
    assert max(map(len, page.splitlines())) <= 80
    assert "\x1b" not in page


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_mentions_every_option_once_with_its_text_as_written(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = help_page(capsys, command)
    normalised = " ".join(page.split())
    panels = re.split(r"^(?=\S.*:$)", page, maxsplit=1, flags=re.MULTILINE)[1]
    for parameter in visible_parameters(command):
        if parameter.param_type_name == "option":
            name = re.escape(max(parameter.opts, key=len))
            assert len(re.findall(rf"^  (?:-\w, )?{name}(?![\w-])", panels, flags=re.MULTILINE)) == 1
        for text in (parameter.help, parameter.metavar):
            if text:
                assert " ".join(text.split()) in normalised


@pytest.mark.parametrize("command", COMMANDS)
def test_values_are_named_in_capitals_without_braces(command: str) -> None:
    for parameter in visible_parameters(command):
        if parameter.param_type_name == "argument" or not parameter.is_flag:
            assert parameter.metavar, parameter.name
            assert re.fullmatch(r"[A-Z\[\]=|:,.\s]+", parameter.metavar), parameter.metavar


@pytest.mark.parametrize("command", COMMANDS)
def test_the_usage_line_names_the_arguments(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    usage = help_page(capsys, command).splitlines()[0]
    arguments = [each.metavar for each in visible_parameters(command) if each.param_type_name == "argument"]
    assert re.findall(r"[A-Z]+", usage.partition("[OPTIONS]")[2]) == arguments
    assert "{" not in usage


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_a_page_has_an_example_that_parses(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    examples = example_commands(help_page(capsys, *filter(None, [command])))
    assert [each for each in examples if not command or each[1] == command], "there is no example of the command"
    for _, name, *arguments in examples:
        GROUP.commands[name].make_context(name, arguments)  # raises an error for an unknown or missing option


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_printed(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([option]) == 0
    assert re.fullmatch(r"triptych \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_help_imports_neither_torch_nor_polars_nor_pydantic() -> None:
    code = (
        "import sys, triptych.cli.app as app; app.run(['--help']); "
        "sys.exit(', '.join({'torch', 'polars', 'pydantic'} & set(sys.modules)) or 0)"
    )
    process = subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False, timeout=120)
    assert process.returncode == 0


def test_the_help_of_evaluate_names_every_metric(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "--help"]) == 0
    text = capsys.readouterr().out
    assert [name for name in METRICS if not re.search(rf"\b{name}\b", text)] == []
