"""What a search tries next, from what it has tried: a finite space whole, else Optuna's TPE.

TPE: S. Watanabe, "Tree-Structured Parzen Estimator: Understanding Its Algorithm Components and Their Roles", 2023.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from triptych.errors import SettingsError
from triptych.models.registry import model_class
from triptych.ranking.metrics import parse_metric
from triptych.settings import Choices, LogRange, Search, describe, divide, parse, searches
from triptych.training.settings import TrainingSettings

LISTED = 100_000  # points of a finite space that are written down


@dataclass(frozen=True)
class TrialResult:
    """Settings, and what they are worth: None while that is not known; failed: why it never will be."""

    settings: Mapping[str, Any]
    value: float | None = None
    failed: str | None = None


def search_space(model: str, fixed: Mapping[str, object], given: Mapping[str, object] | None = None) -> Search:
    """What is searched: what is given, else what the model declares; without what is fixed.

    given: as `triptych.settings.searches` reads it. Raises SettingsError on a setting that cannot be.
    """
    for name in ("seed", "threads"):
        if name in fixed or name in (given or {}):
            raise SettingsError(f'"{name}" is no setting to search or set here', hint=f"it has an option, --{name}")
    if both := sorted(fixed.keys() & (given or {}).keys()):
        raise SettingsError(f'"{both[0]}" is set and searched', hint="leave it out of one of the two")
    kind = model_class(model).Settings
    training, own = divide(fixed, TrainingSettings, kind, of=f"{model} or training")
    parse_metric(parse(TrainingSettings, training, of="training").metric)
    parse(kind, own, of=model)
    search = searches(given) if given else model_class(model).search
    search = {name: each for name, each in search.items() if name not in fixed}
    whole = {each.name for each in (*describe(TrainingSettings), *describe(kind)) if each.kind.startswith("int")}
    for name, each in search.items():
        if isinstance(each, LogRange) and name in whole:
            raise SettingsError(f'"{name}" takes whole numbers, not a span', hint="list its values: 1, 2, 3")
        for value in each.values if isinstance(each, Choices) else (each.low, each.high):
            training, own = divide({name: value}, TrainingSettings, kind, of=f"{model} or training")
            parse(TrainingSettings, training, of="training")
            parse(kind, own, of=model)
    return search


def default_point(search: Search, *kinds: type[Any]) -> Mapping[str, Any] | None:
    """The defaults that the settings classes give what is searched; None if the search leaves one of them out."""
    defaults = {setting.name: setting.default for kind in kinds for setting in describe(kind)}
    point: dict[str, Any] = {}
    for name, each in search.items():
        default = defaults.get(name)
        if isinstance(each, Choices):  # those from a command line are text still
            point.update((name, value) for value in each.values if _same(value, default))
        elif isinstance(default, float) and each.low <= default <= each.high:
            point[name] = default
    return point if len(point) == len(search) else None


def _same(written: object, default: object) -> bool:
    try:
        return float(str(written)) == float(str(default))
    except ValueError:
        return str(written) == str(default)


def size(search: Search) -> float:
    """How many points a search has; infinite with a span."""
    return math.prod(len(each.values) if isinstance(each, Choices) else math.inf for each in search.values())


def propose(
    search: Search, tried: Sequence[TrialResult], seed: int, n_trials: int, start: Mapping[str, Any] | None = None
) -> Mapping[str, Any] | None:
    """The next settings, None when every point of the space was tried. start: what to begin with.

    A space of no more points than there are trials is gone through in a random order; in a larger one TPE proposes, and
    no point twice. The same arguments, the same proposal. Raises SettingsError if Optuna is not installed.
    """
    if start is not None and not tried:
        return start
    finite = size(search) <= LISTED
    before = [each.settings for each in tried]
    left = [point for point in _points(search, seed) if point not in before] if finite else []
    if finite and not left:
        return None
    if size(search) <= n_trials:
        return left[0]
    point = _by_tpe(search, tried, int(np.random.SeedSequence((seed, len(tried))).generate_state(1)[0]))
    return left[0] if finite and point not in left else point


def _points(search: Search, seed: int) -> list[dict[str, Any]]:
    values = [each.values for each in search.values() if isinstance(each, Choices)]
    points = [dict(zip(search, point, strict=True)) for point in itertools.product(*values)]
    return [points[position] for position in np.random.default_rng(seed).permutation(len(points))]


def _by_tpe(search: Search, tried: Sequence[TrialResult], seed: int) -> dict[str, Any]:
    try:
        import optuna
    except ModuleNotFoundError:
        raise SettingsError(
            "tuning needs Optuna, which is not installed", hint='pip install "triptych[search]"'
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.CategoricalDistribution(each.values)  # type: ignore[arg-type]
        if isinstance(each, Choices)
        else optuna.distributions.FloatDistribution(each.low, each.high, log=True)
        for name, each in search.items()
    }
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    known = [each.value for each in tried if each.value is not None]
    for each in tried:
        if each.failed is not None or not known:
            continue
        # what is still running counts as the worst so far, so that nobody else goes there
        value = each.value if each.value is not None else min(known)
        study.add_trial(optuna.create_trial(params=dict(each.settings), distributions=space, value=value))
    return dict(study.ask(space).params)
