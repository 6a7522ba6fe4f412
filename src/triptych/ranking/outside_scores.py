"""A recommender from scores that were made elsewhere: evaluated and blended as a fitted model is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triptych.data.dataset import Dataset
from triptych.data.formats.given_lists import ListForm
from triptych.data.formats.reading import GUESS, Reading
from triptych.data.formats.scores_file import read_scores
from triptych.data.recommendations import Recommendations
from triptych.data.split import Split
from triptych.data.vocabulary import known_rows, unknown_note
from triptych.errors import InputError, location, warn_of
from triptych.ranking.given_scores import GIVEN, GivenScores
from triptych.ranking.recommender import Recommender


def recommender_from_scores(
    scores: Any, dataset: Dataset, *, form: ListForm = ListForm(), reading: Reading = GUESS
) -> Recommender:
    """Return a recommender of given scores, for `blend` and `evaluate`; pairs without a score are never ranked.

    scores: a file or a frame of user, item and score, a run (see docs/submissions.md), `Recommendations`, or user ->
    item -> score. They must not come from a model that learned the held-out interactions. dataset: with its split, or
    `recommender.dataset`. form: the columns, if they are not guessed. Unknown users and items are passed over with an
    InputWarning. Raises InputError for scores that cannot be read, or if no pair of them is known.
    """
    pairs = read_scores(scores.to_polars() if isinstance(scores, Recommendations) else scores, form, reading)
    users, unknown_users = known_rows(dataset.users, pairs.users)
    items, unknown_items = known_rows(dataset.items, pairs.items)
    known = (users >= 0) & (items >= 0)
    if not known.any():
        raise InputError(
            "no score is of a known user and a known item",
            where=location(Path(pairs.name)),
            hint="name its columns, or the data set that it was made for",
        )
    effect = f"their scores in {pairs.name} are passed over"
    warn_of((*pairs.notes, *unknown_note(unknown_users, "user", effect), *unknown_note(unknown_items, "item", effect)))
    shape = (dataset.n_users, dataset.n_items)
    scorer = GivenScores.from_pairs(users[known], items[known], pairs.scores.to_numpy()[known], shape)
    about: dict[str, Any] = {
        "model": GIVEN,
        "settings": {},
        "modalities": {},
        "scores": {"from": pairs.name, "pairs": int(known.sum()), "users": int(np.sum(scorer.has_scores))},
        "data": dataset.fingerprint or "in memory",
        "split": dataset.about.get("split"),
    }
    return Recommender(scorer, Split.from_dataset(dataset).known_interactions(), about=about)


def given_scores_for(dataset: Dataset, scorer: GivenScores, known: Dataset, about: Mapping[str, Any]) -> Recommender:
    """Return given scores for the users and items of another data set, by their ids; others are left out.

    scorer, about: of a recommender, or of a member of a blend. known: the data set of its rows.
    """
    pairs = scorer.scores.tocoo()
    users = dataset.users.find(known.users.ids)[pairs.row]
    items = dataset.items.find(known.items.ids)[pairs.col]
    kept = (users >= 0) & (items >= 0)
    shape = (dataset.n_users, dataset.n_items)
    same = GivenScores.from_pairs(users[kept], items[kept], pairs.data[kept].astype(np.float64), shape)
    return Recommender(same, dataset, about={**about, "data": dataset.fingerprint or "in memory"})
