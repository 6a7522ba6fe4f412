"""Kill a writer before and after its file-system calls, one kill per writer; argument: kill at every n-th of them.

After each kill the output is the old one or the new one, and the next writer leaves nothing but the output. Prints the
number of kills as JSON.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from triptych.artefacts import OpenFolder, read_folder, replacing, write_file, write_tensors, writing_folder

CALLS = ("mkdir", "rename", "replace", "unlink", "fsync", "rmdir", "open", "scandir", "close", "stat", "lstat", "write")


class Countdown:
    """Kills this process when so many points were passed."""

    def __init__(self, points: int) -> None:
        self.points = points

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **options: Any) -> Any:
            self.count()
            value = function(*arguments, **options)
            self.count()
            return value

        return wrapper

    def count(self) -> None:
        self.points -= 1
        if self.points == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def write(folder: Path, text: str) -> None:
    """Write the two outputs: a file, and a folder."""
    write_file(folder / "file", text.encode())
    with writing_folder(folder / "out", "test", {"text": text}, overwrite=True) as temporary:
        for name in ("a", "b"):
            (temporary / name).write_text(text, encoding="utf-8")
        write_tensors(temporary / "tensors", {"x": np.zeros(3)})


def read(folder: OpenFolder) -> str:
    (text,) = {*(folder.file(name).read_text(encoding="utf-8") for name in ("a", "b")), folder.manifest.about["text"]}
    return str(text)


def killed(folder: Path, points: int) -> bool:
    """Write in a forked process that dies at a point. Returns whether it died before it was ready."""
    child = os.fork()
    if child == 0:
        countdown = Countdown(points)
        for name in CALLS:
            setattr(os, name, countdown.wrap(getattr(os, name)))
        io.open = countdown.wrap(io.open)
        write(folder, "new")
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def campaign(step: int) -> int:
    """Kill writers until one is ready. Returns the number of kills."""
    n_killed = 0
    while True:
        folder = Path(tempfile.mkdtemp())
        write(folder, "old")
        is_killed = killed(folder, 1 + step * n_killed)
        assert (folder / "file").read_text(encoding="utf-8") in ("old", "new")
        assert read_folder(folder / "out", "test", read) in ("old", "new")
        write(folder, "newer")
        assert read_folder(folder / "out", "test", read) == "newer"
        assert sorted(os.listdir(folder)) == ["file", "out"]  # noqa: PTH208
        shutil.rmtree(folder)
        if not is_killed:
            return n_killed
        n_killed += 1


def main() -> None:
    step = int(sys.argv[1])
    exchanged = campaign(step)
    replacing._exchange = lambda one, other: False
    print(json.dumps({"exchanged": exchanged, "renamed": campaign(step)}))


if __name__ == "__main__":
    main()
