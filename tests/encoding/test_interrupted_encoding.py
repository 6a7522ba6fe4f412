"""An encoding that is killed at any moment and started again ends with the same bytes as an uninterrupted one."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from children import TESTS, running, wait_for, written_at
from encoding.encoders import WIDTH, draw, picture_encoder
from triptych.encoding import Encoder, EncodeSettings, encode, folder_pictures
from triptych.encoding.journal import Journal, open_journal
from triptych.errors import ArtefactError
from triptych.progress import Progress

SCRIPT = Path(__file__).with_name("killed_encoding.py")
SMALL = EncodeSettings(batch_size=3)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty pictures: two are equal, two are broken."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(40):
        draw(0 if number == 7 else number).save(folder / f"{number:02}.png")
    (folder / "11.png").write_bytes((folder / "12.png").read_bytes()[:60])
    (folder / "38.png").write_bytes(b"<html>not found</html>")
    return folder


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_an_encoding_killed_at_random_moments_ends_with_the_same_bytes(pictures: Path, tmp_path: Path) -> None:
    uninterrupted, killed = tmp_path / "uninterrupted", tmp_path / "killed"
    with running(SCRIPT, pictures, uninterrupted, path=TESTS) as process:
        assert process.wait() == 0
    journal, generator = tmp_path / "killed.partial", random.Random(0)
    for _ in range(4):  # each process encodes up to three of thirteen batches
        before = written_at(journal)
        with running(SCRIPT, pictures, killed, 3, path=TESTS) as process:
            wait_for(journal, process, other_than=before)
            time.sleep(generator.uniform(0, 0.04))  # a random moment
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        assert not killed.exists()
    with running(SCRIPT, pictures, killed, path=TESTS) as process:
        assert process.wait() == 0
    assert bytes_of(killed) == bytes_of(uninterrupted)
    assert {file.name for file in tmp_path.iterdir()} == {"pictures", "uninterrupted", "killed"}


@pytest.mark.parametrize("after", range(13))
def test_an_interruption_after_any_batch_loses_no_finished_batch(pictures: Path, tmp_path: Path, after: int) -> None:
    inputs, sizes = folder_pictures(pictures), list[int]()
    encode(inputs, picture_encoder(), tmp_path / "whole", SMALL)

    def stop(progress: Progress) -> None:
        if progress.stage == "encoding pictures" and progress.done >= 3 * after:
            raise KeyboardInterrupt

    encoder = picture_encoder(on_batch=sizes.append)
    with pytest.raises(KeyboardInterrupt):
        encode(inputs, encoder, tmp_path / "halted", SMALL, listener=stop)
    first = sum(sizes)
    result = encode(inputs, encoder, tmp_path / "halted", SMALL)
    assert bytes_of(tmp_path / "halted") == bytes_of(tmp_path / "whole")
    assert result.n_resumed == first
    assert sum(sizes) == 37  # forty without one duplicate and two broken ones, each exactly once


def test_a_journal_cut_off_at_any_byte_keeps_the_records_before_the_cut(tmp_path: Path) -> None:
    path, encoder, dtype = tmp_path / "journal", picture_encoder(), np.dtype("float16")
    rows = np.arange(5 * WIDTH, dtype=dtype).reshape(5, WIDTH)
    hashes = [bytes([number]) * 32 for number in range(5)]
    ends = []
    with open_journal(path, encoder, dtype) as journal:
        for begin, end in ((0, 2), (2, 3), (3, 5)):
            journal.append(hashes[begin:end], rows[begin:end])
            ends.append((path.stat().st_size, end))
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        with open_journal(path, encoder, dtype) as journal:
            kept = max([count for end, count in ends if end <= size], default=0)
            assert _hashes(journal) == hashes[:kept]
            np.testing.assert_array_equal(journal.rows(hashes[:kept]), rows[:kept])
            journal.append(hashes[kept:], rows[kept:])
            np.testing.assert_array_equal(journal.rows(hashes), rows)


def test_a_damaged_record_and_all_later_records_are_dropped(tmp_path: Path) -> None:
    path, encoder, dtype = tmp_path / "journal", picture_encoder(), np.dtype("float16")
    with open_journal(path, encoder, dtype) as journal:
        for number in range(3):
            journal.append([bytes([number]) * 32], np.ones((1, WIDTH)))
    content = bytearray(path.read_bytes())
    content[-60] ^= 1  # in the second record of three
    path.write_bytes(content)
    with open_journal(path, encoder, dtype) as journal:
        assert _hashes(journal) == [b"\0" * 32]


def test_a_second_process_is_refused_and_the_lock_of_a_killed_process_is_free(pictures: Path, tmp_path: Path) -> None:
    output, encoder = tmp_path / "out", picture_encoder()
    with running(SCRIPT, pictures, output, 0, path=TESTS) as process:  # in its first batch until it is killed
        wait_for(tmp_path / "out.partial", process)
        with pytest.raises(ArtefactError, match="another process is encoding into this folder"):
            encode(folder_pictures(pictures), encoder, output, SMALL)
    assert encode(folder_pictures(pictures), encoder, output, SMALL).n_encoded == 37
    assert {file.name for file in tmp_path.iterdir()} == {"pictures", "out"}


def test_a_journal_is_opened_only_once_and_its_lock_is_removed_afterwards(tmp_path: Path) -> None:
    encoder, dtype = picture_encoder(), np.dtype("float16")
    with (
        open_journal(tmp_path / "journal", encoder, dtype),
        pytest.raises(ArtefactError, match="another process"),
        open_journal(tmp_path / "journal", encoder, dtype),
    ):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["journal"]


@pytest.mark.parametrize("other", [picture_encoder(1), Encoder("pictures", "wide", 7, {}, str, np.asarray)])
def test_the_journal_of_another_encoder_is_kept_unless_overwrite_is_given(tmp_path: Path, other: Encoder) -> None:
    path, dtype = tmp_path / "journal", np.dtype("float16")
    with open_journal(path, picture_encoder(), dtype) as journal:
        journal.append([b"k" * 32], np.ones((1, WIDTH)))
    before = path.read_bytes()
    with pytest.raises(ArtefactError, match="another encoder"), open_journal(path, other, dtype):
        pass
    assert path.read_bytes() == before
    with open_journal(path, other, dtype, overwrite=True) as journal:
        assert not _hashes(journal)


def test_a_file_that_is_not_a_journal_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.partial").write_text("my notes")
    with (
        pytest.raises(ArtefactError, match="not a triptych encoding"),
        open_journal(tmp_path / "notes.partial", picture_encoder(), np.dtype("float16"), overwrite=True),
    ):
        pass
    assert (tmp_path / "notes.partial").read_text(encoding="utf-8") == "my notes"


def _hashes(journal: Journal) -> list[bytes]:
    return list(journal.offsets)
