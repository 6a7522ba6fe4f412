"""Shared by all tests: one thread, no network, the same examples in every run, and the folder of real data."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

if os.environ.get("TRIPTYCH_TEST_THREADS") != "unset":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that compete for two cores made the suite nine times slower
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads must not use a core
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the models for tests are in folders

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from postgres import postgres_server as postgres_server
from postgres import postgres_url as postgres_url

# the same examples in every run and without a deadline, so that a failure can be repeated on any machine.
# `pytest --hypothesis-profile=explore` draws other examples
settings.register_profile("gate", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", settings.get_profile("gate"), derandomize=False)
settings.load_profile("gate")

REAL_DATA = Path(os.environ.get("TRIPTYCH_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real data sets; the test is skipped if there is none."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data at {REAL_DATA}: set TRIPTYCH_DATA to their folder")
    return REAL_DATA


@pytest.fixture(autouse=True)
def _restore_signal_handlers() -> Iterator[None]:
    """Restore the handlers after each test: the command line changes SIGPIPE in this process."""
    names = ("SIGINT", "SIGTERM", "SIGPIPE") if sys.platform != "win32" else ("SIGINT", "SIGTERM")
    before = {name: signal.getsignal(getattr(signal, name)) for name in names}
    yield
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)
