"""Standard streams that are closed, full, broken or of another encoding end no command with a traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import triptych
from reliability.hostile_shop import TITLES, USER, hostile_model
from triptych.cli.app import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the redirections are those of a POSIX shell")

TRIPTYCH = [sys.executable, "-P", "-m", "triptych"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_model(tmp_path_factory.mktemp("shop"))


def shell(command: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash, in which "$@" is triptych with these arguments."""
    words = ["bash", "-c", command, "bash", *TRIPTYCH, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, env={**os.environ, **environment}, check=False)
    assert b"Traceback" not in done.stderr
    return done


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id\n" + "".join(f"u{n % 5},i{n % 7}\n" for n in range(35)), encoding="utf-8")
    return path


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_folder_is_written_although_the_streams_are_closed(log: Path, closed: str) -> None:
    assert shell(f'"$@" {closed}', "prepare", log, "-o", log.parent / "data").returncode == 0
    assert triptych.open_dataset(log.parent / "data").n_users == 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_output_is_an_error_with_its_name(log: Path, unbuffered: str) -> None:
    done = shell('"$@" > /dev/full', "prepare", log, "-o", log.parent / "data", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1
    assert b"standard output: cannot write: No space left" in done.stderr
    assert done.stderr.count(b"error") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_output_of_a_help_page_is_an_error_with_its_name() -> None:
    done = shell('"$@" > /dev/full', "recommend", "--help")
    assert done.returncode == 1
    assert b"standard output: cannot write: No space left" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_wrong_usage_has_its_exit_code_although_nobody_can_read_why() -> None:
    assert shell('"$@" 2> /dev/full', "recommend", "--no-such-option").returncode == 2


def test_the_help_page_without_arguments_has_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    shown = capsys.readouterr()
    assert "\nStart:\n  demo " in shown.out + shown.err


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_read_enough_ends_the_command_quietly(log: Path, unbuffered: str) -> None:
    # the reader has closed its end before the first byte is written
    line = 'exec 3> >(exec 0<&-); wait $!; "$@" >&3'
    done = shell(line, "prepare", log, "-o", log.parent / "data", PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("stderr", ["2>&-", "2> /dev/full"])
def test_an_error_that_cannot_be_printed_still_decides_the_exit_code(log: Path, stderr: str) -> None:
    assert shell(f'"$@" {stderr}', "prepare", "nothing.csv", "-o", log.parent / "data").returncode == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
def test_text_is_plain_in_encodings_without_its_characters(
    model: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["recommend", str(model), "--user", USER, "--include-seen", "-k", "50"]

    def output(*arguments: str) -> str:
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        assert run([*arguments]) == 0
        return stream.buffer.getvalue().decode(encoding)

    table = output(*command)
    assert "+----" in table
    assert ("cafe..." if encoding == "ascii" else "café") in table
    assert "triptych" in output("compare", "--help")
    assert len(json.loads(output(*command, "--json"))) == len(TITLES)
    assert '"' in output("explain", str(model), "--user", USER)


def test_the_locale_c_prints_everything(tmp_path: Path) -> None:
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = shell('"$@"', "compare", "--help", **environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    done = shell('"$@"', "prepare", tmp_path / "café….csv", "-o", tmp_path / "data", **environment)
    assert done.returncode == 1
    assert done.stderr.isascii()


def test_warnings_are_one_line_without_source(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def warn(*_: object) -> int:
        warnings.simplefilter("default")
        warnings.warn("something [odd]\x1b", stacklevel=1)
        return 0

    monkeypatch.setattr("triptych.cli.app._run", warn)
    assert run([]) == 0
    assert capsys.readouterr().err == "warning: something [odd]\\x1b\n"
