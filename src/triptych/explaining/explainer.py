"""Explainer: a recommender that says why. `explain` is the same for one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from triptych.data.dataset import Dataset
from triptych.explaining.contributions import Contributions, attribution_method, checked
from triptych.explaining.evidence import evidence_of
from triptych.explaining.explanation import Explanation, Reason
from triptych.explaining.item_display import ItemDisplay
from triptych.ranking.recommender import Recommender
from triptych.training.restore import check_data

EVIDENCE = 10  # reasons that get evidence, unless more are asked for


class Explainer:
    """Explains a recommender's scores; what that takes of the whole model is computed once, here.

    dataset: the data set that it was trained on, whose features are looked at; the split is the recommender's. Needed
    where the model looks at features; without it there is no evidence by features either. look: where titles and
    pictures are. Raises InputError where the model cannot be explained with what is there, SettingsError on a column
    that the item table lacks.
    """

    def __init__(
        self, recommender: Recommender, dataset: Dataset | None = None, *, look: ItemDisplay | None = None
    ) -> None:
        known = recommender.dataset
        if dataset is not None:
            check_data(recommender, dataset)
            dataset = replace(known, features=dataset.features, neighbours=dataset.neighbours)
        self.recommender, self.dataset = recommender, dataset or known
        self.known = recommender.split.train.interactions
        self.look = look or ItemDisplay()
        self.look.check(known)
        self._way = attribution_method(recommender, dataset)

    def explain(
        self, user: str, items: Sequence[str] | None = None, *, k: int = 3, n_evidence: int = EVIDENCE
    ) -> list[Explanation]:
        """Why the user has these items; None: the user's first k recommendations.

        n_evidence: how many reasons of each get evidence. Raises UnknownIdError, InputError.
        """
        row = int(self.recommender.dataset.users.rows([user])[0])
        if items is None:
            listed = self.recommender.recommend([user], k).items[0]
            rows = [int(item) for item in listed if item >= 0]
        else:
            rows = [int(item) for item in self.recommender.dataset.items.rows(list(items))]
        if not rows:
            return []
        scores = self.recommender.scorer.score(np.array([row]))[0].double().cpu().numpy()
        candidates = np.ones(len(scores), dtype=np.bool_)
        known = self.recommender.dataset.interactions
        candidates[known.history(row)] = False
        made = []
        for item, found in zip(rows, self._way(row, rows), strict=True):
            rank = int((scores[candidates] > scores[item]).sum()) + 1 if candidates[item] else None
            made.append(self._told(row, item, float(scores[item]), rank, found, n_evidence))
        return made

    def titles(self, rows: NDArray[np.int64] | Sequence[int]) -> list[str]:
        """The titles of some items, or their ids."""
        return [self.look.title_of(self.recommender.dataset, int(row)) for row in rows]

    def _told(
        self, user: int, item: int, score: float, rank: int | None, found: Contributions, n_evidence: int
    ) -> Explanation:
        found = checked(found, score)
        taken = self.known.history(user)
        users, items = self.recommender.dataset.users, self.recommender.dataset.items
        reasons: list[Reason] = []
        if found.through:
            total = np.sum(list(found.through.values()), axis=0)
            order = np.argsort(-total, kind="stable")
            ids, titles = items.names(taken[order]).to_list(), self.titles(taken[order])
            for position, name, title in zip(order, ids, titles, strict=True):
                through = {channel: float(values[position]) for channel, values in found.through.items()}
                reasons.append(Reason(name, title, float(total[position]), through))
            first = [int(taken[position]) for position in order[:n_evidence]]
            evidence = evidence_of(self.known, self.dataset, user, item, first)
            for position, each in enumerate(evidence):
                reasons[position] = replace(reasons[position], evidence=each)
        return Explanation(
            user=str(users.names(np.array([user]))[0]),
            item=str(items.names(np.array([item]))[0]),
            title=self.titles([item])[0],
            score=score,
            rank=rank,
            model=str(self.recommender.about.get("model", "")),
            reasons=reasons,
            rest=found.rest,
            exact=found.exact,
            statement=found.statement,
        )


def explain(recommender: Recommender, user: str, item: str, dataset: Dataset | None = None) -> Explanation:
    """Why a user has an item: see `Explanation`. Many questions about one model: `Explainer` asks less of the machine.

    dataset: see `Explainer`. Raises UnknownIdError, InputError.
    """
    return Explainer(recommender, dataset).explain(user, [item])[0]
