"""Peak memory is a process's own."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

TELL = "from triptych.memory import peak_resident_megabytes; print(peak_resident_megabytes())"


def told(code: str) -> float:
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="the standard library cannot tell there")
def test_peak_memory_counts_what_was_given_back_and_not_what_the_parent_holds() -> None:
    held = np.ones(50_000_000)  # 400 MB, while the children are started
    small = told(TELL)
    large = told(f"b'x' * 200_000_000; {TELL}")
    if sys.platform == "linux":
        assert small < 200 < held.nbytes / 1e6
    assert large > small + 150
