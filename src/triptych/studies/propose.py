"""The next settings of a search, given the trials so far: all points of a small space, or proposals by Optuna's TPE.

TPE: S. Watanabe, "Tree-Structured Parzen Estimator: Understanding Its Algorithm Components and Their Roles", 2023.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from triptych.errors import SettingsError
from triptych.models.registry import model_class
from triptych.ranking.metrics import parse_metric
from triptych.settings import Choices, LogRange, SearchSpace, describe, parse, parse_search_space, split_settings
from triptych.training.settings import TrainingSettings

MAX_LISTED = 100_000  # points: larger finite spaces are not listed


@dataclass(frozen=True)
class TrialResult:
    """The settings of a trial and its result. value: the metric, None if not known. failed: the reason if it failed.

    best_epoch: when a trained model had this value.
    """

    settings: Mapping[str, Any]
    value: float | None = None
    failed: str | None = None
    best_epoch: int | None = None


def search_space(model: str, fixed: Mapping[str, object], given: Mapping[str, object] | None = None) -> SearchSpace:
    """Return the given search space, or else that of the model, without the fixed settings.

    given: as `triptych.settings.parse_search_space` reads it.
    Raises SettingsError if a setting is unknown, out of range, or both fixed and searched.
    """
    for name in ("seed", "threads"):
        if name in fixed or name in (given or {}):
            raise SettingsError(f'"{name}" cannot be set or searched here', hint=f"give `{name}` itself")
    if both := sorted(fixed.keys() & (given or {}).keys()):
        raise SettingsError(f'"{both[0]}" is set and searched', hint="remove one of the two")
    kind = model_class(model).Settings
    training, own = split_settings(fixed, TrainingSettings, kind, of=f"{model} or training")
    parse_metric(parse(TrainingSettings, training, of="training").metric)
    parse(kind, own, of=model)
    space = parse_search_space(given) if given else model_class(model).search
    space = {name: each for name, each in space.items() if name not in fixed}
    integers = {each.name for each in (*describe(TrainingSettings), *describe(kind)) if each.kind.startswith("int")}
    for name, each in space.items():
        if isinstance(each, LogRange) and name in integers:
            raise SettingsError(f'"{name}" needs whole numbers, not a range', hint="list its values: 1, 2, 3")
        for value in each.values if isinstance(each, Choices) else (each.low, each.high):
            training, own = split_settings({name: value}, TrainingSettings, kind, of=f"{model} or training")
            parse(TrainingSettings, training, of="training")
            parse(kind, own, of=model)
    return space


def default_point(space: SearchSpace, *kinds: type[Any]) -> Mapping[str, Any] | None:
    """The default value of each searched setting; None if the space does not contain all of them.

    kinds: the settings classes with the defaults.
    """
    defaults = {setting.name: setting.default for kind in kinds for setting in describe(kind)}
    point: dict[str, Any] = {}
    for name, each in space.items():
        default = defaults.get(name)
        if isinstance(each, Choices):  # values from a command line are still text
            point.update((name, value) for value in each.values if _equal(value, default))
        elif isinstance(default, float) and each.low <= default <= each.high:
            point[name] = default
    return point if len(point) == len(space) else None


def _equal(written: object, default: object) -> bool:
    try:
        return float(str(written)) == float(str(default))
    except ValueError:
        return str(written) == str(default)


def size(space: SearchSpace) -> float:
    """The number of points of a space; infinite if it has a range."""
    return math.prod(len(each.values) if isinstance(each, Choices) else math.inf for each in space.values())


def require_proposals(space: SearchSpace, n_trials: int) -> None:
    """Raise SettingsError if this search would need Optuna, and it is not installed."""
    if size(space) > n_trials and importlib.util.find_spec("optuna") is None:
        raise SettingsError("tuning needs Optuna, which is not installed", hint='pip install "triptych[search]"')


def propose(
    space: SearchSpace, trials: Sequence[TrialResult], seed: int, n_trials: int, start: Mapping[str, Any] | None = None
) -> Mapping[str, Any] | None:
    """Return the next settings, or None if all points of the space were tried.

    start: the first settings. If the space has at most `n_trials` points, all of them are proposed in random order; in
    a larger space TPE proposes, and no point twice. Equal arguments give equal proposals.
    Raises SettingsError if Optuna is not installed.
    """
    if start is not None and not trials:
        return start
    finite = size(space) <= MAX_LISTED
    tried = [each.settings for each in trials]
    left = [point for point in _points(space, seed) if point not in tried] if finite else []
    if finite and not left:
        return None
    if size(space) <= n_trials:
        return left[0]
    point = _propose_by_tpe(space, trials, int(np.random.SeedSequence((seed, len(trials))).generate_state(1)[0]))
    return left[0] if finite and point not in left else point


def _points(space: SearchSpace, seed: int) -> list[dict[str, Any]]:
    values = [each.values for each in space.values() if isinstance(each, Choices)]
    points = [dict(zip(space, point, strict=True)) for point in itertools.product(*values)]
    return [points[position] for position in np.random.default_rng(seed).permutation(len(points))]


def _propose_by_tpe(space: SearchSpace, trials: Sequence[TrialResult], seed: int) -> dict[str, Any]:
    try:
        import optuna
    except ModuleNotFoundError:
        raise SettingsError(
            "tuning needs Optuna, which is not installed", hint='pip install "triptych[search]"'
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.CategoricalDistribution(each.values)  # type: ignore[arg-type]
        if isinstance(each, Choices)
        else optuna.distributions.FloatDistribution(each.low, each.high, log=True)
        for name, each in space.items()
    }
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    values = [each.value for each in trials if each.value is not None]
    for each in trials:
        if each.failed is not None or not values:
            continue
        # a running trial counts as the worst one so far, so that parallel trials explore other points
        value = each.value if each.value is not None else min(values)
        study.add_trial(optuna.create_trial(params=dict(each.settings), distributions=distributions, value=value))
    return dict(study.ask(distributions).params)
