"""An encoding that was killed, at any moment, ends with the same bytes as one that was not."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from children import TESTS, running, wait_for, written_at
from encoding.encoders import WIDTH, draw, encoder_of_pictures
from triptych.encoding import Encoder, EncodeSettings, encode, folder_pictures
from triptych.encoding.journal import Journal, opened_journal
from triptych.errors import ArtefactError
from triptych.progress import Progress

SCRIPT = Path(__file__).with_name("killed_encoding.py")
SMALL = EncodeSettings(batch_size=3)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty pictures, two of them the same, two of them broken."""
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
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    with running(SCRIPT, pictures, undisturbed, path=TESTS) as process:
        assert process.wait() == 0
    journal, generator = tmp_path / "disturbed.partial", random.Random(0)
    for _ in range(4):  # of thirteen batches each of these may take three
        before = written_at(journal)
        with running(SCRIPT, pictures, disturbed, 3, path=TESTS) as process:
            wait_for(journal, process, other_than=before)
            time.sleep(generator.uniform(0, 0.04))  # at whatever it is then
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        assert not disturbed.exists()
    with running(SCRIPT, pictures, disturbed, path=TESTS) as process:
        assert process.wait() == 0
    assert bytes_of(disturbed) == bytes_of(undisturbed)
    assert not journal.exists()


@pytest.mark.parametrize("after", range(13))
def test_an_interruption_after_any_batch_loses_no_finished_batch(pictures: Path, tmp_path: Path, after: int) -> None:
    things, sizes = folder_pictures(pictures), list[int]()
    encode(things, encoder_of_pictures(), tmp_path / "whole", SMALL)

    def stop(progress: Progress) -> None:
        if progress.stage == "encoding pictures" and progress.done >= 3 * after:
            raise KeyboardInterrupt

    encoder = encoder_of_pictures(seen=sizes.append)
    with pytest.raises(KeyboardInterrupt):
        encode(things, encoder, tmp_path / "halted", SMALL, listener=stop)
    first = sum(sizes)
    result = encode(things, encoder, tmp_path / "halted", SMALL)
    assert bytes_of(tmp_path / "halted") == bytes_of(tmp_path / "whole")
    assert result.n_resumed == first
    assert sum(sizes) == 37  # forty, less one that is there twice and two broken ones: each exactly once


def test_a_journal_cut_off_at_any_byte_keeps_the_records_before_the_cut(tmp_path: Path) -> None:
    path, encoder, dtype = tmp_path / "journal", encoder_of_pictures(), np.dtype("float16")
    rows = np.arange(5 * WIDTH, dtype=dtype).reshape(5, WIDTH)
    keys = [bytes([number]) * 32 for number in range(5)]
    ends = []
    with opened_journal(path, encoder, dtype) as journal:
        for begin, end in ((0, 2), (2, 3), (3, 5)):
            journal.append(keys[begin:end], rows[begin:end])
            ends.append((path.stat().st_size, end))
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        with opened_journal(path, encoder, dtype) as journal:
            kept = max([count for end, count in ends if end <= size], default=0)
            assert _known(journal) == keys[:kept]
            np.testing.assert_array_equal(journal.rows(keys[:kept]), rows[:kept])
            journal.append(keys[kept:], rows[kept:])
            np.testing.assert_array_equal(journal.rows(keys), rows)


def test_a_damaged_record_and_what_follows_are_encoded_again(tmp_path: Path) -> None:
    path, encoder, dtype = tmp_path / "journal", encoder_of_pictures(), np.dtype("float16")
    with opened_journal(path, encoder, dtype) as journal:
        for number in range(3):
            journal.append([bytes([number]) * 32], np.ones((1, WIDTH)))
    content = bytearray(path.read_bytes())
    content[-60] ^= 1  # in the second of three
    path.write_bytes(content)
    with opened_journal(path, encoder, dtype) as journal:
        assert _known(journal) == [b"\0" * 32]


def test_two_processes_do_not_encode_into_one_folder(tmp_path: Path) -> None:
    encoder, dtype = encoder_of_pictures(), np.dtype("float16")
    with (
        opened_journal(tmp_path / "journal", encoder, dtype),
        pytest.raises(ArtefactError, match="another process"),
        opened_journal(tmp_path / "journal", encoder, dtype),
    ):
        pass


@pytest.mark.parametrize("other", [encoder_of_pictures(1), Encoder("pictures", "wide", 7, {}, str, np.asarray)])
def test_what_another_encoder_has_begun_is_kept_until_told_otherwise(tmp_path: Path, other: Encoder) -> None:
    path, dtype = tmp_path / "journal", np.dtype("float16")
    with opened_journal(path, encoder_of_pictures(), dtype) as journal:
        journal.append([b"k" * 32], np.ones((1, WIDTH)))
    begun = path.read_bytes()
    with pytest.raises(ArtefactError, match="another encoder"), opened_journal(path, other, dtype):
        pass
    assert path.read_bytes() == begun
    with opened_journal(path, other, dtype, overwrite=True) as journal:
        assert not _known(journal)


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.partial").write_text("my notes")
    with (
        pytest.raises(ArtefactError, match="no encoding of ours"),
        opened_journal(tmp_path / "notes.partial", encoder_of_pictures(), np.dtype("float16"), overwrite=True),
    ):
        pass
    assert (tmp_path / "notes.partial").read_text() == "my notes"


def _known(journal: Journal) -> list[bytes]:
    return list(journal.begins)
