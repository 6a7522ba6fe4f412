"""Experiment files are read completely, and errors name the file and have a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.errors import SettingsError
from triptych.settings import Choices, LogRange
from triptych.studies.experiment import read_experiment

GOOD = """
seeds = [0, 1]
trials = 5
[data.shop]
folder = "shop"
prepare = ["$RAW/log.csv", "--items", "$RAW/items.csv"]
[training]
patience = 3
[models.lightgcn]
[models."bm3, frozen"]
model = "bm3"
settings = { features = "frozen", patience = 7 }
seeds = [4]
trials = 2
search = { learning_rate = [1e-3, 1e-2], reg_weight = "1e-3..1e-1" }
"""


def test_the_search_of_an_entry_has_priority_over_shared_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAW", "/raw")
    (tmp_path / "e.toml").write_text(GOOD.replace("patience = 3", "patience = 3\nlearning_rate = 5e-3"))
    experiment = read_experiment(tmp_path / "e.toml")
    assert experiment.settings_of("lightgcn") == {"patience": 3, "learning_rate": 5e-3}
    assert experiment.settings_of("bm3, frozen") == {
        "patience": 7,
        "features": "frozen",
    }  # not the shared learning rate, which it searches
    assert "learning_rate" in experiment.search_space("bm3, frozen")


def test_only_variables_with_a_path_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "time").write_text("a file with the name of a split")
    for name, given, found in (("RAW", "time", "time"), ("RAW", "../raw", str(tmp_path / "../raw"))):
        monkeypatch.setenv(name, given)
        (tmp_path / "e.toml").write_text(GOOD)
        assert read_experiment(tmp_path / "e.toml").data["shop"].prepare[0] == f"{found}/log.csv"


def read(tmp_path: Path, text: str) -> object:
    (tmp_path / "e.toml").write_text(text)
    return read_experiment(tmp_path / "e.toml")


def test_paths_are_relative_to_the_file_and_variables_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAW", "/raw")
    (tmp_path / "e.toml").write_text(GOOD)
    experiment = read_experiment(tmp_path / "e.toml")
    assert experiment.data["shop"].folder == str(tmp_path / "shop")
    assert experiment.data["shop"].prepare == ("/raw/log.csv", "--items", "/raw/items.csv")
    assert experiment.settings_of("bm3, frozen") == {"patience": 7, "features": "frozen"}
    assert experiment.settings_of("lightgcn") == {"patience": 3}
    assert [experiment.model_of(name) for name in experiment.models] == ["lightgcn", "bm3"]
    assert [experiment.seeds_of(name) for name in experiment.models] == [(0, 1), (4,)]
    assert [experiment.trials_of(name) for name in experiment.models] == [5, 2]
    assert list(experiment.search_space("lightgcn")) == ["n_layers", "reg_weight"]
    assert experiment.search_space("bm3, frozen") == {
        "learning_rate": Choices((1e-3, 1e-2)),
        "reg_weight": LogRange(1e-3, 1e-1),
    }


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("seeds = [0, 1]", "seds = [0]", 'did you mean "seeds"'),
        ("seeds = [0, 1]", "seeds = [0, 0]", "given twice"),
        ("seeds = [0, 1]", 'metrics = ["ndgc@50"]', "ndcg"),
        ("seeds = [0, 1]", 'split = "tset"', "split"),
        ("seeds = [0, 1]", 'part = "test"', 'did you mean "split"'),
        ("seeds = [0, 1]", 'mask = "known"', 'did you mean "exclude"'),
        ("seeds = [0, 1]", 'among = "cold"', 'did you mean "items"'),
        ("seeds = [0, 1]", "seeds = []", "has no seeds"),
        ('folder = "shop"', 'foldr = "shop"', 'did you mean "folder"'),
        ('folder = "shop"', "", "folder"),
        ("[models.lightgcn]", "[models.lightgnc]", 'did you mean "lightgcn"'),
        ('features = "frozen"', 'featurs = "frozen"', 'did you mean "features"'),
        ('features = "frozen"', "n_layers = 99", "less than or equal to 16"),
        ("patience = 3", "seed = 3", "write seeds"),
        ("[models.lightgcn]", '[models."../x"]\nmodel = "ease"', "cannot be the name of a folder"),
        ("trials = 5", "trials = -5", "greater than or equal"),
        ("trials = 5", "trials = ", "is not TOML"),
        ("$RAW/log.csv", "$ABSENT/log.csv", "ABSENT"),
        ("$RAW/log.csv", "${ABSENT}/log.csv", "ABSENT"),
        ("[models.lightgcn]", "[models]\nlightgcn = 3", "models.lightgcn is not a table"),
        ("seeds = [0, 1]", "seeds = [-1]", "negative"),
        ("seeds = [0, 1]", "metrics = []", "no metric"),
        ("[data.shop]", '[data."../shop"]', "cannot be the name of a folder"),
        ("[models.lightgcn]", '[models.".."]\nmodel = "ease"', "cannot be the name of a folder"),
        ("seeds = [0, 1]", 'exclude = "nothing"', "exclude"),
        ("{ learning_rate", "{ n_layers = [99], learning_rate", "less than or equal to 16"),
        ("{ learning_rate", "{ learnin_rate", 'did you mean "learning_rate"'),
        ("{ learning_rate", "{ patience", '"patience" is set and searched'),
        ("1e-3..1e-1", "1e-3..x", "bm3, frozen: .* is not a range"),
        ("[1e-3, 1e-2]", "[]", '"learning_rate" has an empty list of values'),
        ("{ learning_rate", "{ seed", "write seeds"),
        ("trials = 2", "trials = 0", "the search of bm3, frozen has no trials"),
        ("$RAW/log.csv", "${RAW:-raw}/log.csv", "cannot be read"),
    ],
)
def test_a_mistake_is_reported_with_the_file_and_a_hint(
    before: str, after: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAW", "/raw")
    with pytest.raises(SettingsError, match=message) as caught:
        read(tmp_path, GOOD.replace(before, after))
    assert caught.value.where is not None
    assert "e.toml" in caught.value.where
    assert caught.value.hint


def test_an_experiment_without_models_or_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no data set"):
        read(tmp_path, "[models.ease]")
    with pytest.raises(SettingsError, match="no model"):
        read(tmp_path, '[data.shop]\nfolder = "shop"')
