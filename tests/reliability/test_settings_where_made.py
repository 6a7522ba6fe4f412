"""Settings refuse bad values where they are made, also from Python: nothing trains in silence with them."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, get_type_hints

import numpy as np
import pytest
from annotated_types import Interval
from typing_extensions import Doc

import triptych
from triptych.errors import SettingsError
from triptych.models.registry import MODELS
from triptych.preparing.settings import PrepareSettings
from triptych.ranking.protocol import EvaluationProtocol
from triptych.ranking.reranking import Quota
from triptych.settings import checked, describe, parse
from triptych.studies.experiment import Entry, Experiment, Source
from triptych.training.computed_with import ComputedWith
from triptych.training.settings import TrainingSettings

NAMELESS = object()  # a value that no setting has
REQUIRED: dict[type[Any], dict[str, Any]] = {
    Source: {"folder": "x"},
    Quota: {"column": "category", "at_most": 2},
    ComputedWith: {"device": "cpu", "precision": "float32", "threads": 1},
    Experiment: {"data": {"x": Source("x")}, "models": {"ease": Entry()}},
}


def notes_of(kind: type[Any], name: str) -> tuple[object, ...]:
    return getattr(get_type_hints(kind, include_extras=True)[name], "__metadata__", ())


def settings_classes() -> list[type[Any]]:
    """All dataclasses of the package with a documented field: every class of settings, of every model too."""
    found = {kind.Settings: None for kind in MODELS.values() if dataclasses.fields(kind.Settings)}
    for module in pkgutil.walk_packages(triptych.__path__, "triptych."):
        if module.name.endswith("__main__"):
            continue
        for each in vars(importlib.import_module(module.name)).values():
            if isinstance(each, type) and dataclasses.is_dataclass(each) and each.__module__ == module.name:
                names = [field.name for field in dataclasses.fields(each)]
                if any(isinstance(note, Doc) for name in names for note in notes_of(each, name)):
                    found[each] = None
    return list(found)


CLASSES = settings_classes()


def bad_values() -> Iterator[tuple[type[Any], str, object]]:
    """For every setting: a value of another type, and one on each side of its range."""
    for kind in CLASSES:
        for setting in describe(kind):
            yield kind, setting.name, NAMELESS
            if setting.kind.startswith(("int", "float")):
                yield kind, setting.name, "2"
                yield kind, setting.name, True
            if setting.kind.startswith("float"):
                yield kind, setting.name, float("nan")
            for note in notes_of(kind, setting.name):
                if isinstance(note, Interval):
                    for bound, step in ((note.ge, -1), (note.gt, 0), (note.le, 1), (note.lt, 0)):
                        if bound is not None:
                            assert isinstance(bound, int | float)
                            yield kind, setting.name, bound + step


CASES = list(bad_values())


def test_all_kinds_of_settings_are_found() -> None:
    assert {TrainingSettings, PrepareSettings, EvaluationProtocol, Experiment, Entry, Source} <= set(CLASSES)
    assert len(CASES) > 200


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__qualname__)
def test_every_value_of_every_setting_is_checked(kind: type[Any]) -> None:
    kind(**REQUIRED.get(kind, {}))  # the defaults are good
    for owner, name, value in CASES:
        if owner is kind:
            with pytest.raises(SettingsError, match=f'"{name}" of ') as caught:
                kind(**{**REQUIRED.get(kind, {}), name: value})
            assert repr(value) in caught.value.what
            assert caught.value.hint


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"learning_rate": -1}, "greater than 0"),
        ({"epochs": "2"}, "valid integer"),
        ({"epochs": 2.0}, "valid integer"),
        ({"epochs": True}, "valid integer"),
        ({"learning_rate": "0.1"}, "valid number"),
        ({"precision": "half"}, "'auto', 'float32' or 'bfloat16'"),
        ({"patience": None}, "valid integer"),
        ({"min_gain": float("inf")}, "finite"),
        ({"checkpoint_seconds": np.nan}, "finite"),
    ],
)
def test_training_settings_name_the_value_and_the_range(values: dict[str, Any], shown: str) -> None:
    with pytest.raises(SettingsError, match=shown) as caught:
        TrainingSettings(**values)
    assert caught.value.hint is not None
    assert "default" in caught.value.hint


def test_replacing_a_value_checks_it_too() -> None:
    with pytest.raises(SettingsError, match="greater than 0"):
        dataclasses.replace(TrainingSettings(), learning_rate=0.0)


def test_numbers_of_numpy_and_whole_numbers_are_good() -> None:
    made = TrainingSettings(epochs=np.int64(3), learning_rate=np.float32(0.5), checkpoint_seconds=0)  # type: ignore[arg-type]
    assert made == TrainingSettings(epochs=3, learning_rate=0.5, checkpoint_seconds=0.0)
    assert [type(each) for each in (made.epochs, made.learning_rate, made.checkpoint_seconds)] == [int, float, float]


def test_a_list_is_good_for_a_tuple() -> None:
    assert PrepareSettings(numeric=["price"]).numeric == ("price",)  # type: ignore[arg-type]


def test_text_is_read_and_a_near_miss_gets_a_hint() -> None:
    assert parse(TrainingSettings, {"epochs": "2"}).epochs == 2
    with pytest.raises(SettingsError, match='did you mean "bfloat16"'):
        parse(TrainingSettings, {"precision": "bfloat"}, of="training")
    with pytest.raises(SettingsError, match="valid integer"):
        parse(TrainingSettings, {"epochs": True})
    with pytest.raises(SettingsError, match='"folder" of it is missing'):
        parse(Source, {}, of="it")


def test_a_check_of_the_class_itself_comes_after_the_types() -> None:
    with pytest.raises(SettingsError, match="measured on and excluded"):
        EvaluationProtocol("validation", "train+validation")


def test_a_class_without_fields_may_be_checked() -> None:
    @dataclasses.dataclass(frozen=True)
    @checked
    class Nothing:
        pass

    assert Nothing() == Nothing()
