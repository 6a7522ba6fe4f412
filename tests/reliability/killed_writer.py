"""Replace an output and die by SIGKILL at a call; arguments: the output, the name of the call, which one of them.

"rename 1" and "rename 2" are the two renames of a system that cannot exchange two names; before the calls "rmtree" and
"unlink" the new output is in its place. "wait" writes a file beside the output and waits to be killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from children import wait_to_be_killed
from triptych.artefacts import replacing, writing_folder


def die_at(function: Callable[..., Any], n: int, *, only: str = "") -> Callable[..., Any]:
    """Return the function, which kills this process at its n-th call with a path that contains `only`."""
    calls = 0

    def wrapper(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += only in str(arguments[0])
        if calls == n:
            os.kill(os.getpid(), signal.SIGKILL)
            os._exit(137)  # the first process of a container cannot kill itself
        return function(*arguments, **options)

    return wrapper


def main() -> None:
    path, call, n = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    if call == "rename":
        replacing._exchange = lambda one, other: False
        os.rename = die_at(os.rename, n)
    elif call == "rmtree":
        setattr(shutil, call, die_at(shutil.rmtree, n, only=".out."))
    elif call == "unlink":
        os.unlink = die_at(os.unlink, n, only=".out.lock")
        Path.unlink = die_at(Path.unlink, n, only=".out.lock")  # type: ignore[method-assign]
    elif call != "wait":
        setattr(os, call, die_at(getattr(os, call), n, only=".out." if call == "mkdir" else ""))
    with writing_folder(path, "test", {"text": "new"}, overwrite=True) as folder:
        for name in ("a", "b"):
            (folder / name).write_text("new", encoding="utf-8")
        if call == "wait":
            (path.parent / "is-writing").touch()
            wait_to_be_killed()


if __name__ == "__main__":
    main()
