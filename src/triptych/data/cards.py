"""How data sets, splits, interactions, features, vocabularies and lists show themselves; see `triptych.display`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from triptych.data.split_codes import SPLITS, in_split
from triptych.display import Card, count, sparsity

if TYPE_CHECKING:
    from triptych.data.dataset import Dataset
    from triptych.data.features import Features
    from triptych.data.interactions import Interactions
    from triptych.data.recommendations import Recommendations
    from triptych.data.split import Split
    from triptych.data.vocabulary import Vocabulary

N_LISTS, N_ITEMS, N_IDS, N_COLUMNS = 5, 5, 3, 12  # shown at most


def card_of_dataset(dataset: Dataset) -> Card:
    """Sizes, modalities with their widths and how many items lack them, tables, and the split."""
    return Card("Dataset", [*facts_of_dataset(dataset), *_split_facts(dataset)])


def card_of_split(split: Split) -> Card:
    """The sizes of train, validation and test, and the training data."""
    n_total = sum(map(len, (split.train.interactions, split.validation, split.test))) or 1
    parts = (("train", split.train.interactions), ("validation", split.validation), ("test", split.test))
    sizes = [(name, f"{len(pairs):,} interactions ({100 * len(pairs) / n_total:.1f} %)") for name, pairs in parts]
    return Card(f"Split: {split.how}" if split.how else "Split", [*sizes, *facts_of_dataset(split.train)])


def facts_of_dataset(dataset: Dataset) -> list[tuple[str, str]]:
    """Users, items, interactions, modalities and tables of a data set, as pairs of label and value."""
    n, extras = len(dataset.interactions), []
    extras += ["times"] if dataset.times is not None else []
    extras += ["weights"] if dataset.weights is not None else []
    with_extras = f", with {' and '.join(extras)}" if extras else ""
    facts = [
        ("users", f"{dataset.n_users:,}"),
        ("items", f"{dataset.n_items:,}"),
        ("interactions", f"{n:,} (sparsity {sparsity(n, dataset.n_users, dataset.n_items)}){with_extras}"),
        *_modalities(dataset.features, "item"),
        *_modalities(dataset.user_features, "user"),
    ]
    for noun, table in (("item", dataset.item_table), ("user", dataset.user_table)):
        columns = [name for name in table.columns if name != f"{noun}_id"] if table is not None else []
        if columns:
            more = ", …" if len(columns) > N_COLUMNS else ""
            facts.append((f"{noun} table", ", ".join(columns[:N_COLUMNS]) + more))
    return facts


def _modalities(described: Mapping[str, Features], noun: str) -> list[tuple[str, str]]:
    owner = "" if noun == "item" else " of users"
    return [(f"{name}{owner}", _width_text(features, noun)) for name, features in described.items()]


def _width_text(features: Features, noun: str) -> str:
    verb = "lacks" if features.n_missing == 1 else "lack"
    return f"{features.width:,} wide, {count(features.n_missing, noun)} {verb} it"


def _split_facts(dataset: Dataset) -> list[tuple[str, str]]:
    codes = dataset.split_codes
    if codes is None:
        return []
    sizes = ", ".join(f"{name} {int(in_split(codes, number).sum()):,}" for number, name in enumerate(SPLITS))
    how = str(dataset.about.get("split", ""))
    return [("split", f"{sizes}{f' ({how})' if how else ''}")]


def card_of_interactions(pairs: Interactions) -> Card:
    """Sizes and sparsity, in one line."""
    sizes = f"{len(pairs):,} of {count(pairs.n_users, 'user')} and {count(pairs.n_items, 'item')}"
    return Card(f"Interactions: {sizes} (sparsity {sparsity(len(pairs), pairs.n_users, pairs.n_items)})")


def card_of_features(features: Features) -> Card:
    """Modality, shape, dtype and missing rows, in one line."""
    missing = f"{features.n_missing:,} missing"
    return Card(
        f"Features: {features.modality}, {count(features.n_items, 'row')}, {features.width:,} wide "
        f"({features.table.dtype}), {missing}"
    )


def card_of_vocabulary(vocabulary: Vocabulary) -> Card:
    """The number of ids and the first ones, in one line."""
    ids = [repr(each) for each in islice(vocabulary.ids, N_IDS)]
    more = ", …" if len(vocabulary) > N_IDS else ""
    return Card(f"Vocabulary: {count(len(vocabulary), vocabulary.noun)}{': ' if ids else ''}{', '.join(ids)}{more}")


def card_of_recommendations(lists: Recommendations) -> Card:
    """The number of lists, and the first items of the first ones."""
    n, k = lists.items.shape
    shown = min(k, N_ITEMS)
    first = lists.items[:N_LISTS, :shown]
    names = lists.catalogue.names(np.maximum(first, 0).reshape(-1)).to_list()
    rows = []
    for row, user in enumerate(islice(lists.user_ids, N_LISTS)):
        items = [names[row * shown + n] if first[row, n] >= 0 else "" for n in range(shown)]
        rows.append([str(user), *items, *(["…"] if k > shown else [])])
    header = ["user_id", *(str(rank) for rank in range(1, shown + 1)), *(["…"] if k > shown else [])]
    note = f"and {count(n - N_LISTS, 'more user')}; `to_polars()`, `to_pandas()` and `to_lists()` have all"
    title = f"Recommendations: {count(n, 'user')}, up to {count(k, 'item')} each"
    return Card(title, header=header if rows else (), rows=rows, note=note if n > N_LISTS else "")
