"""A small shop whose customers' tastes are known, because they were planted.

The shop is a studio that sells vases, bowls, lamps, folding triptychs … Every item has attributes on three panels:

- picture: palette, motif and form, which only its picture shows;
- words: theme and mood, which only its title and description tell;
- metadata: category, materials (several) and price, which stand in the table.

(The picture shows the category's silhouette too, and a title ends in its noun, as in any shop.)

How choices come about. A customer likes one or two values of every attribute, and avoids one; panels weigh differently
for each customer. Some of these likings are shared with a circle of like-minded customers, most are their own. With a
the item's appeal and t·x what the customer's tastes say of the item's attributes,

    P(item | user) ∝ exp(a_i + t_u·x_i)

and a customer takes items one after another, without replacement. Nothing else drives a choice: no model had a say
in it, and in particular nothing is an inner product of a few hidden factors that one model could be made of.

What makes it hard, on purpose: appeal follows no attribute, so content cannot tell it. The unsigned maker's hand is an
attribute with a taste for it that no content shows at all: only other customers' choices tell. Pictures vary in place,
size, angle, light, tint and grain; words are drawn from synonyms among sentences that mean nothing; some pictures and
descriptions are missing. And most customers have taken a handful of items.

The ceiling. `true_log_probabilities` is log P(item | user). Of two items that a customer has not been seen to take, the
likelier is at least as likely to be among those held out, so no ranking has a higher expected NDCG or recall than this
one, not even one that knows the tastes. A model that must learn the tastes from few choices stays below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from triptych.demo.wording import MOODS, THEMES, describe, entitle

PALETTES = ("moss", "terracotta", "indigo", "ochre", "blush", "charcoal", "lagoon", "plum", "lemon", "oxblood")
MOTIFS = ("stripes", "waves", "dots", "checks", "scallops", "zigzag", "leaves", "terrazzo", "arches", "stars")
FORMS = ("slim", "full", "angular", "lobed")
CATEGORIES = ("vase", "bowl", "jug", "lamp", "plate", "tray", "cushion", "triptych")
MATERIALS = ("stoneware", "porcelain", "glass", "brass", "oak", "walnut", "linen", "wool", "paper", "leather")
N_MAKERS = 8

# attribute -> its values; the order is the order of columns of `Items.attributes` and `World.tastes`
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
        "words": ("theme", "mood"),
        "metadata": ("category", "materials", "price"),
        "unseen": ("maker",),
    }
)
# how much an attribute matters to a customer who weighs all panels alike
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
# what a category is made of, and what it costs in the middle (the price of a plain one)
MADE_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
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
MIDDLE_PRICE: Mapping[str, float] = MappingProxyType(
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
DEARER = frozenset({"porcelain", "brass", "walnut", "wool", "leather"})  # a quarter more each
DAY = 86_400
OPENING_DAY = 1_672_531_200  # the shop's first timestamp: 2023-01-01, UTC


@dataclass(frozen=True)
class Sizes:
    """How large the world is, and how hard."""

    n_users: int = 2000
    n_items: int = 3000
    n_circles: int = 40
    fewest: int = 4  # interactions of a customer
    most: int = 60
    median_more: float = 2.5  # half of the customers have taken at most so many more than `fewest`
    spread: float = 1.1  # of the log-normal tail of activity
    appeal: float = 0.5  # spread of the items' log-appeal
    conformity: float = 0.2  # share of likings that come from the circle
    missing_pictures: float = 0.04
    missing_descriptions: float = 0.06


@dataclass(frozen=True)
class Items:
    """What the items are; n_items rows in every field.

    palette, motif, form, theme, mood, category, maker: int64 [n_items], index of the value in `ATTRIBUTES`.
    materials: bool [n_items, len(MATERIALS)]. price: float64 [n_items], in whole coins and cents.
    appeal: float64 [n_items], log-appeal. titles; descriptions, None where missing; has_picture: bool [n_items].
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
        """The items' outside ids, in the order of the rows."""
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
    """The shop, its customers' planted tastes, and what they took.

    tastes: float64 [n_users, n_attributes], t of the choice model.
    taken_users, taken_items: int64 [n_interactions] rows, by user and then in the order of taking.
    timestamps: int64 [n_interactions], seconds. seed: what it was made from, for the pictures.
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
        """The users' outside ids, in the order of the rows."""
        return tuple(f"c{row:04d}" for row in range(self.n_users))


def make_world(seed: int, sizes: Sizes | None = None) -> World:
    """The world of a seed: the same seed and sizes give the same world."""
    sizes = sizes or Sizes()
    items = make_items(sizes, np.random.default_rng([seed, 0]))
    tastes = make_tastes(sizes, np.random.default_rng([seed, 1]))
    users, taken, timestamps = take_items(sizes, _log_probabilities(items, tastes), np.random.default_rng([seed, 2]))
    return World(items, tastes, users, taken, timestamps, seed)


def true_log_probabilities(world: World) -> NDArray[np.float32]:
    """float32 [n_users, n_items]: log P(item | user), the ranking that cannot be beaten in expectation."""
    return _log_probabilities(world.items, world.tastes).astype(np.float32)


def make_items(sizes: Sizes, generator: np.random.Generator) -> Items:
    """Items whose attributes are independent of each other, but for materials and price, which follow the category."""
    n = sizes.n_items
    drawn = {
        attribute: generator.integers(len(ATTRIBUTES[attribute]), size=n)
        for attribute in ("palette", "motif", "form", "theme", "mood", "category", "maker")
    }
    materials = np.zeros((n, len(MATERIALS)), dtype=np.bool_)
    price = np.empty(n)
    for row, category in enumerate(CATEGORIES[each] for each in drawn["category"]):
        n_materials = generator.choice([1, 2, 3], p=[0.5, 0.35, 0.15])
        chosen = generator.choice(MADE_OF[category], size=n_materials, replace=False)
        materials[row, [MATERIALS.index(material) for material in chosen]] = True
        dearer = 1.25 ** len(DEARER.intersection(chosen))
        price[row] = np.round(MIDDLE_PRICE[category] * dearer * np.exp(generator.normal(0.0, 0.35)))
    titles = entitle(drawn["theme"], drawn["mood"], [CATEGORIES[each] for each in drawn["category"]], generator)
    descriptions = [
        describe(int(theme), int(mood), generator) for theme, mood in zip(drawn["theme"], drawn["mood"], strict=True)
    ]
    lacks_description = generator.random(n) < sizes.missing_descriptions
    return Items(
        **drawn,
        materials=materials,
        price=np.maximum(price, 5.0) - 0.1,
        appeal=generator.normal(0.0, sizes.appeal, size=n),
        titles=tuple(titles),
        descriptions=tuple(
            None if lacks else text for text, lacks in zip(descriptions, lacks_description, strict=True)
        ),
        has_picture=generator.random(n) >= sizes.missing_pictures,
    )


def make_tastes(sizes: Sizes, generator: np.random.Generator) -> NDArray[np.float64]:
    """float64 [n_users, n_attributes]: what every customer likes, some of it after the customer's circle."""
    circles = generator.integers(sizes.n_circles, size=sizes.n_users)
    columns: dict[str, NDArray[np.float64]] = {}
    for attribute, values in ATTRIBUTES.items():
        shared = _likings(len(values), sizes.n_circles, generator)[circles]
        own = _likings(len(values), sizes.n_users, generator)
        conforms = generator.random((sizes.n_users, 1)) < sizes.conformity
        columns[attribute] = IMPORTANCE[attribute] * np.where(conforms, shared, own)
    weights = generator.dirichlet([3.0] * 3, size=sizes.n_users) * 3  # of the three panels that content shows
    for number, panel in enumerate(("picture", "words", "metadata")):
        for attribute in PANELS[panel]:
            columns[attribute] = columns[attribute] * weights[:, number, None]
    return np.concatenate(list(columns.values()), axis=1)


def take_items(
    sizes: Sizes, log_probabilities: NDArray[np.float64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(users, items, timestamps), int64 [n_interactions] each: choices without replacement, in the order of taking."""
    more = np.exp(np.log(sizes.median_more) + sizes.spread * generator.standard_normal(sizes.n_users))
    counts = np.minimum(sizes.fewest + np.floor(more).astype(np.int64), sizes.most)
    # the k largest of log P + Gumbel noise are k draws without replacement, in the order of drawing
    order = np.argsort(-(log_probabilities + generator.gumbel(size=log_probabilities.shape)), axis=1)
    kept = np.arange(order.shape[1]) < counts[:, None]
    users = np.repeat(np.arange(sizes.n_users, dtype=np.int64), counts)
    first_days = generator.uniform(0, 540, size=sizes.n_users)
    gaps = generator.exponential(12.0, size=len(users))  # days between two of a customer's choices
    gaps_before = np.cumsum(gaps)
    starts = np.cumsum(counts) - counts
    days = first_days[users] + gaps_before - gaps_before[starts][users]
    return users, order[kept].astype(np.int64), (OPENING_DAY + days * DAY).astype(np.int64)


def _likings(n_values: int, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """float64 [n, n_values]: 1 for the value liked most, a half for a second, -1 for one avoided; a sign for one."""
    if n_values == 1:
        return generator.normal(0.0, 1.0, size=(n, 1))
    positions = np.argsort(generator.random((n, n_values)), axis=1)
    has_second = generator.random(n) < 0.6
    liked = np.where(positions == 0, 1.0, 0.0) + np.where(positions == 1, 0.6 * has_second[:, None], 0.0)
    return np.asarray(liked - (positions == 2), dtype=np.float64)


def _log_probabilities(items: Items, tastes: NDArray[np.float64]) -> NDArray[np.float64]:
    utility = items.appeal + tastes @ items.attributes.T
    top = utility.max(axis=1, keepdims=True)
    return np.asarray(utility - top - np.log(np.exp(utility - top).sum(axis=1, keepdims=True)))
