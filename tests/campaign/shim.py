"""The shim between a process and its file system calls: compile shim.c, choose a call, and read what was called."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
VARIABLE = "TRIPTYCH_SHIM"
CALLS = 8192


class Mode(IntEnum):
    """What happens at the chosen call; see `struct control` in shim.c."""

    OFF = 0
    COUNT = 1
    KILL = 2
    TORN = 3
    POWER = 4
    FULL = 5
    ONCE = 6


class _Call(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char * 16), ("path", ctypes.c_char * 112))


class _Control(ctypes.Structure):
    _fields_ = (
        ("mode", ctypes.c_int),
        ("error", ctypes.c_int),
        ("at", ctypes.c_long),
        ("count", ctypes.c_long),
        ("root", ctypes.c_char * 256),
        ("calls", _Call * CALLS),
    )


@dataclass(frozen=True)
class Call:
    """A call that changes files: its name ("write", "rename", …) and its path below the folder of the experiment."""

    name: str
    path: str


@dataclass(frozen=True)
class Shim:
    """The memory that this process shares with the shims of its children."""

    control: _Control

    def choose(self, mode: Mode, root: Path, *, at: int = 0, error: int = 0) -> None:
        """Begin to count the calls below `root` (an absolute path); `mode` says what happens at number `at`, from 1."""
        control = self.control
        control.mode, control.at, control.count, control.error = Mode.OFF, at, 0, error
        control.root = os.fsencode(root)
        control.mode = mode

    def stop(self) -> list[Call]:
        """Return the calls since `choose`, and disturb nothing from now on."""
        self.control.mode = Mode.OFF
        seen = self.control.calls[: min(self.control.count, CALLS)]
        return [Call(call.name.decode(), os.fsdecode(call.path)) for call in seen]


def build(folder: Path) -> dict[str, str]:
    """Compile the shim into a folder. Returns the environment that loads it.

    Raises CalledProcessError or FileNotFoundError without a C compiler.
    """
    library = folder / "shim.so"
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O1", "-fPIC", "-shared", "-o", library, SOURCE, "-ldl"], check=True)
    memory = folder / "control"
    memory.write_bytes(bytes(ctypes.sizeof(_Control)))
    return {"LD_PRELOAD": str(library), VARIABLE: str(memory)}


@contextmanager
def shared_memory() -> Iterator[Shim]:
    """Map the memory that this process, which has the shim loaded, shares with its children."""
    with Path(os.environ[VARIABLE]).open("r+b") as file:
        control = _Control.from_buffer(mmap.mmap(file.fileno(), 0))  # unmapped with the last reference to it
    try:
        yield Shim(control)
    finally:
        control.mode = Mode.OFF
