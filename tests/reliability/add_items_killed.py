"""`triptych …` in a process that kills itself when its data set is complete: argv = arguments of triptych."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import triptych.preparing
from triptych.cli.app import run

if __name__ == "__main__":
    extend_dataset = triptych.preparing.extend_dataset

    def killed(*arguments: Any, **others: Any) -> Any:
        extend_dataset(*arguments, **others)
        os.kill(os.getpid(), signal.SIGKILL)

    triptych.preparing.extend_dataset = killed
    run(sys.argv[1:])
