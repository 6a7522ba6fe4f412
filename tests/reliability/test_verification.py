"""Every file of an artefact is compared with its checksum when it is opened; nothing unknown is ever read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from reliability.forged import copied, write_originals
from triptych.artefacts import (
    MANIFEST,
    Manifest,
    folders,
    hashing,
    open_folder,
    sha256_of,
    write_tensor_stream,
    writing_folder,
)
from triptych.artefacts.hashing import SEGMENT, checksums_of
from triptych.data.dataset import open_dataset
from triptych.errors import ArtefactError
from triptych.progress import Progress
from triptych.ranking.recommender_folder import open_recommender


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of more than one segment, and an empty one."""
    path = tmp_path_factory.mktemp("large") / "out"
    with writing_folder(path, "test", {}) as folder:
        with (folder / "large").open("wb") as file:
            file.truncate(SEGMENT + 1000)
        (folder / "empty").touch()
    return path


def flip(file: Path, position: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(position)
        byte = stream.read(1)[0]
        stream.seek(position)
        stream.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("folder", ["data", "bpr", "ease", "item-knn", "blend"])
def test_one_flipped_bit_in_any_file_is_found(originals: Path, tmp_path: Path, folder: str) -> None:
    damaged = copied(originals / folder, tmp_path / folder)
    generator = np.random.default_rng(0)
    for file in sorted(each for each in damaged.rglob("*") if each.is_file() and each.name != MANIFEST):
        for position in generator.integers(0, file.stat().st_size, 3):
            flip(file, int(position))
            with pytest.raises(ArtefactError, match="is damaged: it differs from the manifest") as caught:
                open_dataset(damaged) if folder == "data" else open_recommender(damaged)
            assert caught.value.where == str(file)
            flip(file, int(position))
    assert open_dataset(damaged) if folder == "data" else open_recommender(damaged)


def test_a_changed_manifest_is_found_whatever_was_changed(originals: Path, tmp_path: Path) -> None:
    damaged = copied(originals / "bpr", tmp_path / "bpr")
    whole = (damaged / MANIFEST).read_bytes()
    before = open_recommender(damaged)
    for position in range(0, len(whole), 7):
        for bit in (1, 4):
            content = bytearray(whole)
            content[position] ^= bit
            (damaged / MANIFEST).write_bytes(content)
            try:
                opened = open_folder(damaged, "recommender")
            except ArtefactError:
                continue
            assert dict(opened.manifest.about) == dict(before.about)  # white space, or the name of the checksum


@pytest.mark.parametrize("position", [0, SEGMENT - 1, SEGMENT, SEGMENT + 999])
def test_damage_is_found_in_every_segment_of_a_large_file(large: Path, position: int) -> None:
    flip(large / "large", position)
    try:
        with pytest.raises(ArtefactError, match="large: is damaged"):
            open_folder(large, "test")
    finally:
        flip(large / "large", position)
    open_folder(large, "test")


def test_a_file_that_grew_or_shrank_is_damaged(originals: Path, tmp_path: Path) -> None:
    damaged = copied(originals / "data", tmp_path / "data")
    for change in (1, -2):
        os.truncate(damaged / "users.parquet", (damaged / "users.parquet").stat().st_size + change)
        with pytest.raises(ArtefactError, match="is damaged"):
            open_dataset(damaged)


def test_a_file_is_read_once_per_process_as_long_as_it_does_not_change(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "SETTLED_SECONDS", -1e9)
    open_folder(large, "test")
    read = list[object]()
    original = hashing._read

    def spy(path: Path, begin: int, length: int, hashes: Any) -> int:
        read.append(path)
        return original(path, begin, length, hashes)

    monkeypatch.setattr(hashing, "_read", spy)
    open_folder(large, "test")
    assert not read
    flip(large / "large", 5)
    flip(large / "large", 5)  # the same bytes, at another time
    open_folder(large, "test")
    assert read


def test_a_file_that_changed_just_now_is_read_again(originals: Path, tmp_path: Path) -> None:
    """Its next change may have the same time stamp."""
    folder = copied(originals / "data", tmp_path / "data")
    file = folder / "users.parquet"
    times = file.stat()
    open_dataset(folder)
    flip(file, 50)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(ArtefactError, match="is damaged"):
        open_dataset(folder)


def test_files_that_the_manifest_does_not_name_are_never_read(originals: Path, tmp_path: Path) -> None:
    folder = copied(originals / "data", tmp_path / "data")
    (folder / "features" / "text.encoder.json").write_text("{not JSON")
    (folder / "text.neighbours.safetensors").write_bytes(b"not tensors")
    (folder / "pickled.pkl").write_bytes(b"\x80")
    dataset = open_dataset(folder)
    assert dataset.features["text"].encoder is None
    assert list(dataset.neighbours) == ["image"]
    model = copied(originals / "bpr", tmp_path / "bpr")
    for name in ("blend.safetensors", "weights.safetensors"):
        shutil.copy(originals / "bpr" / "parameters.safetensors", model / name)
    assert open_recommender(model).factors.users.shape == (30, 4)


@pytest.mark.parametrize("version", [1, 2])
def test_folders_of_earlier_formats_are_verified_too(large: Path, tmp_path: Path, version: int) -> None:
    folder = copied(large, tmp_path / "out")
    content = json.loads((folder / MANIFEST).read_text())
    del content["xxh3"]
    for each in content["files"].values():
        del each["xxh3"]
    (folder / MANIFEST).write_text(json.dumps({**content, "version": version}))
    assert open_folder(folder, "test").manifest.version == version
    flip(folder / "large", 7)
    with pytest.raises(ArtefactError, match="large: is damaged"):
        open_folder(folder, "test")


def test_a_file_without_a_fast_checksum_is_not_accepted_in_a_folder_of_today(large: Path, tmp_path: Path) -> None:
    folder = copied(large, tmp_path / "out")
    content = json.loads((folder / MANIFEST).read_text())
    del content["xxh3"]
    (folder / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(ArtefactError, match="manifest is damaged"):
        open_folder(folder, "test")


def test_verifying_reports_its_progress(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "_verified", set())
    reports = list[Progress]()
    open_folder(large, "test", reports.append)
    assert {(each.stage, each.total) for each in reports} == {("verifying out (MiB)", 64)}
    assert (reports[0].done, reports[-1].done) == (0, 64)


def test_checksums_keep_the_name_of_the_content(large: Path) -> None:
    entries = open_folder(large, "test").manifest.files
    assert entries["large"].sha256 == sha256_of(large / "large")
    assert (entries["empty"].sha256, entries["empty"].xxh3) == checksums_of(large / "empty")
    twice = Manifest("test", entries, {})
    assert twice.fingerprint == open_folder(large, "test").manifest.fingerprint


def test_a_file_that_cannot_be_read_is_named(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> str:
        raise OSError(5, "Input/output error", str(large / "large"))

    monkeypatch.setattr(folders, "first_damaged", fail)
    with pytest.raises(ArtefactError, match=r"large: cannot be read: Input/output error"):
        open_folder(large, "test")


def test_a_replaced_file_of_the_right_size_is_damaged(originals: Path, tmp_path: Path) -> None:
    folder = copied(originals / "data", tmp_path / "data")
    table = pl.read_parquet(folder / "interactions.parquet", glob=False)
    other = table.with_columns(split=pl.lit(1, pl.Int8))
    other.write_parquet(folder / "interactions.parquet")
    with pytest.raises(ArtefactError, match=r"interactions\.parquet: is damaged"):
        open_dataset(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_verifying_needs_no_memory(tmp_path: Path) -> None:
    """Large files are read in blocks; a dense matrix that is checked leaves no pages behind."""
    n = 6000  # 144 MB
    with writing_folder(tmp_path / "out", "test", {}) as folder:
        matrix = np.zeros((1, n), np.float32)
        write_tensor_stream(folder / "weights.safetensors", {"weights": ("F32", (n, n))}, {"weights": [matrix] * n})
    code = (
        "import sys, pathlib\n"
        "from triptych.artefacts import map_tensors, open_folder\n"
        "from triptych.memory import peak_resident_megabytes\n"
        "from triptych.ranking.stored import _is_finite_in_chunks\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "before = peak_resident_megabytes()\n"
        "folder = open_folder(path, 'test')\n"
        "assert _is_finite_in_chunks(map_tensors(folder.file('weights.safetensors'))['weights'])\n"
        "print(peak_resident_megabytes() - before)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    assert float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) < 80
