"""What all tests share: one thread, no network, and the way to the real data where it is there."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that contend for two cores made the suite nine times slower
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # models of tests lie in folders

from pathlib import Path

import pytest

REAL_DATA = Path(os.environ.get("TRIPTYCH_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; skips where there is none."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data at {REAL_DATA}: set TRIPTYCH_DATA to their folder")
    return REAL_DATA
