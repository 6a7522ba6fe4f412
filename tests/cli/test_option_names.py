"""Messages name Python's arguments in Python, and options in the shell: one message, rendered twice."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import typer

import triptych
from triptych.cli.app import app, run
from triptych.cli.option_names import OPTIONS, PLACEHOLDERS, as_options
from triptych.errors import InputError, SettingsError, argument
from triptych.preparing.settings import PrepareSettings

PACKAGE = Path(triptych.__file__).parent
BELOW_CLI = sorted(path for path in PACKAGE.rglob("*.py") if "cli" not in path.relative_to(PACKAGE).parts)
OPTION = re.compile(r"(?<![\w-])--([a-z]|$)")  # $: a name follows in an f-string
NAMED = re.compile(r"`([a-z][a-z0-9_]*)(?:=[^`]*)?`")
# they start the command line in processes, or write down a line to type in the shell
SPEAK_TO_THE_SHELL = {"studies/compare.py", "studies/processes.py", "studies/tune.py"}
PYTHON_ONLY = {"column"}  # of Recommender.score: no command has it
LINE_STYLES = "studies/report/plots.py"


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of the strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def test_no_message_below_the_command_line_speaks_of_options() -> None:
    found = [
        f"{path.relative_to(PACKAGE).as_posix()}:{line}: {text}"
        for path in BELOW_CLI
        if path.relative_to(PACKAGE).as_posix() not in {*SPEAK_TO_THE_SHELL, LINE_STYLES}
        for line, text in texts_of(path)
        if OPTION.search(text)
    ]
    assert not found, "name the argument: errors.argument(…), or `name`:\n" + "\n".join(found)


def test_every_argument_that_a_message_names_has_an_option() -> None:
    known = {*OPTIONS, *PrepareSettings.__dataclass_fields__, *PYTHON_ONLY}
    called = re.compile(r"argument\((\w+)=")
    for path in BELOW_CLI:
        source = path.read_text(encoding="utf-8")
        for name in called.findall(source):
            assert name in known, f"{path.name}: give {name} an option in cli/option_names.py"


def test_every_option_exists() -> None:
    group = typer.main.get_command(app)
    known = {option for command in group.commands.values() for each in command.params for option in each.opts}  # type: ignore[attr-defined]
    context = typer.Context(group)
    for command in group.commands.values():  # type: ignore[attr-defined]
        known |= {option for each in command.get_params(context) for option in each.opts}
    named = {*OPTIONS.values(), *(f"--{name.replace('_', '-')}" for name in PrepareSettings.__dataclass_fields__)}
    assert {each.split()[0] for each in named} <= known


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (f"pass {argument(nulls='drop')}", "pass --nulls drop"),
        (argument(no_header=True, columns="user,item,…"), "--no-header and --columns user,item,…"),
        (argument(time_format="%d/%m/%Y"), "--time-format %d/%m/%Y"),
        (argument(item_separator=" "), '--item-separator " "'),
        (argument(multi=["genres"]), "--multi genres"),
        (argument(multi=["a b", "c"]), '--multi "a b" --multi c'),
        (argument(weights=(1, 2, 0.5)), "--weights 1,2,0.5"),
        (argument(validation=0), "--validation 0"),
        (argument(precision="float32"), "--precision float32"),
        (
            "name it with `rating_column`, or leave `min_rating` out",
            "name it with --rating-column, or leave --min-rating out",
        ),
        ("needs `epochs=5`", "needs --set epochs=5"),
        ("needs `epochs=N`", f"needs {PLACEHOLDERS['epochs=N']}"),
        ("give `dataset=…`", "give --data FOLDER"),
        ("use `scorer`, or run `triptych train`", "use `scorer`, or run `triptych train`"),
        (argument(weights="a`b=1"), '--weights "a\'b=1"'),
    ],
)
def test_arguments_become_options(message: str, shown: str) -> None:
    assert as_options(message) == shown


def test_one_mistake_is_named_in_python_and_in_the_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id\nu1,i1\n,i2\n", encoding="utf-8")
    with pytest.raises(InputError, match='pass `nulls="drop"`'):
        triptych.dataset_from_frames(pl.read_csv(log))
    assert run(["prepare", str(log), "-o", str(tmp_path / "shop"), "--json"]) == 1
    printed = capsys.readouterr()
    assert "or pass --nulls drop" in printed.err
    assert "or pass --nulls drop" in printed.out


@pytest.mark.filterwarnings("always::triptych.errors.InputWarning")
def test_a_warning_is_shown_with_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.csv"
    rows = [f"u{n % 4},i{n % 7},{n % 3 - 1}" for n in range(28)]
    log.write_text("\n".join(["user_id,item_id,rating", *rows]), encoding="utf-8")
    assert run(["prepare", str(log), "-o", str(tmp_path / "shop"), "--json"]) == 0
    printed = capsys.readouterr()
    assert "--negative-ratings keep counts them" in printed.err
    assert "--negative-ratings keep counts them" in printed.out
    assert '`negative_ratings="keep"` counts them' in triptych.open_dataset(tmp_path / "shop").about["notes"][0]


def test_settings_that_contradict_each_other_are_named_in_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SettingsError, match="`columns` names the columns"):
        triptych.PrepareSettings(columns="user,item")
    assert run(["prepare", "log.csv", "-o", str(tmp_path / "shop"), "--columns", "user,item"]) == 2
    assert "error: --columns names the columns" in capsys.readouterr().err
