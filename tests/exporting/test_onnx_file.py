"""ONNX graphs, run by onnxruntime, return the lists and scores of `recommend` and `recommend_from_history`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

import triptych
from exporting.models_to_export import N_ITEMS, N_USERS, fitted, model_of, with_integer_ids
from triptych.errors import InputError, SettingsError
from triptych.exporting import onnx_file
from triptych.models.registry import MODELS
from triptych.ranking.recommender import Recommender

KINDS = ["factors", "weights", "dense", "blend", "mixed"]
NONE = np.array([[-1]])
HISTORIES = [[3, 17, 40], [], [5], [89, 0, 1, 2, 3, 4, 5, 6]]


def session_of(model: Recommender, path: Path, **options: Any) -> ort.InferenceSession:
    triptych.export(model, f"onnx:{path}", **options)
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def padded(lists: list[list[int]]) -> NDArray[np.int64]:
    width = max(map(len, lists))
    return np.array([[*each, *[-1] * (width - len(each))] for each in lists], dtype=np.int64).reshape(len(lists), width)


def check_lists(
    items: NDArray[np.int64], scores: NDArray[np.float32], ours: triptych.Recommendations, least_untied: float = 0.3
) -> None:
    """Check that lists are equal: the same scores, and the same items where they are not tied, as most are."""
    tolerance = 2e-4
    assert items.shape == ours.items.shape
    expected = np.where(ours.items >= 0, ours.scores, 0.0)
    np.testing.assert_array_equal(items >= 0, ours.items >= 0)
    np.testing.assert_allclose(np.where(items >= 0, scores, 0.0), expected, rtol=tolerance, atol=tolerance)
    gaps = np.abs(np.diff(expected, axis=1))
    tied = np.zeros(items.shape, dtype=np.bool_)
    close = gaps <= 2 * tolerance * (1 + np.abs(expected[:, 1:]))
    tied[:, 1:] |= close
    tied[:, :-1] |= close
    tied[:, -1] = True  # perhaps with the next one, which is not listed
    assert (items[~tied] == ours.items[~tied]).all()
    assert (~tied).mean() >= least_untied


@pytest.mark.parametrize("kind", ["factors", "blend"])
def test_user_rows_return_the_lists_of_recommend(kind: str, tmp_path: Path) -> None:
    model = model_of(kind)
    session = session_of(model, tmp_path / "model.onnx")
    rows = np.arange(N_USERS)  # the last one has no history
    seen = padded([model.dataset.interactions.history(row).tolist() for row in range(N_USERS)])
    items, scores = session.run(None, {"users": rows, "exclude": seen})
    check_lists(items, scores, model.recommend(k=50))
    items, scores = session.run(None, {"users": rows[5:9], "exclude": NONE})
    check_lists(items, scores, model.recommend(model.dataset.users.names(rows[5:9]), k=50, include_seen=True))


@pytest.mark.parametrize("kind", KINDS)
def test_histories_return_the_lists_of_recommend_from_history(kind: str, tmp_path: Path) -> None:
    model = model_of(kind)
    session = session_of(model, tmp_path / "model.onnx", input_kind="history", k=20)
    items, scores = session.run(None, {"history": padded(HISTORIES), "exclude": NONE})
    named = {str(row): model.dataset.items.names(np.array(each)).to_list() for row, each in enumerate(HISTORIES)}
    check_lists(items, scores, model.recommend_from_history(named, k=20))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_of_the_registry_is_exported(name: str, tmp_path: Path) -> None:
    model = fitted(name)
    session = session_of(model, tmp_path / "model.onnx", input_kind="history", k=10)
    histories = [[3, 17], [5], [24, 0, 1, 2]]
    items, scores = session.run(None, {"history": padded(histories), "exclude": NONE})
    named = {str(row): model.dataset.items.names(np.array(each)).to_list() for row, each in enumerate(histories)}
    check_lists(items, scores, model.recommend_from_history(named, k=10), 0)  # few users: many scores are equal


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_items_padding_and_the_others_in_a_batch_change_nothing(kind: str, tmp_path: Path) -> None:
    session = session_of(model_of(kind), tmp_path / "model.onnx", input_kind="history", k=30)
    together = session.run(None, {"history": padded(HISTORIES), "exclude": NONE})
    for row, history in enumerate(HISTORIES):
        for other in (history, [*history, *history], [-1, *history[::-1], -7, *history[:1]]):
            history_alone = np.array([other], dtype=np.int64).reshape(1, len(other))
            alone = session.run(None, {"history": history_alone, "exclude": NONE})
            np.testing.assert_allclose(alone[1][0], together[1][row], rtol=1e-4, atol=1e-4)
            if kind == "factors":
                assert alone[0][0].tolist() == together[0][row].tolist()


def test_excluded_items_of_all_or_of_each_are_left_out(tmp_path: Path) -> None:
    session = session_of(model_of("factors"), tmp_path / "model.onnx", k=N_ITEMS + 10)
    users = np.array([1, 2, 3])
    everything = session.run(None, {"users": users, "exclude": np.zeros((1, 0), dtype=np.int64)})[0]
    assert everything.shape == (3, N_ITEMS)
    for exclude in (np.array([[4, 8, -1]]), np.array([[4, 8], [4, -1], [5, 4]])):
        items = session.run(None, {"users": users, "exclude": exclude})[0]
        for row, given in enumerate(np.broadcast_to(exclude, (3, exclude.shape[1]))):
            without = [item for item in everything[row] if item not in given]
            assert items[row].tolist() == without + [-1] * (N_ITEMS - len(without))


def test_where_people_buy_again_the_history_stays_in_the_list(tmp_path: Path) -> None:
    model = model_of("dense")
    again = replace(model, dataset=replace(model.dataset, about={"seen": "keep"}))
    session = session_of(again, tmp_path / "model.onnx", input_kind="history", k=N_ITEMS)
    assert sorted(session.run(None, {"history": np.array([[3, 17]]), "exclude": NONE})[0][0]) == list(range(N_ITEMS))


def test_the_ids_are_in_the_file(tmp_path: Path) -> None:
    model = model_of("factors")
    metadata = session_of(model, tmp_path / "model.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(metadata["item_ids"]) == model.dataset.items.ids.to_list()
    assert json.loads(metadata["user_ids"]) == model.dataset.users.ids.to_list()
    assert json.loads(metadata["triptych"])["model"] == "factors"
    metadata = session_of(with_integer_ids(model), tmp_path / "integers.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(metadata["user_ids"]) == list(range(100, 100 + N_USERS))


@pytest.mark.parametrize("kind", ["weights", "mixed"])
def test_models_without_user_vectors_take_histories_and_refuse_users(kind: str, tmp_path: Path) -> None:
    assert triptych.export(model_of(kind), f"onnx:{tmp_path / 'a'}").input_kind == "history"
    with pytest.raises(InputError, match="has no user vectors"):
        triptych.export(model_of(kind), f"onnx:{tmp_path / 'b'}", input_kind="users")


def test_weights_that_do_not_fit_in_a_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "LARGEST", 4 * N_ITEMS * N_ITEMS)
    with pytest.raises(InputError, match=r"an ONNX file holds 2\.1 GB"):
        triptych.export(model_of("weights"), f"onnx:{tmp_path / 'model.onnx'}")
    monkeypatch.undo()
    monkeypatch.setattr(onnx_file, "free_bytes", lambda: 1000)
    with pytest.raises(InputError, match="GB of memory"):
        triptych.export(model_of("weights"), f"onnx:{tmp_path / 'model.onnx'}")


def test_options_of_other_targets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match='"index" means nothing for onnx'):
        triptych.export(model_of("factors"), f"onnx:{tmp_path / 'a'}", index="hnsw")
