"""The terms of a score: a sum over the items of the user's history, by component, plus a rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from triptych.errors import InputError

ROUNDING, MEAN, RESIDUAL = "rounding", "mean of the user's scores", "regression residual"  # names in `rest`
TOLERANCE = 1e-5  # of the sum of absolute terms: a larger difference from the score is shown as rounding
MAX_DIFFERENCE = 0.02  # of the same sum: a larger difference means that the data set is not that of the training
HINT = "give the data set that it was trained on: `dataset=…`"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Contributions:
    """The terms of one score.

    components: component -> float64 [n], one value per training item of the user. rest: name -> value.
    exact, statement: see `Explanation`.
    """

    components: Mapping[str, Array]
    rest: Mapping[str, float]
    exact: bool
    statement: str


ItemComponents = Callable[[Tensor], Mapping[str, Tensor]]  # see `TrainedModel.item_components`
Attributor = Callable[[int, Sequence[int]], list[Contributions]]  # user row, item rows -> one result per item


def reconcile(contributions: Contributions, score: float) -> Contributions:
    """Compare the sum of all terms with the score, and add a small difference to the rest as rounding.

    Raises InputError if the difference is large: the terms are those of another model.
    """
    terms = np.concatenate([*contributions.components.values(), list(contributions.rest.values())])
    size, difference = max(float(np.abs(terms).sum()), abs(score)), score - float(terms.sum())
    if abs(difference) > MAX_DIFFERENCE * size:
        raise InputError(
            f"the contributions add up to {terms.sum():.6g}, but the score is {score:.6g}: this is not the data set "
            "of the training",
            hint=HINT,
        )
    if abs(difference) <= TOLERANCE * size:
        return contributions
    return replace(contributions, rest={**contributions.rest, ROUNDING: difference})
