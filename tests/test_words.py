"""One dictionary: retired words occur neither in names, options, messages and comments of the package nor in the docs.

Each retired word had several meanings, or is not a term of the field. The replacement is what to write instead.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from triptych.cli.app import app

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "triptych"
DIRECTORIES = [PACKAGE, *sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)]
DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

WORDS = {
    "claimed": "locked",
    "contender": "entry",
    "contenders": "entries",
    "destination": "logger",
    "destinations": "loggers",
    "learnt": "trained",
    "mend": "hint, or correct",
    "mends": "hints, or corrects",
    "newcomer": "new user",
    "newcomers": "new users",
    "nobody": "no user",
    "rebuilt": "restored",
    "rooms": "packages, or buffers",
    "stranger": "unknown user or item",
    "strangers": "unknown users or items",
    "tell": "print, report or return",
    "tells": "prints, reports or returns",
    "told": "printed, reported, or a name for the value",
    "took": "interacted with, or had",
    "tower": "encoder",
    "towers": "encoders",
    "welcome": "add_items",
    "whoever": "the caller, or the user",
}
NAMES = {
    "as_they_stand": "default_point",
    "channels": "item_components",
    "few_and_many": "smaller_and_larger",
    "kept_memory": "retain_freed_memory",
    "of_arrays": "from_arrays",
    "of_hetero_data": "from_hetero_data",
    "of_pairs": "from_pairs",
    "of_parts": "from_dataset",
    "put_together": "restore_model",
    "recommend_to": "recommend_from_history",
    "refuse_another": "require_same_run",
    "solved_model": "ClosedFormModel",
    "stretch": "FactorBlock",
    "take_away": "drop_modality",
    "taken_by": "item_degrees",
    "taken_items": "interacted_items",
    "way_of": "attribution_method",
    "with_parts": "assign_split",
    "without_better": "epochs_without_improvement",
}
VALUES = {"literature": "mmrec"}  # as a whole string only: the word itself is plain English
ALLOWED = {
    ("src/triptych/demo/wording.py", "welcome"): "generated item descriptions are data: 'Returns are welcome'",
}


def words_in_text(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line, from 0, and the word for each retired word in prose, in any case or within a snake_case name."""
    for match in re.finditer(r"[A-Za-z]+", text):
        if match[0].lower() in WORDS:
            yield text.count("\n", 0, match.start()), match[0].lower()


def words_in_name(name: str) -> Iterator[str]:
    """Yield each retired word or name that is a part of a snake_case or CamelCase identifier."""
    parts = [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)]
    yield from (part for part in parts if part in WORDS)
    joined = f"_{'_'.join(parts)}_"
    yield from (retired for retired in NAMES if f"_{retired}_" in joined)


def words_in_python(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line, from 1, and each retired word in the names, strings and comments of a module."""
    for node in ast.walk(ast.parse(source)):
        for name in _defined_names(node):
            yield from ((getattr(node, "lineno", 1), word) for word in words_in_name(name))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((node.lineno + line, word) for line, word in words_in_text(node.value))
            if node.value in VALUES:
                yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield from ((token.start[0], word) for _, word in words_in_text(token.string))


def _defined_names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
            yield name
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            yield name
        case ast.alias(asname=str(name)):
            yield name


def findings(path: Path) -> list[str]:
    """Return `file:line: word` for each retired word in a Python module, a C++ source or a text."""
    name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        found = [*((1, word) for word in words_in_name(path.stem)), *words_in_python(text)]
    else:
        found = [(line + 1, word) for line, word in words_in_text(text)]
        found += [
            (text.count("\n", 0, match.start()) + 1, match[1])
            for match in re.finditer(r"`(\w+)`", text)
            if match[1] in VALUES
        ]
    return [
        f"{name}:{line}: {word} (write: {ALL[word]})" for line, word in sorted(found) if (name, word) not in ALLOWED
    ]


ALL = WORDS | NAMES | VALUES


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: path.relative_to(ROOT / "src").as_posix())
def test_a_package_has_no_retired_words(directory: Path) -> None:
    files = [path for path in sorted(directory.iterdir()) if path.suffix in (".py", ".pyi", ".cpp", ".h", ".inc")]
    found = [each for path in files for each in findings(path)] + list(words_in_name(directory.name))
    assert not found, f"{len(found)} retired words:\n" + "\n".join(found)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_docs_have_no_retired_words(path: Path) -> None:
    found = [*findings(path), *words_in_name(path.stem)]
    assert not found, f"{len(found)} retired words:\n" + "\n".join(found)


def test_commands_and_options_have_no_retired_words() -> None:
    group: Any = typer.main.get_command(app)
    found = []
    for name, command in {"": group, **group.commands}.items():
        texts = [name, command.help]
        for parameter in command.params:
            texts += [parameter.name, *parameter.opts, parameter.metavar or "", parameter.help or ""]
        found += [f"{name}: {word}" for text in texts for word in (*words_in_name(text), *_words(text))]
        found += [f"{name}: {value}" for text in texts for value in VALUES if value in text]
    assert not found


def _words(text: str) -> list[str]:
    return [word for _, word in words_in_text(text)]


def test_every_exception_is_needed() -> None:
    for (name, word), reason in ALLOWED.items():
        assert reason
        assert word in {found for _, found in words_in_python((ROOT / name).read_text(encoding="utf-8"))}


@pytest.mark.parametrize(
    ("source", "line", "word"),
    [
        ("def _tell_all():\n    pass", 1, "tell"),
        ("class LearntModel:\n    pass", 1, "learnt"),
        ("x = 1\ndef f(told=None):\n    pass", 2, "told"),
        ("class A:\n    who_took: int", 2, "took"),
        ("WELCOME = 1", 1, "welcome"),
        ("import rest as claimed", 1, "claimed"),
        ('def f():\n    """First line.\n\n    Nobody knows."""', 4, "nobody"),
        ('raise ValueError(f"{1}: Mend it")', 1, "mend"),
        ('answer = {"users_told": 1}', 1, "told"),
        ("x = 1  # for whoever asks", 1, "whoever"),
        ('format = "literature"', 1, "literature"),
        ("def way_of_model():\n    pass", 1, "way_of"),
        ("self.channels = 1", 1, "channels"),
        ("def from_arrays():\n    pass", None, None),
        ('text = "In the literature, k is 50; hotels; recommend, amend, mistook"', None, None),
        ("from torch.nn import Conv2d\nConv2d(in_channels=1)", None, None),
    ],
)
def test_the_scanner_finds_a_planted_word(source: str, line: int | None, word: str | None) -> None:
    assert list(words_in_python(source)) == ([(line, word)] if word else [])


def test_the_scanner_reads_texts_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_words.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("Fine.\nNewcomers get a list; the format is `literature`.\n", encoding="utf-8")
    assert [each.partition(" (")[0] for each in findings(page)] == ["page.md:2: literature", "page.md:2: newcomers"]
