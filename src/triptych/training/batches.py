"""Shuffled pairs, and negatives nobody took. Everything random comes from (seed, epoch, step) alone."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from triptych.data.interactions import Interactions
from triptych.models.model import Batch

ORDER, NEGATIVES, LOSS, EPOCH = 11, 12, 13, 14  # the purposes that randomness is derived for
ROUNDS = 16  # of drawing again what was seen, before the rest is drawn from each user's own unseen items


def numpy_generator(seed: int, *path: int) -> np.random.Generator:
    """The generator of one purpose at one place of one run."""
    return np.random.default_rng([seed, *path])


def torch_generator(device: torch.device, seed: int, *path: int) -> torch.Generator:
    """The same for torch, on `device`."""
    state = np.random.SeedSequence([seed, *path]).generate_state(1, np.uint64)[0]
    return torch.Generator(device=device).manual_seed(int(state >> np.uint64(1)))


class Batches:
    """The batches of every epoch, each found again from (epoch, step) alone.

    Pairs of users who took every item that anybody took are left out where negatives are needed: they have none.
    """

    def __init__(self, interactions: Interactions, batch_size: int, seed: int, *, negatives: bool) -> None:
        self.interactions, self.batch_size, self.seed, self.negatives = interactions, batch_size, seed, negatives
        pairs: NDArray[np.signedinteger] = np.arange(len(interactions), dtype=smallest(len(interactions)))
        if negatives:
            pairs = pairs[interactions.user_degrees[interactions.users] < len(interactions.taken_items)]
        self.pairs = pairs

    @property
    def n_steps(self) -> int:
        """Steps an epoch; the last batch may be smaller."""
        return -(-len(self.pairs) // self.batch_size)

    def order(self, epoch: int) -> NDArray[np.signedinteger]:
        """The order in which an epoch goes through the pairs."""
        return numpy_generator(self.seed, ORDER, epoch).permutation(self.pairs)

    def batch(self, order: NDArray[np.signedinteger], epoch: int, step: int, device: torch.device) -> Batch:
        """The batch of one step of an epoch whose order is `order`."""
        chosen = order[step * self.batch_size : (step + 1) * self.batch_size]
        users, items = self.interactions.users[chosen], self.interactions.items[chosen]
        negatives = None
        if self.negatives:
            generator = numpy_generator(self.seed, NEGATIVES, epoch, step)
            negatives = torch.from_numpy(draw_negatives(self.interactions, users, generator)).to(device)
        return Batch(torch.from_numpy(users).to(device), torch.from_numpy(items).to(device), negatives)


def smallest(n: int) -> type[np.signedinteger]:
    """The integers that count to n: half the memory where they suffice."""
    return np.int32 if n <= np.iinfo(np.int32).max else np.int64


def draw_negatives(
    interactions: Interactions, users: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    """int64 [n]: for every user one item, uniform among those that others took, and the user did not.

    What nobody took is no negative: it may be new, and to be told apart from what is unwanted it has nothing but that.
    Raises ValueError for a user who took all of them.
    """
    known = interactions.taken_items
    if (interactions.user_degrees[users] >= len(known)).any():
        raise ValueError("a user who took every item has no negative")
    drawn = known[generator.integers(0, len(known), len(users))]
    seen = np.flatnonzero(interactions.contain(users, drawn))
    for _ in range(ROUNDS):
        if not len(seen):
            return drawn
        drawn[seen] = known[generator.integers(0, len(known), len(seen))]
        seen = seen[interactions.contain(users[seen], drawn[seen])]
    for place in seen:
        taken = interactions.items[interactions.starts[users[place]] : interactions.starts[users[place] + 1]]
        drawn[place] = generator.choice(np.setdiff1d(known, taken, assume_unique=True))
    return drawn
