"""A small simulated shop. Its customers' tastes are known, because they are part of the simulation.

The shop sells vases, lamps, folding triptychs and other goods. Every item has attributes on three panels:

- picture: palette, motif and form, which are visible in its picture only;
- text: theme and mood, which appear in its title and description only;
- metadata: category, materials (several) and price, which are columns of the item table.

The picture also shows the silhouette of the category, and a title ends in the category's name.

The choice model. A customer likes one or two values of every attribute, and avoids one. Every customer gives the panels
different weights. Some tastes are shared with a circle of similar customers, but most are individual. With the appeal
a_i of an item, the attributes x_i of an item and the tastes t_u of a customer,

    P(item | user) ∝ exp(a_i + t_u·x_i)

A customer chooses items one after another, without replacement. Nothing else decides a choice. In particular, the
choices are not made from a low-rank factorisation, which would favour models of that form.

Why the task is hard, on purpose. The appeal does not depend on the attributes, so content does not reveal it. The maker
is an attribute that no content shows: only the choices of other customers reveal it. Pictures vary in position, size,
angle, light, tint and grain. Texts use synonyms among sentences without information. Some pictures and descriptions are
missing. Most customers have only a few interactions.

The ceiling. `true_log_probabilities` is log P(item | user). Consider two items that are not in a customer's training
history. The more probable one is at least as likely to be held out as the other. So no ranking has a higher expected
NDCG or recall than the ranking by this probability. A model must learn the tastes from few choices and stays below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from triptych.demo.wording import MOODS, THEMES, make_description, make_titles

PALETTES = ("moss", "terracotta", "indigo", "ochre", "blush", "charcoal", "lagoon", "plum", "lemon", "oxblood")
MOTIFS = ("stripes", "waves", "dots", "checks", "scallops", "zigzag", "leaves", "terrazzo", "arches", "stars")
FORMS = ("slim", "full", "angular", "lobed")
CATEGORIES = ("vase", "bowl", "jug", "lamp", "plate", "tray", "cushion", "triptych")
MATERIALS = ("stoneware", "porcelain", "glass", "brass", "oak", "walnut", "linen", "wool", "paper", "leather")
N_MAKERS = 8

# attribute -> its values; the columns of `Items.attributes` and `World.tastes` are in this order
ATTRIBUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "palette": PALETTES,
        "motif": MOTIFS,
        "form": FORMS,
        "theme": tuple(THEMES),
        "mood": tuple(MOODS),
        "category": CATEGORIES,
        "materials": MATERIALS,
        "price": ("log price",),
        "maker": tuple(f"hand {number}" for number in range(N_MAKERS)),
    }
)
PANELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "picture": ("palette", "motif", "form"),
        "text": ("theme", "mood"),
        "metadata": ("category", "materials", "price"),
        "hidden": ("maker",),
    }
)
# the scale of the tastes for an attribute, for a customer with equal weights of all panels
IMPORTANCE: Mapping[str, float] = MappingProxyType(
    {
        "palette": 3.5,
        "motif": 0.6,
        "form": 0.2,
        "theme": 3.5,
        "mood": 0.5,
        "category": 2.5,
        "materials": 0.5,
        "price": 0.3,
        "maker": 0.3,
    }
)
# the possible materials of a category, and its median price with plain materials
MATERIALS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "vase": ("stoneware", "porcelain", "glass", "brass"),
        "bowl": ("stoneware", "porcelain", "glass", "oak", "walnut"),
        "jug": ("stoneware", "porcelain", "glass", "brass"),
        "lamp": ("stoneware", "porcelain", "glass", "brass", "oak", "linen", "paper"),
        "plate": ("stoneware", "porcelain", "glass", "oak"),
        "tray": ("oak", "walnut", "brass", "leather", "paper"),
        "cushion": ("linen", "wool", "leather"),
        "triptych": ("oak", "walnut", "paper", "linen", "brass", "leather"),
    }
)
MEDIAN_PRICE: Mapping[str, float] = MappingProxyType(
    {
        "vase": 48.0,
        "bowl": 32.0,
        "jug": 40.0,
        "lamp": 110.0,
        "plate": 26.0,
        "tray": 38.0,
        "cushion": 45.0,
        "triptych": 160.0,
    }
)
EXPENSIVE = frozenset({"porcelain", "brass", "walnut", "wool", "leather"})  # each adds a quarter to the price
DAY = 86_400
OPENING_DAY = 1_672_531_200  # the first possible timestamp: 2023-01-01, UTC


@dataclass(frozen=True)
class Sizes:
    """The size and the difficulty of the world."""

    n_users: int = 2000
    n_items: int = 3000
    n_circles: int = 40
    min_interactions: int = 4  # per customer
    max_interactions: int = 60
    median_extra: float = 2.5  # the median number of interactions beyond `min_interactions`
    activity_std: float = 1.1  # standard deviation of the log of that number, which is log-normal
    appeal_std: float = 0.5  # standard deviation of the items' appeal
    conformity: float = 0.2  # share of tastes that come from the circle
    missing_pictures: float = 0.04
    missing_descriptions: float = 0.06


@dataclass(frozen=True)
class Items:
    """The items; every field has n_items rows.

    palette, motif, form, theme, mood, category, maker: int64 [n_items], index of the value in `ATTRIBUTES`.
    materials: bool [n_items, len(MATERIALS)]. price: float64 [n_items], whole numbers minus 0.1.
    appeal: float64 [n_items], a of the choice model. descriptions: None if missing. has_picture: bool [n_items].
    """

    palette: NDArray[np.int64]
    motif: NDArray[np.int64]
    form: NDArray[np.int64]
    theme: NDArray[np.int64]
    mood: NDArray[np.int64]
    category: NDArray[np.int64]
    maker: NDArray[np.int64]
    materials: NDArray[np.bool_]
    price: NDArray[np.float64]
    appeal: NDArray[np.float64]
    titles: tuple[str, ...]
    descriptions: tuple[str | None, ...]
    has_picture: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.titles)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the items in the files, in the order of the rows."""
        return tuple(f"T{row:04d}" for row in range(len(self)))

    @property
    def attributes(self) -> NDArray[np.float64]:
        """float64 [n_items, n_attributes]: x of the choice model, columns in the order of `ATTRIBUTES`."""
        log_price = np.log(self.price)
        columns: list[NDArray[np.float64]] = []
        for attribute, values in ATTRIBUTES.items():
            if attribute == "price":
                columns.append(((log_price - log_price.mean()) / log_price.std())[:, None])
            elif attribute == "materials":
                columns.append(self.materials.astype(np.float64))
            else:
                columns.append(np.eye(len(values))[getattr(self, attribute)])
        return np.concatenate(columns, axis=1)


@dataclass(frozen=True)
class World:
    """The items, the customers' tastes and their interactions.

    tastes: float64 [n_users, n_attributes], t of the choice model.
    interaction_users, interaction_items: int64 [n_interactions] rows, sorted by user, then by the order of choice.
    timestamps: int64 [n_interactions], seconds. seed: the seed of the world, from which the pictures are drawn too.
    """

    items: Items
    tastes: NDArray[np.float64] = field(repr=False)
    interaction_users: NDArray[np.int64] = field(repr=False)
    interaction_items: NDArray[np.int64] = field(repr=False)
    timestamps: NDArray[np.int64] = field(repr=False)
    seed: int = 0

    @property
    def n_users(self) -> int:
        return len(self.tastes)

    @property
    def user_ids(self) -> tuple[str, ...]:
        """The ids of the users in the files, in the order of the rows."""
        return tuple(f"c{row:04d}" for row in range(self.n_users))


def make_world(seed: int, sizes: Sizes | None = None) -> World:
    """Draw a world. The same seed and sizes give the same world."""
    sizes = sizes or Sizes()
    items = make_items(sizes, np.random.default_rng([seed, 0]))
    tastes = make_tastes(sizes, np.random.default_rng([seed, 1]))
    log_probabilities = _log_probabilities(items, tastes)
    users, chosen, timestamps = draw_interactions(sizes, log_probabilities, np.random.default_rng([seed, 2]))
    return World(items, tastes, users, chosen, timestamps, seed)


def true_log_probabilities(world: World) -> NDArray[np.float32]:
    """float32 [n_users, n_items]: log P(item | user), whose ranking has the highest expected NDCG and recall."""
    return _log_probabilities(world.items, world.tastes).astype(np.float32)


def make_items(sizes: Sizes, generator: np.random.Generator) -> Items:
    """Draw items. Attributes are independent, except materials and price, which depend on the category."""
    n = sizes.n_items
    drawn = {
        attribute: generator.integers(len(ATTRIBUTES[attribute]), size=n)
        for attribute in ("palette", "motif", "form", "theme", "mood", "category", "maker")
    }
    materials = np.zeros((n, len(MATERIALS)), dtype=np.bool_)
    price = np.empty(n)
    for row, category in enumerate(CATEGORIES[each] for each in drawn["category"]):
        n_materials = generator.choice([1, 2, 3], p=[0.5, 0.35, 0.15])
        chosen = generator.choice(MATERIALS_OF[category], size=n_materials, replace=False)
        materials[row, [MATERIALS.index(material) for material in chosen]] = True
        surcharge = 1.25 ** len(EXPENSIVE.intersection(chosen))
        price[row] = np.round(MEDIAN_PRICE[category] * surcharge * np.exp(generator.normal(0.0, 0.35)))
    titles = make_titles(drawn["theme"], drawn["mood"], [CATEGORIES[each] for each in drawn["category"]], generator)
    descriptions = [
        make_description(int(theme), int(mood), generator)
        for theme, mood in zip(drawn["theme"], drawn["mood"], strict=True)
    ]
    without_description = generator.random(n) < sizes.missing_descriptions
    return Items(
        **drawn,
        materials=materials,
        price=np.maximum(price, 5.0) - 0.1,
        appeal=generator.normal(0.0, sizes.appeal_std, size=n),
        titles=tuple(titles),
        descriptions=tuple(
            None if missing else text for text, missing in zip(descriptions, without_description, strict=True)
        ),
        has_picture=generator.random(n) >= sizes.missing_pictures,
    )


def make_tastes(sizes: Sizes, generator: np.random.Generator) -> NDArray[np.float64]:
    """float64 [n_users, n_attributes]: the tastes of the customers, some of them copied from their circles."""
    circles = generator.integers(sizes.n_circles, size=sizes.n_users)
    columns: dict[str, NDArray[np.float64]] = {}
    for attribute, values in ATTRIBUTES.items():
        shared = _draw_tastes(len(values), sizes.n_circles, generator)[circles]
        individual = _draw_tastes(len(values), sizes.n_users, generator)
        conforms = generator.random((sizes.n_users, 1)) < sizes.conformity
        columns[attribute] = IMPORTANCE[attribute] * np.where(conforms, shared, individual)
    weights = generator.dirichlet([3.0] * 3, size=sizes.n_users) * 3  # of the three visible panels
    for number, panel in enumerate(("picture", "text", "metadata")):
        for attribute in PANELS[panel]:
            columns[attribute] = columns[attribute] * weights[:, number, None]
    return np.concatenate(list(columns.values()), axis=1)


def draw_interactions(
    sizes: Sizes, log_probabilities: NDArray[np.float64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(users, items, timestamps), int64 [n_interactions] each: choices without replacement, in the order of choice."""
    extra = np.exp(np.log(sizes.median_extra) + sizes.activity_std * generator.standard_normal(sizes.n_users))
    counts = np.minimum(sizes.min_interactions + np.floor(extra).astype(np.int64), sizes.max_interactions)
    # the k largest of log P + Gumbel noise are k draws without replacement, in order
    order = np.argsort(-(log_probabilities + generator.gumbel(size=log_probabilities.shape)), axis=1)
    kept = np.arange(order.shape[1]) < counts[:, None]
    users = np.repeat(np.arange(sizes.n_users, dtype=np.int64), counts)
    first_days = generator.uniform(0, 540, size=sizes.n_users)
    gaps = generator.exponential(12.0, size=len(users))  # days between two choices of one customer
    gaps_before = np.cumsum(gaps)
    starts = np.cumsum(counts) - counts
    days = first_days[users] + gaps_before - gaps_before[starts][users]
    return users, order[kept].astype(np.int64), (OPENING_DAY + days * DAY).astype(np.int64)


def _draw_tastes(n_values: int, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """float64 [n, n_values]: 1 for the favourite value, 0.6 or 0 for a second, -1 for one that is avoided."""
    if n_values == 1:  # a number (the price): how much more or less of it a customer likes
        return generator.normal(0.0, 1.0, size=(n, 1))
    positions = np.argsort(generator.random((n, n_values)), axis=1)
    has_second = generator.random(n) < 0.6
    liked = np.where(positions == 0, 1.0, 0.0) + np.where(positions == 1, 0.6 * has_second[:, None], 0.0)
    return np.asarray(liked - (positions == 2), dtype=np.float64)


def _log_probabilities(items: Items, tastes: NDArray[np.float64]) -> NDArray[np.float64]:
    utility = items.appeal + tastes @ items.attributes.T
    top = utility.max(axis=1, keepdims=True)
    return np.asarray(utility - top - np.log(np.exp(utility - top).sum(axis=1, keepdims=True)))
