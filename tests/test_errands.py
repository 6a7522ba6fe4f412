"""The errands of CONTRIBUTING.md work: its examples are applied to a copy of the code, and the result is used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ENTRY = re.compile(r'    "[\w-]+": \w+,')
# the installed package may come first on the path by an import hook: the copy is put before it
RUN = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__]
sys.path.insert(0, sys.argv.pop(1))
from triptych.cli import main
main()
"""


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", CONTRIBUTING, flags=re.DOTALL)


def apply(block: str, root: Path) -> None:
    """Create the file of a block, or add its imports, functions and registry entries to an existing file."""
    first, _, body = block.partition("\n")
    if first.startswith("# new file: "):
        path = root / first.removeprefix("# new file: ")
        assert not path.exists()
        path.write_text(body, encoding="utf-8")
        return
    path = root / first.removeprefix("# in ")
    lines = body.splitlines()
    imports = [line for line in lines if line.startswith("from ")]
    entries = [line for line in lines if ENTRY.fullmatch(line)]
    functions = [line for line in lines if line not in imports and line not in entries]
    source = path.read_text(encoding="utf-8")
    source = source.replace("import annotations\n", "\n".join(["import annotations", *imports, ""]), 1)
    registry = re.search(r"^[A-Z]+: [^\n]* = \{\n", source, flags=re.MULTILINE)
    assert registry
    assert entries
    before, after = source[: registry.start()], source[registry.end() :]
    path.write_text("\n".join([before, *functions, "", registry[0] + "\n".join(entries), after]), encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("errands")
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(ROOT / "src", root / "src", ignore=ignored)
    for block in blocks():
        apply(block, root)
    pairs = sorted({(n % 40 + 1, n * n % 61 + 1) for n in range(600)})
    lines = ["%%MatrixMarket matrix coordinate integer general", f"40 61 {len(pairs)}"]
    lines += [f"{user} {item} 1" for user, item in pairs]
    (root / "log.mtx").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def triptych(copy: Path, *words: str) -> str:
    command = [sys.executable, "-c", RUN, str(copy / "src"), *words]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_new_format_model_and_metric_are_used_by_the_commands(copy: Path) -> None:
    triptych(copy, "prepare", "log.mtx", "-o", "data")
    triptych(copy, "train", "data", "--model", "co-occurrence", "--set", "power=0.25", "--run", "run")
    result = json.loads(triptych(copy, "evaluate", "run", "--metrics", "f1@5,precision@5,recall@5", "--json"))
    assert result["model"] == "co-occurrence"
    assert 0 < result["metrics"]["f1@5"] < 1
    assert "exponent p of the popularity" in triptych(copy, "models", "co-occurrence")


def test_the_examples_are_formatted_typed_and_within_the_import_rules(copy: Path) -> None:
    """The gate would accept the new files: ruff's rules, mypy's strict types, and the floors."""
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    new = [block.split("\n", 1)[0].removeprefix("# new file: ") for block in blocks() if block.startswith("# new file")]
    for command in (["ruff", "format", "--check", *new], ["ruff", "check", *new]):
        done = subprocess.run([sys.executable, "-m", *command], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(copy / ".cache"), *new],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_steps_of_a_kernel_are_where_the_table_says() -> None:
    rows = re.findall(r"^\| [^|]+ \| `([^`]+)` \| `([^`]+)` \|$", CONTRIBUTING, flags=re.MULTILINE)
    assert len(rows) == 10
    for name, symbol in rows:
        path = (
            ROOT / name
            if name.startswith("tests/")
            else ROOT / "src/triptych" / (name if "/" in name else f"kernels/{name}")
        )
        assert symbol in path.read_text(encoding="utf-8"), f"{name} has no {symbol}"
