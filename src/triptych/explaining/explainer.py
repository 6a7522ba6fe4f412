"""Explainer: explains the scores of a recommender. `explain` does it for one user and item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triptych.data.dataset import Dataset
from triptych.data.ids import Id, Ids
from triptych.explaining.contributions import attribution_method
from triptych.explaining.evidence import evidence_of
from triptych.explaining.explanation import Explanation, Reason
from triptych.explaining.item_display import ItemDisplay
from triptych.explaining.terms import Contributions, reconcile
from triptych.ranking.recommender import Recommender
from triptych.ranking.updates import check_not_updated
from triptych.training.restore import check_data

N_EVIDENCE = 10  # reasons with evidence, by default


class Explainer:
    """Explains the scores of a recommender. What depends on the model only is computed once, in the constructor.

    dataset: the data set that the model was trained on. Models with features need it; without it, evidence has no
    similarity. The split is always the recommender's. display: where titles and pictures come from.
    Raises InputError if the model cannot be explained from what is given, SettingsError if the item table lacks a
    column of `display`.
    """

    def __init__(
        self, recommender: Recommender, dataset: Dataset | None = None, *, display: ItemDisplay | None = None
    ) -> None:
        check_not_updated(recommender)
        known = recommender.dataset
        if dataset is not None:
            check_data(recommender, dataset)
            dataset = replace(
                known,
                features=dataset.features,
                neighbours=dataset.neighbours,
                user_features=dataset.user_features,
            )
        self.recommender, self.dataset = recommender, dataset or known
        self.train = recommender.split.train.interactions
        self.display = display or ItemDisplay()
        self.display.check(known)
        self._attribute = attribution_method(recommender, dataset)

    def explain(
        self, user: Id, items: Ids | None = None, *, k: int = 3, n_evidence: int = N_EVIDENCE
    ) -> list[Explanation]:
        """Explain why these items are recommended to a user; None: the user's first k recommendations.

        n_evidence: the number of reasons with evidence, per item. Raises UnknownIdError, InputError.
        """
        row = int(self.recommender.dataset.users.rows([user])[0])
        if items is None:
            recommended = self.recommender.recommend([user], k).items[0]
            rows = [int(item) for item in recommended if item >= 0]
        else:
            rows = [int(item) for item in self.recommender.dataset.items.rows(items)]
        if not rows:
            return []
        scores = self.recommender.scorer.score(np.array([row]))[0].double().cpu().numpy()
        return [
            self._explanation(row, item, scores, reconcile(contributions, float(scores[item])), n_evidence)
            for item, contributions in zip(rows, self._attribute(row, rows), strict=True)
        ]

    def titles(self, rows: NDArray[np.int64] | Sequence[int]) -> list[str]:
        """The titles of item rows; the id of an item without a title."""
        return [self.display.title_of(self.recommender.dataset, int(row)) for row in rows]

    def _explanation(
        self, user: int, item: int, scores: NDArray[np.float64], contributions: Contributions, n_evidence: int
    ) -> Explanation:
        dataset = self.recommender.dataset
        reasons = self._reasons(user, item, contributions, n_evidence) if contributions.components else []
        shown = [str(dataset.items.ids[item]), *(each.item for each in reasons[:n_evidence])]
        return Explanation(
            user=str(dataset.users.names(np.array([user]))[0]),
            item=str(dataset.items.names(np.array([item]))[0]),
            title=self.titles([item])[0],
            score=float(scores[item]),
            rank=self._rank(user, item, scores),
            model=str(self.recommender.about.get("model", "")),
            reasons=reasons,
            rest=contributions.rest,
            exact=contributions.exact,
            statement=contributions.statement,
            picture_files=self._picture_files(shown),
        )

    def _picture_files(self, names: Sequence[str]) -> dict[str, Path]:
        """The picture files of some items, by id, where they are known."""
        if self.display.picture_column is None:
            return {}
        dataset = self.recommender.dataset
        files = {name: self.display.picture_file(dataset, int(dataset.items.rows([name])[0])) for name in names}
        return {name: file for name, file in files.items() if file is not None}

    def _rank(self, user: int, item: int, scores: NDArray[np.float64]) -> int | None:
        """The rank of an item among the user's candidates, from 1; None if the user already has it."""
        candidates = np.ones(len(scores), dtype=np.bool_)
        candidates[self.recommender.dataset.interactions.history(user)] = False
        return int((scores[candidates] > scores[item]).sum()) + 1 if candidates[item] else None

    def _reasons(self, user: int, item: int, contributions: Contributions, n_evidence: int) -> list[Reason]:
        history = self.train.history(user)
        total = np.sum(list(contributions.components.values()), axis=0)
        order = np.argsort(-total, kind="stable")
        ids, titles = self.recommender.dataset.items.names(history[order]).to_list(), self.titles(history[order])
        reasons = []
        for position, name, title in zip(order, ids, titles, strict=True):
            components = {key: float(values[position]) for key, values in contributions.components.items()}
            reasons.append(Reason(name, title, float(total[position]), components))
        first = [int(history[position]) for position in order[:n_evidence]]
        for n, evidence in enumerate(evidence_of(self.train, self.dataset, user, item, first)):
            reasons[n] = replace(reasons[n], evidence=evidence)
        return reasons


def explain(
    recommender: Recommender,
    user: Id,
    item: Id,
    dataset: Dataset | None = None,
    *,
    display: ItemDisplay | None = None,
) -> Explanation:
    """Explain why an item is recommended to a user; see `Explanation`.

    For several questions about one model, `Explainer` is faster. dataset, display: see `Explainer`.
    Raises UnknownIdError, InputError, SettingsError.
    """
    return Explainer(recommender, dataset, display=display).explain(user, [item])[0]
