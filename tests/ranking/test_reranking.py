"""Re-ranked lists equal a greedy choice by brute force, keep quotas, and come nearer to the histories."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from triptych.data.interactions import Interactions
from triptych.errors import InputError, SettingsError
from triptych.ranking.greedy import SMOOTHING, CalibrationRule, DiversityRule, ListRules, QuotaRule, fill_lists
from triptych.ranking.item_groups import ItemGroups, groups_by_column, groups_by_popularity
from triptych.ranking.reranking import Calibration, Diversity, ItemKnowledge, Quota, list_rules, pool_size, rerank
from triptych.ranking.scorer import Factors
from triptych.ranking.topk import top_k
from triptych.ranking.unit_vectors import unit_rows

N_ITEMS, N_USERS, POOL = 30, 6, 18
TOLERANCE = 1e-5


def random_groups(generator: np.random.Generator, n_groups: int = 4, width: int = 2) -> ItemGroups:
    """Return groups of which an item has none, one or two."""
    slots = np.sort(generator.integers(0, n_groups + 1, (N_ITEMS, width)), axis=1)
    slots[slots[:, 0] == slots[:, -1], 1:] = n_groups
    return ItemGroups(tuple(f"g{n}" for n in range(n_groups)), slots.astype(np.int64))


def random_history(generator: np.random.Generator) -> Interactions:
    """Return histories; the first user has none."""
    pairs = np.argwhere(generator.random((N_USERS, N_ITEMS)) < 0.2)
    pairs = pairs[pairs[:, 0] > 0]
    return Interactions.from_pairs(pairs[:, 0], pairs[:, 1], N_USERS, N_ITEMS)


def random_pools(generator: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return pools, the last of which is shorter and padded."""
    items = np.array([generator.permutation(N_ITEMS)[:POOL] for _ in range(N_USERS)], dtype=np.int64)
    scores = -np.sort(-generator.standard_normal((N_USERS, POOL)), axis=1).astype(np.float32)
    items[-1, 12:], scores[-1, 12:] = -1, -np.inf
    return items, scores


def random_rules(seed: int, weights: tuple[float, float], at_most: int | None) -> tuple[np.random.Generator, ListRules]:
    generator = np.random.default_rng(seed)
    vectors = unit_rows(generator.standard_normal((N_ITEMS, 5)).astype(np.float32))
    diversity, calibration = weights
    return generator, ListRules(
        (DiversityRule(vectors, diversity),) if diversity else (),
        (QuotaRule(random_groups(generator), at_most),) if at_most else (),
        (CalibrationRule(random_groups(generator), calibration, random_history(generator)),) if calibration else (),
    )


def members(groups: ItemGroups, item: int) -> list[int]:
    return [int(slot) for slot in groups.slots[item] if slot < groups.n_groups]


def distribution(groups: ItemGroups, items: list[int]) -> NDArray[np.float64]:
    """How items are divided over groups; each gives 1 / their number to each of its groups."""
    shares = np.zeros(groups.n_groups)
    for item in items:
        for group in members(groups, item):
            shares[group] += 1 / len(members(groups, item))
    return shares


def divergence(rule: CalibrationRule, user: int, items: list[int]) -> float:
    p = distribution(rule.groups, rule.history.history(user).tolist() if user >= 0 else [])
    p = p / p.sum() if p.sum() else p
    q = (1 - SMOOTHING) * distribution(rule.groups, items) / max(len(items), 1) + SMOOTHING * p
    return float(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0))


def value(
    rules: ListRules, user: int, item: int, chosen: list[int], pool: NDArray[np.int64], scores: NDArray[np.float32]
) -> float:
    """The value of adding an item to a list, by the formula of `ranking/greedy.py`; -inf if a quota forbids it."""
    for quota in rules.quotas:
        for group in members(quota.groups, item):
            if sum(group in members(quota.groups, other) for other in chosen) >= quota.at_most:
                return -math.inf
    real = scores[pool >= 0].astype(np.float64)
    relevance = (float(scores[list(pool).index(item)]) - real.min()) / (real.max() - real.min())
    result = float(rules.relevance_weight * relevance)
    for rule in rules.diversity:
        cosines = [float(rule.vectors[item].astype(np.float64) @ rule.vectors[other]) for other in chosen]
        result -= rule.weight * max(cosines, default=0.0)
    for rule_c in rules.calibration:
        result -= rule_c.weight * divergence(rule_c, user, [*chosen, item])
    return result


@given(
    seed=st.integers(0, 10_000),
    diversity=st.sampled_from([0.0, 0.2, 0.5]),
    calibration=st.sampled_from([0.0, 0.3, 0.5]),
    at_most=st.sampled_from([None, 1, 2, 3]),
)
def test_every_rank_has_the_item_of_the_largest_value(
    seed: int, diversity: float, calibration: float, at_most: int | None
) -> None:
    generator, rules = random_rules(seed, (diversity, calibration), at_most)
    if rules == ListRules():
        return
    pools, scores = random_pools(generator)
    users = np.array([0, 1, 2, 3, -1, 5])
    lists, list_scores = fill_lists(users, pools, scores, 10, rules)
    for row, user in enumerate(users):
        chosen: list[int] = []
        for rank, item in enumerate(lists[row]):
            left = [int(each) for each in pools[row] if each >= 0 and each not in chosen]
            values = {each: value(rules, int(user), each, chosen, pools[row], scores[row]) for each in left}
            best = max(values.values(), default=-math.inf)
            if item < 0:
                assert best == -math.inf  # no item could be added: the list is as long as it can be
                assert (lists[row, rank:] == -1).all()
                assert (list_scores[row, rank:] == -np.inf).all()
                break
            assert values[int(item)] >= best - TOLERANCE
            assert list_scores[row, rank] == scores[row, list(pools[row]).index(item)]
            chosen.append(int(item))


@given(seed=st.integers(0, 10_000))
def test_the_list_of_a_user_does_not_depend_on_the_others(seed: int) -> None:
    generator, rules = random_rules(seed, (0.3, 0.3), 3)
    pools, scores = random_pools(generator)
    users = np.arange(N_USERS)
    together = fill_lists(users, pools, scores, 10, rules)[0]
    for row in range(N_USERS):
        alone = fill_lists(users[row : row + 1], pools[row : row + 1], scores[row : row + 1], 10, rules)[0]
        assert np.array_equal(alone[0], together[row])


@given(seed=st.integers(0, 10_000), k=st.integers(1, 9))
def test_a_shorter_list_is_the_beginning_of_a_longer_one(seed: int, k: int) -> None:
    generator, rules = random_rules(seed, (0.3, 0.3), 3)
    pools, scores = random_pools(generator)
    users = np.arange(N_USERS)
    longer = fill_lists(users, pools, scores, 10, rules)[0]
    assert np.array_equal(fill_lists(users, pools, scores, k, rules)[0], longer[:, :k])


def test_equal_values_keep_the_plain_order() -> None:
    vectors = np.zeros((N_ITEMS, 2), dtype=np.float32)
    pool, scores = np.array([[7, 3, 9, 1]]), np.ones((1, 4), dtype=np.float32)
    lists, _ = fill_lists(np.array([0]), pool, scores, 4, ListRules((DiversityRule(vectors, 0.5),)))
    assert lists.tolist() == [[7, 3, 9, 1]]


def test_an_item_that_repeats_the_first_one_is_moved_back() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    pool, scores = np.array([[0, 1, 2]]), np.array([[3.0, 2.5, 2.0]], dtype=np.float32)
    for weight, expected in ((0.05, [0, 1, 2]), (0.5, [0, 2, 1])):
        rules = ListRules((DiversityRule(vectors, weight),))
        assert fill_lists(np.array([0]), pool, scores, 3, rules)[0].tolist() == [expected]


def world(n_users: int = 40, n_items: int = 300) -> ItemKnowledge:
    generator = np.random.default_rng(0)
    scorer = Factors(
        *(torch.from_numpy(generator.standard_normal((n, 8)).astype(np.float32)) for n in (n_users, n_items))
    )
    pairs = np.argwhere(generator.random((n_users, n_items)) < 0.05 + 0.2 * (np.arange(n_items) < 10))
    history = Interactions.from_pairs(pairs[:, 0], pairs[:, 1], n_users, n_items)
    table = pl.DataFrame(
        {
            "item_id": [f"i{n}" for n in range(n_items)],
            "category": ["rare" if n % 25 == 0 else "common" for n in range(n_items)],
            "genres": ["|".join(sorted({f"g{n % 3}", f"g{n % 7}"})) if n % 11 else None for n in range(n_items)],
            "tags": [[f"t{n % 5}", "all"] for n in range(n_items)],
        }
    )
    return ItemKnowledge(scorer, history, history, table, {})


def test_without_weight_nothing_changes_the_plain_order() -> None:
    assert list_rules((Diversity(0.0), Calibration(weight=0.0)), world()) is None
    assert list_rules((), world()) is None


def test_a_quota_looks_through_the_whole_catalogue_before_a_list_stays_short() -> None:
    known, users = world(), np.arange(40)

    def rank(rows: NDArray[np.int64], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return top_k(known.scorer, users[rows], k, known.history)

    rules = list_rules(Quota("category", 2), known)
    assert rules is not None
    items, scores = rerank(users, rank(users, pool_size(4, 10)), 4, rules, rank)
    assert (items >= 0).all()  # the rare ones are far beyond a pool of ten
    rare = items % 25 == 0
    assert (rare.sum(axis=1) == 2).all()
    for user in users.tolist():
        everything = known.scorer.score(users[user : user + 1])[0].numpy()
        assert np.allclose(scores[user], everything[items[user]], atol=1e-5)
        allowed = np.setdiff1d(np.arange(300), known.history.history(user))
        best = allowed[np.argsort(-everything[allowed], kind="stable")]
        expected = [*[each for each in best if each % 25][:2], *[each for each in best if each % 25 == 0][:2]]
        assert sorted(expected, key=list(best).index) == items[user].tolist()


@pytest.mark.parametrize("column", ["category", "genres", "tags"])
@pytest.mark.parametrize("at_most", [1, 2, 5])
def test_no_quota_is_broken(column: str, at_most: int) -> None:
    known, users = world(), np.arange(40)
    rules = list_rules((Quota(column, at_most), Diversity(0.4)), known)
    assert rules is not None
    assert known.item_table is not None
    items, _ = rerank(
        users,
        top_k(known.scorer, users, 200, None),
        20,
        rules,
        lambda rows, k: top_k(known.scorer, users[rows], k, None),
    )
    for row in items:
        values: dict[str, int] = {}
        for item in row[row >= 0]:
            cell = known.item_table[column][int(item)]
            for each in cell.split("|") if isinstance(cell, str) else ([] if cell is None else cell):
                values[each] = values.get(each, 0) + 1
        assert max(values.values(), default=0) <= at_most
        assert len(set(row[row >= 0])) == (row >= 0).sum()


@pytest.mark.parametrize("by", ["popularity", "category", "genres", "tags"])
def test_calibration_brings_lists_nearer_to_the_histories(by: str) -> None:
    known, users = world(), np.arange(40)
    plain = top_k(known.scorer, users, 20, None)[0]
    pools = top_k(known.scorer, users, 200, None)
    for weight in (0.2, 0.5, 0.9):
        rules = list_rules(Calibration(by, weight), known)
        assert rules is not None
        (rule,) = rules.calibration
        items, _ = fill_lists(users, *pools, 20, rules)
        after, before = (
            [divergence(rule, user, lists[user].tolist()) for user in users.tolist()] for lists in (items, plain)
        )
        assert (np.array(after) <= np.array(before) + 1e-6).all()
        assert np.mean(after) < np.mean(before)


def test_bands_of_popularity_have_a_fifth_three_fifths_and_a_fifth_of_the_interactions() -> None:
    degrees = np.random.default_rng(0).integers(0, 50, 1000)
    bands = groups_by_popularity(degrees).slots[:, 0]
    shares = [degrees[bands == band].sum() / degrees.sum() for band in range(3)]
    assert np.allclose(shares, [0.2, 0.6, 0.2], atol=0.01)
    assert degrees[bands == 0].min() >= degrees[bands == 1].max() >= degrees[bands == 2].max()


def test_values_of_a_column_are_texts_parts_of_texts_or_lists() -> None:
    table = world().item_table
    genres, tags = groups_by_column(table, "genres"), groups_by_column(table, "tags")
    assert [genres.names[slot] for slot in genres.slots[8]] == ["g1", "g2"]
    assert not genres.is_group[11].any()
    assert genres.shares[8].tolist() == [0.5, 0.5]
    assert [tags.names[slot] for slot in tags.slots[3]] == ["all", "t3"]
    assert groups_by_column(table, "category").names == ("common", "rare")


def test_wrong_requests_say_what_would_be_right() -> None:
    known = world()
    with pytest.raises(SettingsError, match='did you mean "category"'):
        list_rules(Quota("categry", 3), known)
    with pytest.raises(SettingsError, match='did you mean "interactions"'):
        list_rules(Diversity(0.3, similarity="interaction"), known)
    with pytest.raises(SettingsError, match="more than 1"):
        list_rules((Diversity(0.6), Calibration(weight=0.6)), known)
    with pytest.raises(SettingsError, match="is no Diversity"):
        list_rules("diversity", known)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no item table"):
        list_rules(Quota("category", 3), ItemKnowledge(known.scorer, known.history, known.history, None, {}))
    with pytest.raises(SettingsError):
        Quota("category", 0)
    with pytest.raises(SettingsError):
        Diversity(1.5)
