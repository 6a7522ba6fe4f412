"""How a training is validated for early stopping: by metrics, or by a function of the caller."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from triptych.data.dataset import Dataset
from triptych.data.split import Split
from triptych.errors import SettingsError, TrainingError
from triptych.progress import Listener
from triptych.ranking.evaluate import evaluate
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Factors

MORE_METRICS = ("recall@20", "ndcg@20")  # that are recorded beside the chosen one
VALIDATE = "validate"  # in a run's description: the name of its validation, if it has one of its own

Validate = Callable[[Recommender], float]  # the larger the better


@dataclass(frozen=True)
class Validation:
    """A validation of the caller's own, in place of a metric. measure: the current factors -> a number."""

    name: str
    measure: Callable[[Factors], float]


def own_validation(
    validate: Validate, split: Split, about: Mapping[str, Any], user_table: pl.DataFrame | None
) -> Validation:
    """Return the validation by a function of a recommender. about, user_table: of the recommender.

    It knows the interactions for training and validation. Those for test are withheld: they must not choose the model.
    """
    known = replace(split, test=split.test.select(np.zeros(len(split.test), dtype=np.bool_))).known_interactions()
    known = replace(known, user_features={}, user_table=user_table)
    return Validation(name_of(validate), partial(_measure, validate, known, dict(about)))


def name_of(validate: object) -> str:
    """Return the name of a validation in lines and descriptions. Raises SettingsError if it is no function."""
    if not callable(validate):
        raise SettingsError(
            f"validate is {type(validate).__name__}, not a function", hint="give a function of a recommender"
        )
    name = str(getattr(validate, "__name__", type(validate).__name__))
    return name if re.fullmatch(r"\w+", name) else VALIDATE


def _measure(validate: Validate, known: Dataset, about: dict[str, Any], factors: Factors) -> float:
    on_cpu = Factors(factors.users.float().cpu(), factors.items.float().cpu())
    answer: object = validate(Recommender(on_cpu, known, {}, about))
    try:
        value = float(answer)  # type: ignore[arg-type]  # numbers of numpy and torch too
    except (TypeError, ValueError):
        raise SettingsError(
            f"validate returned {type(answer).__name__}, not a number", hint="return one number, the larger the better"
        ) from None
    if not math.isfinite(value):
        raise TrainingError(f"validate returned {value}", hint="return a finite number, the larger the better")
    return value


def measure_metrics(factors: Factors, split: Split, metric: str, listener: Listener) -> dict[str, float]:
    """Return the metrics of the validation interactions by name: the chosen one, and those that are recorded too."""
    seen = None if split.train.keeps_seen else split.train.interactions
    names = tuple(dict.fromkeys((metric, *MORE_METRICS)))
    return evaluate(factors, split.validation, seen, names, listener=listener).means
