"""An experiment carried out: every model, data set and seed, each in a run folder and a process of its own."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.data.dataset import named_modalities, open_dataset
from triptych.errors import TriptychError
from triptych.models.registry import model_class
from triptych.progress import Listener, Progress, ignore_progress
from triptych.ranking.recommender import Recommender, open_recommender
from triptych.ranking.scorer import ItemWeights
from triptych.studies.experiment import Experiment
from triptych.studies.measure import measure
from triptych.studies.processes import in_one_line, run_each, training
from triptych.studies.propose import default_point
from triptych.studies.rows import Cost, Row, RunResult, ranked
from triptych.studies.tune import BEST, tune
from triptych.training.run_folder import ABOUT
from triptych.training.settings import TrainingSettings

COST = "cost.json"


@dataclass(frozen=True)
class Task:
    """One fit: which data set and line, by their names in the table; modalities, None: all; the seed; where it runs."""

    data: str
    entry: str
    modalities: str | None
    seed: int
    run: Path


def compare(
    experiment: Experiment,
    folder: Path,
    *,
    jobs: int = 1,
    threads: int | None = None,
    beside: Path | None = None,
    listener: Listener = ignore_progress,
) -> list[Row]:
    """Fit what the experiment names, `jobs` at a time, and measure it: a row a data set and line, the best first.

    beside: the folder of the experiment's file, where data sets are prepared; None: where this runs.
    Subsets of the modalities follow after the lines, ordered and tested among themselves.
    What is finished is kept, what was begun goes on. A run is in folder/DATA/LINE/seed-N, a search in
    folder/DATA/LINE/tune. A model that fails leaves its reason in its row, and the others go on. Raises TriptychError
    if a data set cannot be opened or made.
    """
    if threads is None and jobs > 1:
        threads = max(1, (os.cpu_count() or 1) // jobs)
    _prepare(experiment, beside, listener)
    tasks = list(_tasks(experiment, folder))
    tuned = {
        (data, entry): _tuned(experiment, data, entry, folder, jobs, threads, listener)
        for data in experiment.data
        for entry in experiment.models
        if experiment.trials_of(entry) and experiment.search_space(entry)
    }
    found: dict[Task, RunResult | str] = dict.fromkeys(tasks, "")

    def commands() -> Iterator[tuple[Task, list[str]]]:
        for task in tasks:
            best = tuned.get((task.data, task.entry))
            if isinstance(best, str):
                found[task] = best
            else:
                if best is not None:
                    _set_aside(task.run, best)
                    if _is_trial(experiment, task) and not task.run.exists():
                        _copy(best, task.run)
                yield task, _training(experiment, task, best, threads)

    for done, (task, failed) in enumerate(run_each(commands(), jobs, loud=jobs == 1), start=1):
        found[task] = failed if failed is not None else _found(experiment, task, listener)
        listener(Progress("fits", done, len(tasks), _news(task, found[task], experiment)))
    rows: dict[tuple[str, str, str | None], list[Task]] = {}
    for task in tasks:
        rows.setdefault((task.data, task.entry, task.modalities), []).append(task)
    made = [
        (
            Row(data, entry, experiment.model_of(entry), modalities, [task.run for task in own]),
            [found[task] for task in own],
        )
        for (data, entry, modalities), own in rows.items()
    ]
    return [
        row
        for data in experiment.data
        for whole in (True, False)  # subsets of the modalities are ordered and tested among themselves
        for row in ranked(
            [each for each in made if each[0].data == data and (each[0].modalities == experiment.modalities) is whole]
        )
    ]


def _prepare(experiment: Experiment, beside: Path | None, listener: Listener) -> None:
    missing = [source for source in experiment.data.values() if source.prepare and not Path(source.folder).exists()]
    commands = (
        (n, ["prepare", *source.prepare, "--output", str(Path(source.folder).absolute())])
        for n, source in enumerate(missing)
    )
    for number, failed in run_each(commands, folder=beside):
        if failed is not None:
            raise TriptychError(failed, where=missing[number].folder)
        listener(Progress("preparing", number + 1, len(missing), missing[number].folder))


def _tasks(experiment: Experiment, folder: Path) -> Iterator[Task]:
    for data, source in experiment.data.items():
        dataset = open_dataset(Path(source.folder))
        available = list(dataset.features)
        if experiment.modalities is not None:
            dataset.with_modalities(named_modalities(experiment.modalities))
        for entry in experiment.models:
            for chosen in _subsets(experiment, entry, available):
                name = entry if chosen == experiment.modalities else f"{entry} ({str(chosen).replace(',', ' + ')})"
                for seed in experiment.seeds_of(entry):
                    yield Task(data, entry, chosen, seed, folder / data / name / f"seed-{seed}")


def _subsets(experiment: Experiment, entry: str, available: Sequence[str]) -> list[str | None]:
    """What to train a line with: the modalities asked for and, if wished, every smaller subset of them."""
    asked = experiment.modalities
    if not (experiment.subsets and model_class(experiment.model_of(entry)).needs_features):
        return [asked]
    of = available if asked is None else named_modalities(asked)
    smaller = [some for n in range(1, len(of)) for some in itertools.combinations(of, n)]
    return list(dict.fromkeys([asked, *(",".join(some) for some in smaller), "none"]))


def _training(experiment: Experiment, task: Task, best: Path | None, threads: int | None) -> list[str]:
    return training(
        Path(experiment.data[task.data].folder),
        experiment.model_of(task.entry),
        task.run,
        task.seed,
        experiment.settings_of(task.entry),
        settings_file=best and best.parent.parent / BEST,
        modalities=task.modalities,
        threads=threads,
    )


def _tuned(
    experiment: Experiment,
    of: str,
    entry: str,
    folder: Path,
    jobs: int,
    threads: int | None,
    listener: Listener,
) -> Path | str:
    """The best trial of a line, searched with all its modalities and its first seed; or why there is none."""
    fixed, model, modalities = experiment.settings_of(entry), experiment.model_of(entry), experiment.modalities
    search = experiment.search_space(entry)
    data, where, seed = Path(experiment.data[of].folder), folder / of / entry / "tune", experiment.seeds_of(entry)[0]

    def train(chosen: Mapping[str, Any], run: Path) -> list[str]:
        return training(data, model, run, seed, {**fixed, **chosen}, modalities=modalities, threads=threads)

    about = {"model": model, "data": open_dataset(data).fingerprint, "modalities": modalities}
    try:
        best = tune(
            where,
            search,
            train,
            about,
            fixed=fixed,
            start=default_point(search, model_class(model).Settings, TrainingSettings),
            metric=str(fixed.get("metric", experiment.metrics[0])),
            n_trials=experiment.trials_of(entry),
            jobs=jobs,
            seed=seed,
            listener=listener,
        )
    except TriptychError as error:
        return in_one_line(error)
    return best[0].run


def _is_trial(experiment: Experiment, task: Task) -> bool:
    """Whether the best trial of the search is this very fit."""
    return task.modalities == experiment.modalities and task.seed == experiment.seeds_of(task.entry)[0]


def _set_aside(run: Path, best: Path) -> None:
    """Another name for a run of an earlier search's best, so that the better one's can be made."""
    if not (run / ABOUT).is_file():
        return
    before, now = (json.loads((each / ABOUT).read_text(encoding="utf-8")) for each in (run, best))
    same = all({**before[of], "seed": 0} == {**now[of], "seed": 0} for of in ("settings", "training"))
    if not same:
        n = sum(1 for _ in run.parent.glob(f"{run.name}-before-*"))
        run.rename(run.with_name(f"{run.name}-before-{n + 1}"))


def _copy(run: Path, to: Path) -> None:
    half = to.with_name(f"{to.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(run, half)
    half.rename(to)


def _found(experiment: Experiment, task: Task, listener: Listener) -> RunResult | str:
    try:
        recommender = open_recommender(task.run)
        evaluation = recommender.evaluation_task(experiment.protocol)
        train = recommender.split.train.interactions
        measured = measure(evaluation.scorer, evaluation.relevant, evaluation.seen, train, experiment.metrics, listener)
    except TriptychError as error:
        return in_one_line(error)
    return RunResult(measured, _cost(task.run, recommender))


def _cost(run: Path, recommender: Recommender) -> Cost:
    told = json.loads((run / COST).read_text(encoding="utf-8"))
    best, lines, to_best = recommender.about.get("best_epoch"), run / "metrics.jsonl", told["seconds"]
    if best is not None:
        epochs = [json.loads(entry) for entry in lines.read_text(encoding="utf-8").splitlines()]
        to_best = min(to_best, sum(epoch["seconds"] for epoch in epochs if epoch["epoch"] <= best))  # one is rounded
    arrays = recommender.scorer.arrays() if isinstance(recommender.scorer, ItemWeights) else {}
    n_parameters = sum(array.size for name, array in arrays.items() if name.endswith(("weights", "data")))
    n_parameters += sum(parameter.numel() for parameter in recommender.parameters.values())
    return Cost(n_parameters=n_parameters, seconds_to_best=to_best, **told)


def _news(task: Task, found: RunResult | str, experiment: Experiment) -> str:
    metric = experiment.metrics[0]
    told = f"failed, {found}" if isinstance(found, str) else f"{metric} {found.measured.per_user[metric].mean():.4f}"
    return f"{task.run}: {told}"
