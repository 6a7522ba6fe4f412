"""Peak memory is measured per process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

PRINT_PEAK = "from triptych.memory import peak_resident_megabytes; print(peak_resident_megabytes())"


def printed_number(code: str) -> float:
    """Run Python code in a new process and return the number that it prints."""
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="the peak is not measured on Windows")
def test_peak_memory_includes_freed_memory_but_not_the_memory_of_the_parent_process() -> None:
    held = np.ones(50_000_000)  # 400 MB in this process while the children start
    small = printed_number(PRINT_PEAK)
    large = printed_number(f"b'x' * 200_000_000; {PRINT_PEAK}")
    if sys.platform == "linux":
        assert small < 200 < held.nbytes / 1e6
    assert large > small + 150
