"""docs/api.md lists every public name with one line and a link; `python tests/test_docs_api.py` writes the list."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import triptych

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "api.md"
MARK = "<!-- the rest is written by tests/test_docs_api.py -->\n"
STUB = ROOT / "src" / "triptych" / "__init__.pyi"
SECTIONS = {
    "preparing": "Prepare data",
    "data": "Data",
    "training": "Train",
    "models": "Models",
    "settings": "Models",
    "ranking": "Recommend and measure",
    "explaining": "Explain",
    "exporting": "Export",
}
OTHERS = "Progress and errors"
WITHOUT_DOCSTRING = {"Listener": "A function that gets each `Progress` of long work."}
MAX_PARAMETERS = 6  # shown


def public_names() -> dict[str, Path]:
    """Return the public names, and the file of the package where each is defined."""
    found = {}
    pattern = r"^from \.([\w.]+) import \(?\s*\w+ as (\w+)"
    for module, name in re.findall(pattern, STUB.read_text(encoding="utf-8"), flags=re.MULTILINE):
        defined = getattr(getattr(triptych, name), "__module__", "")
        module = defined if defined.startswith("triptych.") else f"triptych.{module}"
        path = ROOT / "src" / Path(*module.split("."))
        found[name] = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    return found


def generated() -> str:
    """Return the list of names: a table per section."""
    names = public_names()
    rows: dict[str, list[str]] = {title: [] for title in (*SECTIONS.values(), OTHERS)}
    for name, path in sorted(names.items(), key=lambda each: (each[0][0].isupper(), each[0])):
        package = path.relative_to(ROOT / "src" / "triptych").parts[0].removesuffix(".py")
        link = f"[source](../{path.relative_to(ROOT).as_posix()})"
        line = first_sentence(name).replace("|", r"\|")
        rows[SECTIONS.get(package, OTHERS)].append(f"| `{signature(name)}` | {line} | {link} |")
    tables = (
        f"## {title}\n\n| name | what it is | |\n| --- | --- | --- |\n" + "\n".join(each)
        for title, each in rows.items()
    )
    return "\n" + "\n\n".join(tables) + "\n"


def first_sentence(name: str) -> str:
    """Return the first sentence of a docstring, in one line."""
    if name in WITHOUT_DOCSTRING:
        return WITHOUT_DOCSTRING[name]
    text = " ".join((inspect.getdoc(getattr(triptych, name)) or "").partition("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) (?=[A-Z])", text)[0]


def signature(name: str) -> str:
    """Return a name with its first parameters, without types: these are in the source."""
    value: Any = getattr(triptych, name)
    try:
        parameters = [each for each in inspect.signature(value).parameters.values() if each.name != "self"]
    except (TypeError, ValueError):
        return name
    names = [each.name for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    if not names or (isinstance(value, type) and value.__name__ != name):
        return name
    shown = names[:MAX_PARAMETERS] + (["…"] if len(names) > MAX_PARAMETERS else [])
    return f"{name}({', '.join(shown)})"


def test_every_public_name_is_listed_as_it_is() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert MARK in text
    hint = "run: python tests/test_docs_api.py"
    missing = [name for name in dir(triptych) if f"`{name}`" not in text and f"`{name}(" not in text]
    assert not missing, f"{hint}; not in docs/api.md: {', '.join(missing)}"
    assert text.partition(MARK)[2] == generated(), hint


def test_the_stub_and_the_package_have_the_same_names() -> None:
    assert set(public_names()) == set(dir(triptych))


@pytest.mark.parametrize("name", sorted(public_names()))
def test_a_public_name_has_a_docstring_of_its_own_and_a_definition(name: str) -> None:
    assert first_sentence(name).endswith((".", ":"))
    source = public_names()[name].read_text(encoding="utf-8")
    assert re.search(rf"^(class|def|@\w+|) ?{name}\b", source, flags=re.MULTILINE), f"not in {public_names()[name]}"


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text(encoding="utf-8").partition(MARK)[0] + MARK + generated(), encoding="utf-8")
