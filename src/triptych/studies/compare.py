"""Run an experiment: every model, data set and seed, each in its own run folder and process."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.artefacts import checked_content, read_json
from triptych.bars import shows_progress
from triptych.data.dataset import open_dataset, parse_modalities
from triptych.data.interactions import Interactions
from triptych.errors import TriptychError
from triptych.models.registry import model_class
from triptych.progress import Listener, Progress, automatic_progress
from triptych.ranking.metrics import parse_metric
from triptych.ranking.protocol import EvaluationTask
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.ranking.scorer import ItemWeights
from triptych.settings import parse
from triptych.studies.experiment import Experiment
from triptych.studies.measure import measure
from triptych.studies.processes import error_text, run_each, train_arguments
from triptych.studies.propose import default_point
from triptych.studies.rows import Cost, Row, RunResult, rank_rows
from triptych.studies.trade_off import TradeOffPoint, check_similarity, trade_off
from triptych.studies.tune import BEST, tune
from triptych.training.metrics_file import read_cost, read_metrics
from triptych.training.run_context import RunFiles
from triptych.training.settings import TrainingSettings


@dataclass(frozen=True)
class Task:
    """One fit. data, entry: names in the experiment. modalities: None for all. run: the run folder."""

    data: str
    entry: str
    modalities: str | None
    seed: int
    run: Path


@dataclass(frozen=True)
class Computing:
    """How fits are run. jobs: processes at the same time. threads: per process, None for all."""

    jobs: int
    threads: int | None
    listener: Listener


@shows_progress
def compare(
    experiment: Experiment,
    folder: Path,
    *,
    jobs: int = 1,
    threads: int | None = None,
    base_folder: Path | None = None,
    listener: Listener = automatic_progress,
) -> list[Row]:
    """Fit and measure everything that the experiment names. Return one row per data set and entry, the best first.

    Rows with a subset of the modalities follow after the others; they are sorted and tested among themselves.
    base_folder: the folder of the experiment file, where data sets are prepared; None: the working directory.

    Runs are in folder/DATA/ENTRY/seed-N, searches in folder/DATA/ENTRY/tune. Finished runs are kept, interrupted ones
    are resumed. If a model fails, its row has the reason, and the others continue.
    Raises TriptychError if a data set cannot be opened or prepared.
    """
    if threads is None and jobs > 1:
        threads = max(1, (os.cpu_count() or 1) // jobs)
    computing = Computing(jobs, threads, listener)
    _prepare(experiment, base_folder, listener)
    tasks = list(_tasks(experiment, folder))
    best_trials = {
        (data, entry): _best_trial(experiment, data, entry, folder, computing)
        for data in experiment.data
        for entry in experiment.models
        if experiment.trials_of(entry) and experiment.search_space(entry)
    }
    results = _run(experiment, tasks, best_trials, computing)
    return _rows(experiment, results)


def _prepare(experiment: Experiment, base_folder: Path | None, listener: Listener) -> None:
    missing = [source for source in experiment.data.values() if source.prepare and not Path(source.folder).exists()]
    commands = (
        (n, ["prepare", *source.prepare, "--output", str(Path(source.folder).absolute())])
        for n, source in enumerate(missing)
    )
    for number, failed in run_each(commands, folder=base_folder):
        if failed is not None:
            raise TriptychError(failed, where=missing[number].folder)
        listener(Progress("preparing", number + 1, len(missing), missing[number].folder))


def _tasks(experiment: Experiment, folder: Path) -> Iterator[Task]:
    for data, source in experiment.data.items():
        dataset = open_dataset(Path(source.folder))
        available = list(dataset.features)
        check_similarity(experiment.similarity, dataset.features)
        if experiment.modalities is not None:
            dataset.with_modalities(parse_modalities(experiment.modalities))
        for entry in experiment.models:
            for chosen in _subsets(experiment, entry, available):
                name = entry if chosen == experiment.modalities else f"{entry} ({str(chosen).replace(',', ' + ')})"
                for seed in experiment.seeds_of(entry):
                    yield Task(data, entry, chosen, seed, folder / data / name / f"seed-{seed}")


def _subsets(experiment: Experiment, entry: str, available: Sequence[str]) -> list[str | None]:
    """The modalities to train an entry with: those of the experiment and, if requested, every smaller subset."""
    requested = experiment.modalities
    if not (experiment.subsets and model_class(experiment.model_of(entry)).needs_features):
        return [requested]
    names = available if requested is None else parse_modalities(requested)
    smaller = [subset for n in range(1, len(names)) for subset in itertools.combinations(names, n)]
    return list(dict.fromkeys([requested, *(",".join(subset) for subset in smaller), "none"]))


def _best_trial(experiment: Experiment, data: str, entry: str, folder: Path, computing: Computing) -> Path | str:
    """Tune an entry with all its modalities and its first seed. Return the best run, or the reason if tuning failed."""
    fixed, model, modalities = experiment.settings_of(entry), experiment.model_of(entry), experiment.modalities
    space, seed = experiment.search_space(entry), experiment.seeds_of(entry)[0]
    data_folder = Path(experiment.data[data].folder)

    def train(chosen: Mapping[str, Any], run: Path) -> list[str]:
        settings = {**fixed, **chosen}
        return train_arguments(
            data_folder, model, run, seed, settings, modalities=modalities, threads=computing.threads
        )

    about = {"model": model, "data": open_dataset(data_folder).fingerprint, "modalities": modalities}
    try:
        trials = tune(
            folder / data / entry / "tune",
            space,
            train,
            about,
            fixed=fixed,
            start=default_point(space, model_class(model).Settings, TrainingSettings),
            metric=str(fixed.get("metric", experiment.metrics[0])),
            n_trials=experiment.trials_of(entry),
            jobs=computing.jobs,
            seed=seed,
            listener=computing.listener,
        )
    except TriptychError as error:
        return error_text(error)
    return trials[0].run


def _run(
    experiment: Experiment,
    tasks: Sequence[Task],
    best_trials: Mapping[tuple[str, str], Path | str],
    computing: Computing,
) -> dict[Task, RunResult | str]:
    """Run all tasks. The result of a failed task is the reason."""
    results: dict[Task, RunResult | str] = dict.fromkeys(tasks, "")

    def commands() -> Iterator[tuple[Task, list[str]]]:
        for task in tasks:
            best = best_trials.get((task.data, task.entry))
            if isinstance(best, str):
                results[task] = best
            else:
                if best is not None:
                    _set_aside(task.run, best)
                    if _is_trial(experiment, task) and not task.run.exists():
                        _copy(best, task.run)
                yield task, _arguments(experiment, task, best, computing.threads)

    runs = run_each(commands(), computing.jobs, show_progress=computing.jobs == 1)
    for done, (task, failed) in enumerate(runs, start=1):
        results[task] = failed if failed is not None else _result(experiment, task, computing.listener)
        computing.listener(Progress("fits", done, len(tasks), _result_text(task, results[task], experiment)))
    return results


def _arguments(experiment: Experiment, task: Task, best: Path | None, threads: int | None) -> list[str]:
    """best: the run folder of the best trial, if the entry was tuned."""
    return train_arguments(
        Path(experiment.data[task.data].folder),
        experiment.model_of(task.entry),
        task.run,
        task.seed,
        experiment.settings_of(task.entry),
        settings_file=best and best.parent.parent / BEST,
        modalities=task.modalities,
        threads=threads,
    )


def _is_trial(experiment: Experiment, task: Task) -> bool:
    """Return whether a task is the same fit as the best trial."""
    return task.modalities == experiment.modalities and task.seed == experiment.seeds_of(task.entry)[0]


def _set_aside(run: Path, best: Path) -> None:
    """Rename a run if it has other settings than the best trial: an earlier, shorter search had another best trial."""
    if not RunFiles(run).about.is_file():
        return
    before, now = (read_json(RunFiles(each).about) for each in (run, best))
    with checked_content(RunFiles(run).about, hint="delete that run folder"):
        equal = all({**before[key], "seed": 0} == {**now[key], "seed": 0} for key in ("settings", "training"))
    if not equal:
        n = sum(1 for each in run.parent.iterdir() if each.name.startswith(f"{run.name}-before-"))
        run.rename(run.with_name(f"{run.name}-before-{n + 1}"))


def _copy(run: Path, to: Path) -> None:
    partial = to.with_name(f"{to.name}.half")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(run, partial)
    partial.rename(to)


def _result(experiment: Experiment, task: Task, listener: Listener) -> RunResult | str:
    try:
        recommender = open_recommender(task.run)
        evaluation = recommender.evaluation_task(experiment.protocol)
        train = recommender.split.train.interactions
        measurement = measure(
            evaluation.scorer, evaluation.relevant, evaluation.seen, train, experiment.metrics, listener
        )
        return RunResult(
            measurement, _cost(task.run, recommender), _trade_off(experiment, task, evaluation, train, listener)
        )
    except TriptychError as error:
        return error_text(error)


def _trade_off(
    experiment: Experiment, task: Task, evaluation: EvaluationTask, train: Interactions, listener: Listener
) -> list[TradeOffPoint]:
    if not experiment.diversity:
        return []
    features = open_dataset(Path(experiment.data[task.data].folder)).features
    metric = parse_metric(experiment.metrics[0])
    return trade_off(evaluation, train, features, experiment.diversity, metric, experiment.similarity, listener)


def _cost(run: Path, recommender: Recommender) -> Cost:
    files, best_epoch = RunFiles(run), recommender.about.get("best_epoch")
    cost = read_cost(files)
    epochs = read_metrics(files) if best_epoch is not None else []
    with checked_content(files.cost):
        to_best = cost["seconds"]
    if best_epoch is not None:
        with checked_content(files.metrics):
            seconds = sum(epoch["seconds"] for epoch in epochs if epoch["epoch"] <= best_epoch)
            to_best = min(to_best, seconds)  # one of them is rounded
    arrays = recommender.scorer.arrays() if isinstance(recommender.scorer, ItemWeights) else {}
    n_parameters = sum(array.size for name, array in arrays.items() if name.endswith(("weights", "data")))
    n_parameters += sum(parameter.numel() for parameter in recommender.parameters.values())
    with checked_content(files.cost):
        return parse(Cost, {**cost, "n_parameters": n_parameters, "seconds_to_best": to_best, "best_epoch": best_epoch})


def _result_text(task: Task, result: RunResult | str, experiment: Experiment) -> str:
    if isinstance(result, str):
        return f"{task.run}: failed, {result}"
    metric = experiment.metrics[0]
    return f"{task.run}: {metric} {result.measurement.per_user[metric].mean():.4f}"


def _rows(experiment: Experiment, results: Mapping[Task, RunResult | str]) -> list[Row]:
    """Group the results of all seeds into rows; rows with a subset of the modalities come after the others."""
    by_row: dict[tuple[str, str, str | None], list[Task]] = {}
    for task in results:
        by_row.setdefault((task.data, task.entry, task.modalities), []).append(task)
    rows = [
        (
            Row(data, entry, experiment.model_of(entry), modalities, [task.run for task in tasks]),
            [results[task] for task in tasks],
        )
        for (data, entry, modalities), tasks in by_row.items()
    ]
    return [
        row
        for data in experiment.data
        for with_all in (True, False)
        for row in rank_rows(
            [
                (row, of_row)
                for row, of_row in rows
                if row.data == data and (row.modalities == experiment.modalities) is with_all
            ]
        )
    ]
