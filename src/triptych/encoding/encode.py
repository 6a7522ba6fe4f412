"""Things -> a folder of features, batch by batch; what was encoded before is never encoded again.

Batches are cut from what the finished folder lacks, in one order, and do not depend on how far an earlier attempt came:
an encoding that was killed goes on at the next batch and ends with the same bytes.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.encoding.content_hash import ContentHash, hash_contents, picture
from triptych.encoding.encoder import Encoder
from triptych.encoding.folder import Encoded, Missing, finished, known_rows, save_encoded
from triptych.encoding.inputs import EncodingInputs
from triptych.encoding.journal import Journal, opened_journal
from triptych.encoding.settings import EncodeSettings
from triptych.errors import InputError, SettingsError, TriptychError
from triptych.progress import Listener, Progress, ignore_progress
from triptych.settings import parse

AHEAD = 2  # batches that are decoded while one is encoded


@dataclass(frozen=True)
class Job:
    """One thing to encode: its key, and what has that key."""

    key: bytes
    given: Path | str


def encode(
    inputs: EncodingInputs,
    encoder: Encoder,
    output: Path | str,
    settings: EncodeSettings | None = None,
    *,
    overwrite: bool = False,
    listener: Listener = ignore_progress,
) -> Encoded:
    """Encode what the folder `output` does not hold yet, and write it: one row an item, in the order of `things`.

    Pictures and texts that are missing or broken become rows of zeros and are told, in the result and in missing.csv.
    Interrupted at any moment, the same call goes on where it stopped. overwrite: replace features of another encoder.
    Raises InputError if nothing at all can be encoded, ArtefactError if `output` is of another encoder (or no features
    at all, or another process is at work there), SettingsError.
    """
    settings = parse(EncodeSettings, vars(settings or EncodeSettings()), of="encode")
    if encoder.input_kind != inputs.input_kind:
        raise SettingsError(
            f'"{encoder.name}" encodes {encoder.input_kind}, not {inputs.input_kind}', hint="name another encoder"
        )
    output, dtype = Path(output).absolute(), np.dtype(settings.precision)
    before = finished(output, encoder, dtype, overwrite=overwrite)
    partial = output.with_name(output.name + ".partial")
    with opened_journal(partial, encoder, dtype, overwrite=overwrite) as journal, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we refuse what is that large ourselves
        hashes = hash_contents(inputs, settings.workers, listener)
        known = known_rows(before)
        jobs = _jobs(inputs, hashes, set(known))
        n_resumed = sum(job.key in journal.begins for job in jobs)
        failed = _encode(jobs, encoder, journal, settings, listener)
        missing = _missing(inputs, hashes, failed)
        if len(missing) == len(inputs.ids):
            first = missing[0]
            raise InputError(
                f"not one of {len(inputs.ids):,} {inputs.input_kind} can be encoded; the first: {first.why}",
                where=f'item "{first.item}" {first.source}'.strip(),
                hint="check the paths, the columns and the folder",
            )
        result = Encoded(
            output=output,
            n_items=len(inputs.ids),
            width=encoder.width,
            precision=settings.precision,
            n_encoded=len(jobs) - n_resumed - len(failed),
            n_resumed=n_resumed,
            n_known=len({each.key for each in hashes if each.key in known}),
            missing=missing,
        )
        save_encoded(result, inputs, encoder, hashes, journal, before, settings.batch_size)
    partial.unlink(missing_ok=True)  # all of it is in the folder now
    return result


def _jobs(inputs: EncodingInputs, hashes: Sequence[ContentHash], known: set[bytes]) -> list[Job]:
    """What is to be encoded, each key once. Long texts first: texts of one length waste least of a batch."""
    jobs: dict[bytes, Job] = {}
    for given, each in zip(inputs.given, hashes, strict=True):
        if each.key is not None and given is not None and each.key not in known:
            jobs.setdefault(each.key, Job(each.key, given))
    if inputs.input_kind == "texts":
        return sorted(jobs.values(), key=lambda job: (-len(str(job.given)), job.key))
    return list(jobs.values())


def _encode(
    jobs: Sequence[Job], encoder: Encoder, journal: Journal, settings: EncodeSettings, listener: Listener
) -> dict[bytes, str]:
    """Put the vectors of all jobs into the journal; why those failed that did."""
    failed: dict[bytes, str] = {}
    batches = [jobs[begin : begin + settings.batch_size] for begin in range(0, len(jobs), settings.batch_size)]
    left = [[job for job in batch if job.key not in journal.begins] for batch in batches]
    done, stage = len(jobs) - sum(map(len, left)), f"encoding {encoder.input_kind}"
    listener(Progress(stage, done, len(jobs)))

    def prepare(job: Job) -> tuple[Any, str]:
        try:
            given = job.given
            return encoder.prepare(
                picture(given, job.key, settings.max_pixels) if isinstance(given, Path) else given
            ), ""
        except TriptychError as error:
            return None, error.what
        except Exception as error:  # of the encoder's own preprocessing: one odd picture must not end a long encoding
            return None, f"cannot be prepared: {' '.join(str(error).split())[:120] or type(error).__name__}"

    for batch, prepared in _ahead([each for each in left if each], prepare, settings.workers):
        failed.update({job.key: why for job, (_, why) in zip(batch, prepared, strict=True) if why})
        good = [(job.key, ready) for job, (ready, why) in zip(batch, prepared, strict=True) if not why]
        if good:
            rows = _checked(
                encoder.encode([ready for _, ready in good]), len(good), encoder, np.dtype(settings.precision)
            )
            finite = np.isfinite(rows).all(axis=1)
            failed.update(
                {key: "the encoder gave NaN" for (key, _), fine in zip(good, finite, strict=True) if not fine}
            )
            journal.append([key for (key, _), fine in zip(good, finite, strict=True) if fine], rows[finite])
        done += len(batch)
        listener(Progress(stage, done, len(jobs)))
    return failed


def _ahead(
    batches: Sequence[Sequence[Job]], prepare: Callable[[Job], tuple[Any, str]], workers: int
) -> Iterator[tuple[Sequence[Job], list[tuple[Any, str]]]]:
    """Each batch with its prepared things, some batches ahead, in several threads."""
    pool = ThreadPoolExecutor(workers)
    waiting: deque[tuple[Sequence[Job], list[Future[tuple[Any, str]]]]] = deque()
    try:
        for batch in batches:
            waiting.append((batch, [pool.submit(prepare, job) for job in batch]))
            if len(waiting) > AHEAD:
                first, futures = waiting.popleft()
                yield first, [future.result() for future in futures]
        while waiting:
            first, futures = waiting.popleft()
            yield first, [future.result() for future in futures]
    finally:
        pool.shutdown(cancel_futures=True)


def _checked(rows: NDArray[Any], n: int, encoder: Encoder, dtype: np.dtype[Any]) -> NDArray[Any]:
    if rows.shape != (n, encoder.width):
        raise ValueError(f"{encoder.name} gave {rows.shape} for {n} things of width {encoder.width}")
    largest = float(np.abs(rows[np.isfinite(rows)]).max(initial=0))
    if largest > float(np.finfo(dtype).max):
        raise SettingsError(
            f"{encoder.name} gives {largest:g}, which does not fit {8 * dtype.itemsize} bits",
            hint="pass --precision float32",
        )
    return rows.astype(dtype)


def _missing(inputs: EncodingInputs, hashes: Sequence[ContentHash], failed: dict[bytes, str]) -> list[Missing]:
    missing = []
    for position, each in enumerate(hashes):
        why = each.why if each.key is None else failed.get(each.key, "")
        if why:
            row = position + inputs.first_row if inputs.first_row else None
            missing.append(Missing(position, inputs.ids[position], inputs.names[position], row, why))
    return missing
