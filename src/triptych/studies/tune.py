"""Tune a model: try settings on validation only. Every trial is a run folder, and a search can be resumed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from triptych.artefacts import damaged, make_folder, read_json, write_file, write_json
from triptych.bars import shows_progress
from triptych.errors import SettingsError, TrainingError, TriptychError, location
from triptych.progress import Listener, Progress, automatic_progress
from triptych.ranking.recommender_folder import open_recommender
from triptych.settings import Choices, LogRange, SearchSpace, parse
from triptych.studies.processes import error_text, run_each
from triptych.studies.propose import TrialResult, propose, size
from triptych.training.run_folder import require_same_run

ABOUT, TRIALS, BEST = "tune.json", "trials.json", "best.toml"
DAMAGED = "delete the folder of the search and run the same command again"


@dataclass(frozen=True)
class Trial:
    """One trial of a search: its run folder and its result."""

    run: Path
    result: TrialResult


@shows_progress
def tune(
    folder: Path,
    space: SearchSpace,
    train: Callable[[Mapping[str, Any], Path], list[str]],
    about: Mapping[str, Any],
    *,
    fixed: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
    metric: str = "ndcg@50",
    n_trials: int = 20,
    jobs: int = 1,
    seed: int = 0,
    listener: Listener = automatic_progress,
) -> list[Trial]:
    """Try `n_trials` settings of a search space, `jobs` at a time. Return all trials: the best first, failed last.

    train: (settings, run folder) -> the arguments of `triptych` that train there. about: what is tuned, in plain
    values. fixed: settings of all trials. start: the searched settings of the first trial.

    If the folder has an interrupted search, it is resumed: finished trials are kept, interrupted ones continue from
    their checkpoints, and failed ones are tried again. A finished search continues if n_trials is larger. The folder
    of another search is refused. The test split is never used. `folder/best.toml` has the best settings so far,
    with the fixed ones, for `triptych train --settings`.
    Raises SettingsError if the space is empty, TrainingError if every trial failed.
    """
    if not space:
        raise SettingsError("there is nothing to search", hint="name settings, for example reg_weight=1e-4..1e-1")
    fixed = fixed or {}
    _open_search(folder, {**about, "fixed": fixed, "metric": metric, "seed": seed}, space)
    trials = _read_trials(folder)
    n_trials = int(min(n_trials, size(space)))

    def commands() -> Iterator[tuple[int, list[str]]]:
        for number, each in enumerate(list(trials)):
            if each.value is None:  # interrupted, or failed for a reason that may be gone
                yield number, train(each.settings, run_of(folder, number))
        while len(trials) < n_trials and (settings := propose(space, trials, seed, n_trials, start)) is not None:
            trials.append(TrialResult(settings))
            _write_trials(folder, trials)
            yield len(trials) - 1, train(settings, run_of(folder, len(trials) - 1))

    listener(Progress("tuning", sum(each.value is not None for each in trials), n_trials))
    for number, failed in run_each(commands(), jobs, show_progress=False):
        trials[number] = _result(trials[number].settings, run_of(folder, number), metric, failed)
        _write_trials(folder, trials)
        best = _write_best(folder, trials, fixed, metric)
        n_done = sum(each.value is not None or each.failed is not None for each in trials)
        listener(Progress("tuning", n_done, n_trials, _trial_text(number, trials[number], best)))
    _write_best(folder, trials, fixed, metric)
    if all(each.value is None for each in trials):
        raise TrainingError(
            f"all {len(trials)} trials failed, the first: {trials[0].failed}",
            where=location(folder),
            hint="correct the cause and run the same command again",
        )
    return sorted((Trial(run_of(folder, n), each) for n, each in enumerate(trials)), key=lambda t: -_value(t.result))


def run_of(folder: Path, number: int) -> Path:
    """The run folder of a trial."""
    return folder / "runs" / f"{number:03d}"


def best_run(folder: Path) -> Path | None:
    """Return the run folder of the best trial of a search, None if no trial has a result. Raises ArtefactError."""
    trials = _read_trials(folder)
    best = max(range(len(trials)), key=lambda n: _value(trials[n]), default=None)
    return None if best is None or trials[best].value is None else run_of(folder, best)


def _open_search(folder: Path, about: Mapping[str, Any], space: SearchSpace) -> None:
    """Make the folder of a search. If it exists, raise TrainingError unless it is of the same search."""
    path = folder / ABOUT
    now = json.loads(json.dumps({**about, "search": {name: space_text(each) for name, each in space.items()}}))
    if path.is_file():
        before = _with_current_texts(read_json(path, dict, DAMAGED), space)
        require_same_run(folder, "search", before, now)
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise TrainingError("exists and holds no search", where=location(folder), hint="choose another output folder")
    make_folder(folder)
    write_json(path, now)


def space_text(values: Choices | LogRange) -> str:
    """A range as text: "0.0001..0.1", or "0.3, 0.5". Text values have quotes, so that "1" differs from 1."""
    if isinstance(values, LogRange):
        return f"{values.low!r}..{values.high!r}"
    return ", ".join(map(repr, values.values))


def _with_current_texts(about: dict[str, Any], space: SearchSpace) -> dict[str, Any]:
    """Return the description of a search with the earlier texts of these ranges replaced by `space_text`."""
    earlier = {
        name: f"Span(low={each.low!r}, high={each.high!r})"
        if isinstance(each, LogRange)
        else f"Choices(values={each.values!r})"
        for name, each in space.items()
    }
    given = about.get("search")
    if not isinstance(given, dict):
        return about
    texts = {
        name: space_text(space[name]) if name in space and text == earlier[name] else text
        for name, text in given.items()
    }
    return {**about, "search": texts}


def _read_trials(folder: Path) -> list[TrialResult]:
    """Return the trials so far. Raises ArtefactError if their file is damaged."""
    path = folder / TRIALS
    if not path.is_file():
        return []
    try:
        content = read_json(path, object, DAMAGED)
        results = content if isinstance(content, list) else content["trials"]  # a list: of an earlier version
        return [parse(TrialResult, each) for each in results]
    except (SettingsError, KeyError, AttributeError, TypeError):
        raise damaged(path, DAMAGED) from None


def _write_trials(folder: Path, trials: Sequence[TrialResult]) -> None:
    write_json(folder / TRIALS, {"trials": [asdict(each) for each in trials]})


def _write_best(
    folder: Path, trials: Sequence[TrialResult], fixed: Mapping[str, Any], metric: str
) -> TrialResult | None:
    """Return the best trial so far, if there is one, and write its settings to a file."""
    best = max((each for each in trials if each.value is not None), key=_value, default=None)
    if best is not None:
        lines = [f"# {metric} {best.value:.4f} on validation, trial {trials.index(best)}"]
        if best.best_epoch is not None:
            lines += [f"# best epoch {best.best_epoch}, which a final fit takes: train --refit FOLDER"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in {**fixed, **best.settings}.items()]
        write_file(folder / BEST, ("\n".join(lines) + "\n").encode())
    return best


def _result(settings: Mapping[str, Any], run: Path, metric: str, failed: str | None) -> TrialResult:
    """The result of a trial whose run has ended. failed: the reason if it failed."""
    if failed is not None:
        return TrialResult(settings, failed=failed)
    try:
        recommender = open_recommender(run)
        value = recommender.about.get(f"validation/{metric}")  # a trained model has it from its training
        if value is None:
            value = recommender.evaluate("validation", metrics=[metric])[metric]
    except TriptychError as error:
        return TrialResult(settings, failed=error_text(error))
    return TrialResult(settings, float(value), best_epoch=recommender.about.get("best_epoch"))


def _value(trial: TrialResult) -> float:
    return -1.0 if trial.value is None else trial.value


def _trial_text(number: int, trial: TrialResult, best: TrialResult | None) -> str:
    result = f"failed, {trial.failed}" if trial.value is None else f"{trial.value:.4f}"
    text = f"trial {number}, {settings_text(trial.settings)}: {result}"
    return text if best is None or best == trial else f"{text} (best {best.value:.4f})"


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings as text: `n_layers=1 dropout=0.3`."""
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in settings.items()
    )
