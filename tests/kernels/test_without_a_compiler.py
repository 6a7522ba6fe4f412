"""A package that was built without a compiler works in torch alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import triptych

TRIES = """
import triptych, triptych.kernels, torch
from triptych.graph.edges import unit_rows
print(triptych.kernels.__file__, triptych.kernels.available(), triptych.kernels.instructions())
assert torch.allclose(unit_rows(torch.full((2, 4), 3.0)), torch.full((2, 4), 0.5))
"""


def test_the_package_without_its_compiled_module_imports_and_computes(tmp_path: Path) -> None:
    assert triptych.__file__
    shutil.copytree(Path(triptych.__file__).parent, tmp_path / "triptych", ignore=shutil.ignore_patterns("_native*"))
    # alone on the path, before any hook of an editable installation
    hooks = "import sys; sys.meta_path = [f for f in sys.meta_path if 'Redirect' not in type(f).__name__ ]\n"
    code = f"{hooks}sys.path.insert(0, {str(tmp_path)!r})\n{TRIES}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "triptych" / "kernels" / "__init__.py"), "False", "torch"]
