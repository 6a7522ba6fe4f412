"""Makes training wait for a signal. Python imports this file at its start if this folder is on PYTHONPATH.

After its third epoch a training waits until it should stop, so that it never ends before a test's signal arrives, on a
machine of any speed. See `children.running`.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from importlib import import_module
from typing import Any

EPOCHS = 3
TIMEOUT = 600.0  # seconds; then the test that started this process is gone


def make_training_wait() -> None:
    fit: Any = import_module("triptych.training.fit")
    train = fit.train

    def waiting_train(*arguments: Any, context: Any, **others: Any) -> Any:
        def listener(progress: Any) -> None:
            context.listener(progress)
            if progress.stage == "training" and progress.done == EPOCHS:
                deadline = time.monotonic() + TIMEOUT
                while not context.should_stop():
                    if time.monotonic() > deadline:
                        os._exit(75)
                    time.sleep(0.01)

        return train(*arguments, context=replace(context, listener=listener), **others)

    fit.train = waiting_train


if "train" in sys.orig_argv:
    make_training_wait()
