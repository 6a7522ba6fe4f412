"""The users that lists are requested for: known ones are ranked; unknown ones are refused, left out or get popular."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.id_types import IdType, description, first_without_type
from triptych.data.ids import Ids, id_series
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError, argument, did_you_mean, warn_of

Unknown = Literal["raise", "warn", "popular"]
Ranked = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]  # user rows, items [n, k], scores [n, k]
Popular = tuple[NDArray[np.int64], NDArray[np.float32]]  # items [k] and scores [k], or those of n users
Lists = tuple[pl.Series, NDArray[np.int64], NDArray[np.float32]]  # the same with user ids
CHUNK = 4096  # unknown users at a time


class UnknownUserWarning(UserWarning):
    """Some requested users are unknown and were left out."""


@dataclass(frozen=True)
class RequestedUsers:
    """Requested users. ids: String series [n]. rows: int64 [n], -1 for unknown users, who get the popular items.

    id_type: of the ids in lists.
    """

    ids: pl.Series
    rows: NDArray[np.int64]
    id_type: IdType = "string"

    @property
    def known(self) -> NDArray[np.int64]:
        """int64 [m]: the rows of the known users, in the order of the request."""
        return self.rows[self.rows >= 0]

    def in_order(self, ranked: Iterable[Ranked], popular: Popular) -> Iterator[Lists]:
        """Yield the lists of all users in the order of the request, a chunk at a time.

        ranked: the lists of the known users, in their order. popular: the items and scores of unknown ones.
        """
        positions, done, begin = np.flatnonzero(self.rows >= 0), 0, 0
        for chunk, items, scores in ranked:
            places = positions[done : done + len(chunk)]
            done += len(chunk)
            end = int(places[-1]) + 1 if done < len(positions) else len(self.rows)
            yield from self._chunks(begin, end, places, (items, scores), popular)
            begin = end
        yield from self._chunks(
            begin, len(self.rows), positions[:0], (popular[0][None][:0], popular[1][None][:0]), popular
        )

    def _chunks(
        self, begin: int, end: int, places: NDArray[np.int64], lists: Popular, popular: Popular
    ) -> Iterator[Lists]:
        """Yield the users from begin to end. places: the positions of those of `lists`; the others get `popular`."""
        for first in range(begin, end, CHUNK):
            n = min(CHUNK, end - first)
            here = (places >= first) & (places < first + n)
            items, scores = np.repeat(popular[0][None], n, axis=0), np.repeat(popular[1][None], n, axis=0)
            items[places[here] - first], scores[places[here] - first] = lists[0][here], lists[1][here]
            yield self.ids[first : first + n], items, scores


def requested_users(vocabulary: Vocabulary, users: Ids | None, unknown: Unknown) -> RequestedUsers:
    """Find the requested users; None: all. unknown: see `Recommender.recommend`.

    Raises SettingsError for an unknown choice, UnknownIdError, InputError for what is no list of ids.
    """
    if unknown not in get_args(Unknown):
        raise SettingsError(f'unknown choice "{unknown}"', hint=did_you_mean(unknown, get_args(Unknown)))
    if users is None:
        return RequestedUsers(vocabulary.ids, np.arange(len(vocabulary), dtype=np.int64), vocabulary.id_type)
    given = id_series(users, "user")
    rows = vocabulary.rows(given) if unknown == "raise" else vocabulary.find(given)
    known, names = rows >= 0, given.to_list()
    own = vocabulary.names(rows[known]).to_list()
    if unknown == "warn" and not known.all():
        left_out = [names[position] for position in np.flatnonzero(~known)]
        shown = ", ".join(left_out[:5]) + (", …" if len(left_out) > 5 else "")
        warn_of([f"{len(left_out)} unknown users are left out: {shown}"], UnknownUserWarning)
        return RequestedUsers(pl.Series("id", own, dtype=pl.String), rows[known], vocabulary.id_type)
    for position, name in zip(np.flatnonzero(known), own, strict=True):
        names[position] = name
    ids = pl.Series("id", names, dtype=pl.String)
    other = first_without_type(ids, vocabulary.id_type)
    if other is not None:
        raise InputError(
            f'"{other}" cannot be in lists: the user ids of the model are {description(vocabulary.id_type)}',
            hint=f"give such ids, or pass {argument(unknown='warn')} to leave others out",
        )
    return RequestedUsers(ids, rows, vocabulary.id_type)
