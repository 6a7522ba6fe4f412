"""Search for a model's settings: on the validation part only, every trial a run folder, resumable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from triptych.artefacts import json_bytes, make_folder, write_file
from triptych.errors import SettingsError, TrainingError, TriptychError, location
from triptych.progress import Listener, Progress, ignore_progress
from triptych.ranking.recommender import open_recommender
from triptych.settings import Search
from triptych.studies.processes import in_one_line, run_each
from triptych.studies.propose import TrialResult, propose, size
from triptych.training.run_folder import require_same_run

ABOUT, TRIALS, BEST = "tune.json", "trials.json", "best.toml"


@dataclass(frozen=True)
class Trial:
    """One run of a search: its folder, and what was tried."""

    run: Path
    tried: TrialResult


def tune(
    folder: Path,
    search: Search,
    train: Callable[[Mapping[str, Any], Path], list[str]],
    about: Mapping[str, Any],
    *,
    fixed: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
    metric: str = "ndcg@50",
    n_trials: int = 20,
    jobs: int = 1,
    seed: int = 0,
    listener: Listener = ignore_progress,
) -> list[Trial]:
    """Try `n_trials` settings of the search, `jobs` at a time: all trials, the best first, those that failed last.

    train: (settings, run folder) -> the arguments of `triptych` that train there. about: what is tuned, in plain
    values; fixed: settings that all trials have; start: what the first trial has of those searched; a folder of another
    search is refused. Interrupted, the same call goes on: finished trials are kept, begun ones go on from their
    checkpoints, failed ones are tried again; with a larger n_trials a finished search goes on too. The test part is
    never looked at. `folder/best.toml` holds the best settings so far, the fixed ones included, for `triptych train
    --settings`. Raises SettingsError on an empty search, TrainingError if every trial failed.
    """
    if not search:
        raise SettingsError(
            "there is nothing to search", hint="name settings, for example --search reg_weight=1e-4..1e-1"
        )
    described = {name: repr(each) for name, each in search.items()}
    _claim(folder, {**about, "fixed": fixed or {}, "metric": metric, "seed": seed, "search": described})
    tried = _read(folder / TRIALS)
    n_trials = int(min(n_trials, size(search)))

    def commands() -> Iterator[tuple[int, list[str]]]:
        for number, each in enumerate(list(tried)):
            if each.value is None:  # begun by whoever was interrupted, or failed: what failed may have been mended
                yield number, train(each.settings, run_of(folder, number))
        while len(tried) < n_trials and (settings := propose(search, tried, seed, n_trials, start)) is not None:
            tried.append(TrialResult(settings))
            _write(folder, tried)
            yield len(tried) - 1, train(settings, run_of(folder, len(tried) - 1))

    listener(Progress("tuning", sum(each.value is not None for each in tried), n_trials))
    for number, failed in run_each(commands(), jobs, loud=False):
        tried[number] = _concluded(tried[number].settings, run_of(folder, number), metric, failed)
        _write(folder, tried)
        best = _write_best(folder, tried, fixed or {}, metric)
        listener(
            Progress("tuning", sum(_is_done(each) for each in tried), n_trials, _news(number, tried[number], best))
        )
    _write_best(folder, tried, fixed or {}, metric)
    if all(each.value is None for each in tried):
        raise TrainingError(
            f"all {len(tried)} trials failed, the first: {tried[0].failed}",
            where=location(folder),
            hint="mend that and run the same command again",
        )
    return sorted((Trial(run_of(folder, n), each) for n, each in enumerate(tried)), key=lambda t: -_worth(t.tried))


def run_of(folder: Path, number: int) -> Path:
    """The run folder of a trial."""
    return folder / "runs" / f"{number:03d}"


def _claim(folder: Path, about: Mapping[str, Any]) -> None:
    """Make the folder, or make sure that it is of the same search."""
    path, now = folder / ABOUT, json.loads(json.dumps(about))
    if path.is_file():
        require_same_run(folder, "search", json.loads(path.read_text(encoding="utf-8")), now)
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise TrainingError("exists and holds no search", where=location(folder), hint="choose another output folder")
    make_folder(folder)
    write_file(path, json_bytes(now))


def _read(path: Path) -> list[TrialResult]:
    return [TrialResult(**each) for each in json.loads(path.read_text(encoding="utf-8"))] if path.is_file() else []


def _write(folder: Path, tried: Sequence[TrialResult]) -> None:
    write_file(folder / TRIALS, json_bytes([asdict(each) for each in tried]))


def _write_best(
    folder: Path, tried: Sequence[TrialResult], fixed: Mapping[str, Any], metric: str
) -> TrialResult | None:
    """The best so far, if there is one, also as a file of settings."""
    best = max((each for each in tried if each.value is not None), key=_worth, default=None)
    if best is not None:
        lines = [f"# {metric} {best.value:.4f} on validation, trial {tried.index(best)}"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in {**fixed, **best.settings}.items()]
        write_file(folder / BEST, ("\n".join(lines) + "\n").encode())
    return best


def _concluded(settings: Mapping[str, Any], run: Path, metric: str, failed: str | None) -> TrialResult:
    if failed is not None:
        return TrialResult(settings, failed=failed)
    try:
        recommender = open_recommender(run)
        value = recommender.about.get(f"validation/{metric}")  # of a learnt model, from its training
        if value is None:
            value = recommender.evaluate("validation", metrics=[metric])[metric]
    except TriptychError as error:
        return TrialResult(settings, failed=in_one_line(error))
    return TrialResult(settings, float(value))


def _worth(tried: TrialResult) -> float:
    return -1.0 if tried.value is None else tried.value


def _is_done(tried: TrialResult) -> bool:
    return tried.value is not None or tried.failed is not None


def _news(number: int, tried: TrialResult, best: TrialResult | None) -> str:
    result = f"failed, {tried.failed}" if tried.value is None else f"{tried.value:.4f}"
    told = f"trial {number}, {in_words(tried.settings)}: {result}"
    return told if best is None or best == tried else f"{told} (best {best.value:.4f})"


def in_words(settings: Mapping[str, Any]) -> str:
    """`n_layers=1 dropout=0.3`"""
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in settings.items()
    )
