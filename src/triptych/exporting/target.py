"""Targets of an export: `vectors.parquet`, `faiss:FILE`, `usearch:FILE`, `onnx:FILE` and `pgvector:URL`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, cast, get_args

from triptych.errors import SettingsError, did_you_mean
from triptych.outputs import check_file

Kind = Literal["parquet", "faiss", "usearch", "pgvector", "onnx"]
PACKAGES: dict[str, tuple[str, str]] = {  # kind -> the module it needs, and its name for people
    "faiss": ("faiss", "Faiss"),
    "usearch": ("usearch", "USearch"),
    "pgvector": ("psycopg", "psycopg"),
    "onnx": ("onnx", "onnx"),
}
FORMS = "FILE.parquet, faiss:FILE, usearch:FILE, pgvector:URL or onnx:FILE"
BESIDE = ".parquet"  # is added to the name of an index: the file of the ids and vectors


@dataclass(frozen=True)
class Target:
    """What is written, and where: the path of a file or, for pgvector, how to connect to a database."""

    kind: Kind
    place: str

    @property
    def path(self) -> Path:
        return Path(self.place)

    @property
    def path_beside(self) -> Path:
        """The file of ids and vectors beside an index, which knows row numbers only."""
        return self.path.with_name(self.path.name + BESIDE)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are written."""
        if self.kind == "pgvector":
            return ()
        return (self.path, self.path_beside) if self.kind in ("faiss", "usearch") else (self.path,)


def parse_target(text: str) -> Target:
    """Return the target that a text names. Raises SettingsError for other texts."""
    kind, colon, place = text.partition(":")
    if colon and kind in PACKAGES:
        if not place and kind != "pgvector":  # without a URL, the variables PGHOST, PGDATABASE … say where it is
            raise SettingsError(f'"{text}" names no file', hint=f"for example {kind}:items.{kind}")
        return Target(cast(Kind, kind), place)
    if text.endswith(".parquet"):
        return Target("parquet", text)
    if colon and "/" not in kind:
        kinds = [each for each in get_args(Kind) if each != "parquet"]
        raise SettingsError(f'unknown target "{kind}:"', hint=f"{did_you_mean(kind, kinds)}; targets are {FORMS}")
    raise SettingsError(f'cannot export to "{text}"', hint=f"targets are {FORMS}")


def check_target(target: Target, *, overwrite: bool) -> None:
    """Check that a target can be written, before any work is done.

    Raises SettingsError if its package is not installed, ArtefactError if a file exists or cannot be written.
    """
    if target.kind in PACKAGES:
        module, name = PACKAGES[target.kind]
        if find_spec(module) is None:
            what = f"an export to {target.kind} needs {name}, which is not installed"
            raise SettingsError(what, hint=f'pip install "triptych[{target.kind}]"')
    for path in target.files:
        check_file(path, overwrite=overwrite)
