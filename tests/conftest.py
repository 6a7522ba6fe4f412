"""What all tests share: one thread, no network, no chance, and the way to the real data where it is there."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that contend for two cores made the suite nine times slower
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # and threads that wait do not take a core from who works
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # models of tests lie in folders

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# the same examples every time, and no example is too slow: what is found must be found again, on any machine. For
# others, `pytest --hypothesis-profile=explore`
settings.register_profile("gate", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", settings.get_profile("gate"), derandomize=False)
settings.load_profile("gate")

REAL_DATA = Path(os.environ.get("TRIPTYCH_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; skips where there is none."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data at {REAL_DATA}: set TRIPTYCH_DATA to their folder")
    return REAL_DATA


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """The shell, called in this process, makes it end on SIGPIPE: not what the next test is to inherit."""
    names = ("SIGINT", "SIGTERM", "SIGPIPE") if sys.platform != "win32" else ("SIGINT", "SIGTERM")
    before = {name: signal.getsignal(getattr(signal, name)) for name in names}
    yield
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)
