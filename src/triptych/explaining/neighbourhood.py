"""The part of the user-item graph around an explanation: user, history items, like-minded users, recommended item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triptych.explaining.evidence import users_of_all
from triptych.explaining.explainer import Explainer
from triptych.explaining.explanation import Explanation, Reason

N_ITEMS, N_USERS = 6, 6  # shown at most


@dataclass(frozen=True)
class Neighbourhood:
    """The nodes and paths that a drawing shows.

    reasons: the shown reasons, the largest contribution first. users: ids of the shown like-minded users; each of them
    has the recommended item and at least one of the reasons' items. n_users: the number of all like-minded users.
    paths: (position in reasons, position in users) for each user who has the item of a reason.
    pictures: of the reasons' items and then of the recommended item, base64 JPEG or None.
    """

    explanation: Explanation
    reasons: Sequence[Reason]
    users: Sequence[str]
    paths: Sequence[tuple[int, int]]
    n_users: int
    pictures: Sequence[str | None]


def neighbourhood_of(
    explainer: Explainer, explanation: Explanation, n_items: int = N_ITEMS, n_users: int = N_USERS
) -> Neighbourhood:
    """Return the reasons with the largest contributions in absolute value, and the users on most paths to the item."""
    dataset, train = explainer.recommender.dataset, explainer.train
    largest = sorted(explanation.reasons, key=lambda reason: -abs(reason.contribution))[:n_items]
    reasons = sorted(largest, key=lambda reason: -reason.contribution)
    user, item = int(dataset.users.rows([explanation.user])[0]), int(dataset.items.rows([explanation.item])[0])
    history_items = dataset.items.rows([reason.item for reason in reasons])
    users_of_both = [users_of_all(train, user, int(each), item) for each in history_items]
    users, counts = np.unique(np.concatenate([*users_of_both, np.zeros(0, np.int64)]), return_counts=True)
    closeness = {int(row): position for position, row in enumerate(users_of_all(train, user, item))}
    order = sorted(range(len(users)), key=lambda n: (-counts[n], closeness[int(users[n])]))[:n_users]
    shown = [int(users[n]) for n in order]
    return Neighbourhood(
        explanation,
        reasons,
        dataset.users.names(np.array(shown, dtype=np.int64)).to_list(),
        [(a, b) for a, rows in enumerate(users_of_both) for b, row in enumerate(shown) if row in rows],
        len(users),
        [explainer.display.picture_of(dataset, int(row)) for row in (*history_items, item)],
    )
