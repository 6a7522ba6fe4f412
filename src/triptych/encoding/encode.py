"""Encode pictures or texts into a folder of features, batch by batch. Content that was encoded before is skipped.

Batches are cut from the content that the finished folder lacks, always in one order. They do not depend on how far an
earlier attempt came. So an encoding that was killed resumes at the next batch and ends with the same bytes.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.bars import shows_progress
from triptych.encoding.content_hash import ContentHash, hash_contents, open_picture
from triptych.encoding.encoder import Encoder
from triptych.encoding.folder import EncodingResult, MissingItem, open_previous, present_rows, save_encoded
from triptych.encoding.inputs import EncodingInputs
from triptych.encoding.journal import Journal, open_journal
from triptych.encoding.scripts import unreadable_texts
from triptych.encoding.settings import EncodeSettings
from triptych.errors import InputError, SettingsError, TriptychError, argument, warn_of
from triptych.progress import Listener, Progress, automatic_progress
from triptych.settings import settings_of

BATCHES_AHEAD = 2  # batches that are prepared while one is encoded

Prepared = tuple[Any, str]  # the encoder's input and "", or None and the reason why it could not be prepared


@dataclass(frozen=True)
class Job:
    """One distinct picture or text to encode. content: the picture's path, or the text."""

    sha256: bytes
    content: Path | str


def check_previous(output: Path, encoder: Encoder, settings: EncodeSettings, *, overwrite: bool = False) -> None:
    """Raise the ArtefactError of `encode` for an output of another encoder, before there is anything to write."""
    open_previous(output.absolute(), encoder, np.dtype(settings.precision), overwrite=overwrite)


@shows_progress
def encode(
    inputs: EncodingInputs,
    encoder: Encoder,
    output: Path | str,
    settings: EncodeSettings | Mapping[str, object] | None = None,
    *,
    overwrite: bool = False,
    listener: Listener = automatic_progress,
) -> EncodingResult:
    """Encode what the folder `output` does not hold yet, and write it: one row per item, in the order of `inputs`.

    Missing and broken pictures or texts become rows of zeros. They are listed in the result and in missing.csv. Warns
    of texts in scripts that the encoder does not know. After an interruption the same call resumes. overwrite: replace
    features of another encoder.
    Raises InputError if no input can be encoded, SettingsError, and ArtefactError if `output` belongs to another
    encoder, is not a folder of features, or is in use by another process.
    """
    settings = settings_of(EncodeSettings, settings, of="encode")
    if encoder.input_kind != inputs.input_kind:
        raise SettingsError(
            f'"{encoder.name}" encodes {encoder.input_kind}, not {inputs.input_kind}', hint="name another encoder"
        )
    output, dtype = Path(output).absolute(), np.dtype(settings.precision)
    previous = open_previous(output, encoder, dtype, overwrite=overwrite)
    warn_of(unreadable_texts(inputs, encoder))
    partial = output.with_name(output.name + ".partial")
    with open_journal(partial, encoder, dtype, overwrite=overwrite) as journal, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # max_pixels refuses pictures that large
        hashes = hash_contents(inputs, settings.workers, listener)
        unchanged = present_rows(previous)
        jobs = _list_jobs(inputs, hashes, set(unchanged))
        n_resumed = sum(job.sha256 in journal.offsets for job in jobs)
        failures = _encode_jobs(jobs, encoder, journal, settings, listener)
        missing = _list_missing(inputs, hashes, failures)
        if len(missing) == len(inputs.ids):
            first = missing[0]
            raise InputError(
                f"none of {len(inputs.ids):,} {inputs.input_kind} can be encoded; the first: {first.reason}",
                where=f'item "{first.item}" {first.source}'.strip(),
                hint="check the paths, the columns and the folder",
            )
        result = EncodingResult(
            output=output,
            n_items=len(inputs.ids),
            width=encoder.width,
            precision=settings.precision,
            n_encoded=len(jobs) - n_resumed - len(failures),
            n_resumed=n_resumed,
            n_unchanged=len({each.sha256 for each in hashes if each.sha256 in unchanged}),
            missing=missing,
        )
        save_encoded(result, inputs, encoder, hashes, journal, previous, settings.batch_size)
    partial.unlink(missing_ok=True)  # the folder holds all of it now
    return result


def _list_jobs(inputs: EncodingInputs, hashes: Sequence[ContentHash], done: set[bytes]) -> list[Job]:
    """Return one job per distinct content. Texts are sorted, longest first: batches of similar length waste least."""
    jobs: dict[bytes, Job] = {}
    for content, each in zip(inputs.contents, hashes, strict=True):
        if each.sha256 is not None and content is not None and each.sha256 not in done:
            jobs.setdefault(each.sha256, Job(each.sha256, content))
    if inputs.input_kind == "texts":
        return sorted(jobs.values(), key=lambda job: (-len(str(job.content)), job.sha256))
    return list(jobs.values())


def _encode_jobs(
    jobs: Sequence[Job], encoder: Encoder, journal: Journal, settings: EncodeSettings, listener: Listener
) -> dict[bytes, str]:
    """Append the vectors of all jobs to the journal. Returns sha256 -> reason for the jobs that failed."""
    failures: dict[bytes, str] = {}
    batches = [jobs[begin : begin + settings.batch_size] for begin in range(0, len(jobs), settings.batch_size)]
    remaining = [[job for job in batch if job.sha256 not in journal.offsets] for batch in batches]
    done, stage = len(jobs) - sum(map(len, remaining)), f"encoding {encoder.input_kind}"
    listener(Progress(stage, done, len(jobs)))

    def prepare(job: Job) -> Prepared:
        return _prepare(job, encoder, settings.max_pixels)

    for batch, prepared in _prepare_ahead([each for each in remaining if each], prepare, settings.workers):
        failures.update({job.sha256: reason for job, (_, reason) in zip(batch, prepared, strict=True) if reason})
        valid = [(job.sha256, value) for job, (value, reason) in zip(batch, prepared, strict=True) if not reason]
        if valid:
            rows = encoder.encode([value for _, value in valid])
            rows = _check_rows(rows, len(valid), encoder, np.dtype(settings.precision))
            finite = np.isfinite(rows).all(axis=1)
            hashes = [sha256 for sha256, _ in valid]
            failures.update({hashes[n]: "the encoder gave NaN" for n in np.flatnonzero(~finite)})
            journal.append([hashes[n] for n in np.flatnonzero(finite)], rows[finite])
        done += len(batch)
        listener(Progress(stage, done, len(jobs)))
    return failures


def _prepare(job: Job, encoder: Encoder, max_pixels: int) -> Prepared:
    try:
        content: object = job.content
        if isinstance(job.content, Path):
            content = open_picture(job.content, job.sha256, max_pixels)
        return encoder.prepare(content), ""
    except TriptychError as error:
        return None, error.what
    except Exception as error:  # from the encoder's own preprocessing: one odd picture must not end a long encoding
        return None, f"cannot be prepared: {' '.join(str(error).split())[:120] or type(error).__name__}"


def _prepare_ahead(
    batches: Sequence[Sequence[Job]], prepare: Callable[[Job], Prepared], workers: int
) -> Iterator[tuple[Sequence[Job], list[Prepared]]]:
    """Yield each batch with its prepared inputs. Later batches are prepared meanwhile, in several threads."""
    pool = ThreadPoolExecutor(workers)
    waiting: deque[tuple[Sequence[Job], list[Future[Prepared]]]] = deque()
    try:
        for batch in batches:
            waiting.append((batch, [pool.submit(prepare, job) for job in batch]))
            if len(waiting) > BATCHES_AHEAD:
                first, futures = waiting.popleft()
                yield first, [future.result() for future in futures]
        while waiting:
            first, futures = waiting.popleft()
            yield first, [future.result() for future in futures]
    finally:
        pool.shutdown(cancel_futures=True)


def _check_rows(rows: NDArray[Any], n: int, encoder: Encoder, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the rows as `dtype`. Raises ValueError for a wrong shape, SettingsError if a value is too large."""
    if rows.shape != (n, encoder.width):
        raise ValueError(f"{encoder.name} gave {rows.shape} for {n} inputs of width {encoder.width}")
    largest = float(np.abs(rows[np.isfinite(rows)]).max(initial=0))
    if largest > float(np.finfo(dtype).max):
        raise SettingsError(
            f"{encoder.name} gives {largest:g}, which does not fit {8 * dtype.itemsize} bits",
            hint=f"pass {argument(precision='float32')}",
        )
    return rows.astype(dtype)


def _list_missing(
    inputs: EncodingInputs, hashes: Sequence[ContentHash], failures: dict[bytes, str]
) -> list[MissingItem]:
    missing = []
    for position, each in enumerate(hashes):
        reason = each.reason if each.sha256 is None else failures.get(each.sha256, "")
        if reason:
            row = inputs.row(position) if inputs.row is not None else None
            missing.append(MissingItem(position, inputs.ids[position], inputs.sources[position], row, reason))
    return missing
