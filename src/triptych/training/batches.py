"""Shuffled training pairs and sampled negatives. All randomness depends on (seed, epoch, step) only."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from triptych.data.interactions import Interactions
from triptych.models.model import Batch
from triptych.seeds import Purpose, numpy_generator, torch_seed

ROUNDS = 16  # rejection rounds; the remaining negatives are then sampled from each user's unseen items


def torch_generator(device: torch.device, seed: int, purpose: Purpose, *path: int) -> torch.Generator:
    """Return torch's generator on `device` for one purpose. path: where in the run, for example (epoch, step)."""
    return torch.Generator(device=device).manual_seed(torch_seed(seed, purpose, *path))


class Batches:
    """The batches of every epoch; each depends on (seed, epoch, step) only.

    If negatives are needed, users who interacted with all items are left out: there is no negative for them.
    weights: float64 [n] of the interactions, or None.
    """

    def __init__(
        self,
        interactions: Interactions,
        batch_size: int,
        seed: int,
        *,
        negatives: bool,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self.interactions, self.batch_size, self.seed, self.negatives = interactions, batch_size, seed, negatives
        self.weights = None if weights is None else weights.astype(np.float32)
        pairs: NDArray[np.signedinteger] = np.arange(len(interactions), dtype=smallest_integer_type(len(interactions)))
        if negatives:
            pairs = pairs[interactions.user_degrees[interactions.users] < len(interactions.interacted_items)]
        self.pairs = pairs

    @property
    def n_steps(self) -> int:
        """Steps per epoch; the last batch may be smaller."""
        return -(-len(self.pairs) // self.batch_size)

    def order(self, epoch: int) -> NDArray[np.signedinteger]:
        """Return the order of the training pairs in an epoch."""
        return numpy_generator(self.seed, Purpose.BATCH_ORDER, epoch).permutation(self.pairs)

    def batch(self, order: NDArray[np.signedinteger], epoch: int, step: int, device: torch.device) -> Batch:
        """Return the batch of one step of an epoch. order: the result of `order(epoch)`."""
        chosen = order[step * self.batch_size : (step + 1) * self.batch_size]
        users, items = self.interactions.users[chosen], self.interactions.items[chosen]
        negatives = None
        if self.negatives:
            generator = numpy_generator(self.seed, Purpose.NEGATIVES, epoch, step)
            negatives = torch.from_numpy(draw_negatives(self.interactions, users, generator)).to(device)
        weights = None if self.weights is None else torch.from_numpy(self.weights[chosen]).to(device)
        return Batch(torch.from_numpy(users).to(device), torch.from_numpy(items).to(device), negatives, weights)


def smallest_integer_type(n: int) -> type[np.signedinteger]:
    """Return int32 if it can hold n, which halves the memory, else int64."""
    return np.int32 if n <= np.iinfo(np.int32).max else np.int64


def draw_negatives(
    interactions: Interactions, users: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Sample one negative per user, int64 [n]: uniform over the items of other users that this user has not.

    Items without any interaction are not negatives: they may be new, and a missing interaction says nothing about them.
    Raises ValueError for a user who interacted with all items.
    """
    known = interactions.interacted_items
    if (interactions.user_degrees[users] >= len(known)).any():
        raise ValueError("a user who interacted with every item has no negative")
    drawn = known[generator.integers(0, len(known), len(users))]
    seen = np.flatnonzero(interactions.contain(users, drawn))
    for _ in range(ROUNDS):
        if not len(seen):
            return drawn
        drawn[seen] = known[generator.integers(0, len(known), len(seen))]
        seen = seen[interactions.contain(users[seen], drawn[seen])]
    for position in seen:
        history = interactions.history(users[position])
        drawn[position] = generator.choice(np.setdiff1d(known, history, assume_unique=True))
    return drawn
