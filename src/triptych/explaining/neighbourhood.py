"""The part of the bipartite graph that an explanation is about: user, own items, like-minded users, the item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triptych.explaining.evidence import who_took_both
from triptych.explaining.explainer import Explainer
from triptych.explaining.explanation import Explanation, Reason

ITEMS, USERS = 6, 6  # shown at most


@dataclass(frozen=True)
class Neighbourhood:
    """reasons: the shown ones, the largest first. others: like-minded users, who took the item and some of these.

    paths: (place in reasons, place in others): who took what of them. n_others: how many like-minded users there are.
    pictures: of the reasons' items, then of the item itself, base64 of a JPEG or None.
    """

    explanation: Explanation
    reasons: Sequence[Reason]
    others: Sequence[str]
    paths: Sequence[tuple[int, int]]
    n_others: int
    pictures: Sequence[str | None]


def neighbourhood_of(
    explainer: Explainer, explanation: Explanation, n_items: int = ITEMS, n_users: int = USERS
) -> Neighbourhood:
    """The largest contributions, by size, and the users through whom most paths to the item go."""
    dataset, known = explainer.recommender.dataset, explainer.known
    largest = sorted(explanation.reasons, key=lambda reason: -abs(reason.contribution))[:n_items]
    reasons = sorted(largest, key=lambda reason: -reason.contribution)
    user, item = int(dataset.users.rows([explanation.user])[0]), int(dataset.items.rows([explanation.item])[0])
    taken = dataset.items.rows([reason.item for reason in reasons])
    both = [who_took_both(known, user, int(one), item) for one in taken]
    everyone = np.concatenate([*both, np.zeros(0, np.int64)])
    others, counts = np.unique(everyone, return_counts=True)
    closest = {int(other): position for position, other in enumerate(who_took_both(known, user, item))}
    order = sorted(range(len(others)), key=lambda n: (-counts[n], closest[int(others[n])]))[:n_users]
    shown = [int(others[n]) for n in order]
    paths = [(a, b) for a, who in enumerate(both) for b, other in enumerate(shown) if other in who]
    look = explainer.look
    return Neighbourhood(
        explanation,
        reasons,
        dataset.users.names(np.array(shown, dtype=np.int64)).to_list(),
        paths,
        len(others),
        [look.picture_of(dataset, int(row)) for row in (*taken, item)],
    )
