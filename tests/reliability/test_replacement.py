"""An output is replaced as a whole: readers see the old one or the new one, and dead writers leave nothing for long."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from children import running, wait_for
from triptych.artefacts import OpenFolder, open_folder, read_folder, replacing, write_file, writing_file, writing_folder
from triptych.errors import ArtefactError
from triptych.locks import Lock

HERE = Path(__file__).parent
EXCHANGE = [True, False] if sys.platform == "linux" else [False]


@pytest.fixture(params=EXCHANGE, ids=lambda can: "exchanged" if can else "renamed")
def exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether old and new change places in one step; the other way is for systems that cannot do that."""
    if not request.param:
        monkeypatch.setattr(replacing, "_exchange", lambda one, other: False)
    return bool(request.param)


def write(path: Path, text: str, *, overwrite: bool = True) -> None:
    with writing_folder(path, "test", {"text": text}, overwrite=overwrite) as folder:
        for name in ("a", "b"):
            (folder / name).write_text(text, encoding="utf-8")


def content(path: Path) -> str:
    def read(folder: OpenFolder) -> str:
        texts = {folder.file(name).read_text(encoding="utf-8") for name in ("a", "b")}
        (text,) = {*texts, folder.manifest.about["text"]}
        return str(text)

    return read_folder(path, "test", read)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def killed_at(call: str, path: Path, n: int = 1) -> None:
    """Replace the output in another process that dies at the n-th call of a function of `os`."""
    code = (HERE / "killed_writer.py", path, call, n)
    ended = subprocess.run([sys.executable, *map(str, code)], check=False, timeout=120)
    assert ended.returncode == -9


def test_a_replaced_output_is_the_new_one_and_nothing_else_is_left(tmp_path: Path, exchange: bool) -> None:
    write(tmp_path / "out", "old")
    write(tmp_path / "out", "new")
    assert content(tmp_path / "out") == "new"
    assert names(tmp_path) == ["out"]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("call", ["mkdir", "fsync", "rename 1", "rename 2", "rmtree", "unlink"])
def test_a_killed_replacement_leaves_the_old_output_or_the_new_one(tmp_path: Path, call: str) -> None:
    name, _, number = call.partition(" ")
    write(tmp_path / "out", "old")
    killed_at(name, tmp_path / "out", int(number or 1))
    assert content(tmp_path / "out") == ("new" if call in ("rmtree", "unlink") else "old")
    write(tmp_path / "out", "newer")
    assert content(tmp_path / "out") == "newer"
    assert names(tmp_path) == ["out"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="writers are forked")
def test_a_writer_may_be_killed_at_any_call(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "killed_everywhere.py"), "29"]  # at every call: 1
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert min(json.loads(ended.stdout).values()) >= 5


def test_an_interrupted_replacement_is_undone_by_the_next_reader_whatever_process_id_it_had(tmp_path: Path) -> None:
    for suffix in ("0123456789abcdef", str(os.getpid()), "1"):  # the last two: names of former versions
        write(tmp_path / "out", suffix)
        (tmp_path / "out").rename(tmp_path / f".out.replaced-{suffix}")
        assert content(tmp_path / "out") == suffix


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no process namespaces here")
def test_writers_that_all_have_the_process_id_1_can_be_killed_again_and_again(tmp_path: Path) -> None:
    """As in containers: the process id of a dead writer is always that of a living one."""
    container = ["unshare", "--pid", "--fork", sys.executable]
    if subprocess.run(
        [*container, "-c", "import os; assert os.getpid() == 1"], check=False, capture_output=True
    ).returncode:
        pytest.skip("process namespaces need rights")
    write(tmp_path / "out", "old")
    for call in ("rename 2", "rename 1", "fsync 1"):
        command = [*container, str(HERE / "killed_writer.py"), str(tmp_path / "out"), *call.split()]
        assert subprocess.run(command, check=False, timeout=120).returncode == 137
        assert content(tmp_path / "out") == "old"
    done = [*container, str(HERE / "killed_writer.py"), str(tmp_path / "out"), "fsync", "0"]
    assert subprocess.run(done, check=False, timeout=120).returncode == 0
    assert content(tmp_path / "out") == "new"
    assert names(tmp_path) == ["out"]


def test_left_overs_of_dead_writers_are_removed_by_the_next_writer(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    for suffix in ("writing-0123456789abcdef", "replaced-fedcba9876543210", f"replaced-{os.getpid()}", "writing-77"):
        (tmp_path / f".out.{suffix}").mkdir()
        (tmp_path / f".out.{suffix}" / "file").write_bytes(b"x")
    for name in (".out.writing-77", ".out.writing-77/file"):
        os.utime(tmp_path / name, (0, 0))  # of a former version, which has no lock: removed when it is old
    (tmp_path / ".out.lock").touch()
    write(tmp_path / "out", "new")
    assert names(tmp_path) == ["out"]
    (tmp_path / ".file.writing-0123456789abcdef").write_bytes(b"x")
    write_file(tmp_path / "file", b"new")
    assert names(tmp_path) == ["file", "out"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_second_of_two_writers_of_one_output_ends_with_an_error(tmp_path: Path, overwrite: bool) -> None:
    with writing_folder(tmp_path / "out", "test", {"text": "first"}) as folder:
        for name in ("a", "b"):
            (folder / name).write_text("first")
        with pytest.raises(ArtefactError, match="out: is being written by another process"):
            write(tmp_path / "out", "second", overwrite=overwrite)
    assert content(tmp_path / "out") == "first"


def test_the_second_of_two_processes_that_write_one_file_without_overwriting_ends_with_an_error(
    tmp_path: Path,
) -> None:
    with writing_file(tmp_path / "out.csv", overwrite=False) as temporary:
        temporary.write_text("first")
        with (
            pytest.raises(ArtefactError, match="is being written"),
            writing_file(tmp_path / "out.csv", overwrite=False),
        ):
            pass
    with pytest.raises(ArtefactError, match="already exists"), writing_file(tmp_path / "out.csv", overwrite=False):
        pass
    assert (tmp_path / "out.csv").read_text() == "first"
    assert names(tmp_path) == ["out.csv"]


def test_two_writers_of_one_file_that_may_be_overwritten_both_succeed(tmp_path: Path) -> None:
    with writing_file(tmp_path / "file") as temporary:
        temporary.write_text("first")
        write_file(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_text() == "first"
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_writer_that_was_killed_does_not_block_the_next_one(tmp_path: Path) -> None:
    with running(HERE / "killed_writer.py", tmp_path / "out", "wait", 1, path=HERE) as writer:
        wait_for(tmp_path / "is-writing", writer)
        with pytest.raises(ArtefactError, match="is being written"):
            write(tmp_path / "out", "new")
    write(tmp_path / "out", "new")
    assert content(tmp_path / "out") == "new"
    assert names(tmp_path) == ["is-writing", "out"]


def test_readers_see_the_old_output_or_the_new_one_while_it_is_replaced(tmp_path: Path, exchange: bool) -> None:
    write(tmp_path / "out", "0")
    stop, errors = threading.Event(), list[BaseException]()

    def guarded(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            try:
                while not stop.is_set():
                    work()
            except BaseException as error:
                errors.append(error)

        return run

    threads = [threading.Thread(target=guarded(lambda: content(tmp_path / "out"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(1, 12):
        write(tmp_path / "out", str(number))
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a user without the rights of root")
def test_an_output_opens_where_nothing_can_be_written(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    tmp_path.chmod(0o500)
    try:
        assert content(tmp_path / "out") == "old"
    finally:
        tmp_path.chmod(0o700)


def test_opening_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "out", "old")
    monkeypatch.setattr(replacing, "try_lock", None)  # a lock would be a file
    assert open_folder(tmp_path / "out", "test").manifest.about["text"] == "old"


def test_a_failed_writer_leaves_the_old_output_and_no_temporary_files(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")

    def interrupt() -> None:
        with writing_folder(tmp_path / "out", "test", {}, overwrite=True) as folder:
            (folder / "a").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert content(tmp_path / "out") == "old"
    assert names(tmp_path) == ["out"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no flock")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_of_the_file_system_no_process_id_stands_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The library's own substitute is a file with the process id of its owner, and process ids recur."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with replacing.output_lock(tmp_path / "out") as first, replacing.output_lock(tmp_path / "out") as second:
        assert first is second is Lock.IMPOSSIBLE
    write(tmp_path / "out", "new")
    assert content(tmp_path / "out") == "new"
