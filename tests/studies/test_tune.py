"""A search tries each point once, on validation alone, goes on where it was, and leaves settings that `train` takes."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from children import HELD, running, wait_for
from triptych.cli.app import run
from triptych.data.split import with_parts
from triptych.errors import SettingsError
from triptych.models.ease import EASE
from triptych.ranking.recommender import open_recommender
from triptych.settings import Choices, Span, searches
from triptych.studies.propose import Tried, as_they_stand, propose
from worlds import random_dataset

GRID = {"n_layers": Choices((1, 2)), "dropout": Choices((0.3, 0.5))}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with_parts(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0).save(tmp_path / "data")
    return tmp_path / "data"


def test_a_small_space_is_gone_through_whole_and_no_point_twice() -> None:
    tried: list[Tried] = []
    while (point := propose(GRID, tried, seed=0, n_trials=4)) is not None:
        tried.append(Tried(point, value=0.1))
    assert sorted((t.settings["n_layers"], t.settings["dropout"]) for t in tried) == [
        (1, 0.3),
        (1, 0.5),
        (2, 0.3),
        (2, 0.5),
    ]


def test_a_large_space_is_searched_near_what_was_good() -> None:
    space = {"reg_weight": Span(1e-4, 1e4), "smoothing": Span(1e-2, 1e2)}
    tried: list[Tried] = []
    for _ in range(40):
        point = propose(space, tried, seed=1, n_trials=40)
        assert point is not None
        off = np.log10(point["reg_weight"] / 50) ** 2 + np.log10(point["smoothing"] / 0.3) ** 2
        tried.append(Tried(point, value=float(-off)))
    assert np.mean([t.value for t in tried[30:]]) > np.mean([t.value for t in tried[:10]])
    assert all(1e-4 <= t.settings["reg_weight"] <= 1e4 for t in tried)


@pytest.mark.parametrize("written", ["300", "3e2", "300.0"])
def test_a_search_begins_with_the_defaults_however_they_are_written(written: str) -> None:
    assert EASE.Settings().reg_weight == 300
    assert as_they_stand({"reg_weight": Choices(("10", written))}, EASE.Settings) == {"reg_weight": written}
    assert as_they_stand({"reg_weight": Span(1.0, 2.0)}, EASE.Settings) is None


def test_a_proposal_depends_on_the_seed_and_on_what_was_tried_alone() -> None:
    space = {"reg_weight": Span(1e-4, 1e4)}
    tried = [Tried({"reg_weight": 10.0**n}, value=float(n)) for n in range(-3, 3)]
    tried += [Tried({"reg_weight": 1.0}), Tried({"reg_weight": 2.0}, failed="why")]
    assert propose(space, tried, 0, 20) == propose(space, list(tried), 0, 20)
    assert propose(space, tried, 0, 20) != propose(space, tried, 1, 20)


def test_a_space_larger_than_the_trials_but_finite_never_repeats_a_point() -> None:
    space = {"n_layers": Choices((1, 2, 3)), "reg_weight": Choices((0.1, 0.01))}
    tried: list[Tried] = []
    for _ in range(5):
        point = propose(space, tried, seed=3, n_trials=5)
        assert point is not None
        tried.append(Tried(point, value=0.5))
    assert len({tuple(t.settings.items()) for t in tried}) == 5


def test_the_best_settings_are_those_of_the_best_run_on_validation_and_train_takes_them(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = [
        "tune",
        str(data),
        "--model",
        "ease",
        "--search",
        "reg_weight=1,30,1000",
        "-o",
        str(tmp_path / "t"),
        "--json",
    ]
    assert run([*tune, "--trials", "2", "--jobs", "2"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert run([*tune, "--trials", "9"]) == 0  # goes on, to the end of the space
    trials = json.loads(capsys.readouterr().out)
    assert len(trials) == 3
    for trial in trials:
        assert trial["value"] == open_recommender(trial["run"]).evaluate("validation")["ndcg@50"]
    assert trials[0]["value"] == max(trial["value"] for trial in trials)
    best = ["--settings", str(tmp_path / "t" / "best.toml"), "--run", str(tmp_path / "best")]
    assert run(["train", str(data), "--model", "ease", *best]) == 0
    about = open_recommender(tmp_path / "best").about
    assert about["settings"]["reg_weight"] == float(trials[0]["settings"]["reg_weight"])


def test_a_trial_that_fails_leaves_its_reason_and_the_others_go_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = ["tune", str(data), "--model", "bpr", "--set", "epochs=2", "-o", str(tmp_path / "t"), "--json"]
    assert run([*tune, "--search", "learning_rate=0.01,1e38"]) == 0
    good, bad = json.loads(capsys.readouterr().out)
    assert good["value"] > 0
    assert "the loss is not finite" in bad["failed"]
    assert run([*tune[:-3], "-o", str(tmp_path / "u"), "--search", "learning_rate=1e38"]) == 1
    assert "all 1 trials failed" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_interrupted_it_goes_on_with_the_trial_that_was_begun(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A search runs for hours: a trial that was begun goes on where it stood. Two trainings, one of them twice."""
    settings = ["--set", "epochs=6", "--set", "patience=6", "--set", "batch_size=4", "--search", "n_layers=1,2"]
    tune = ["tune", str(data), "--model", "lightgcn", *settings, "-o", str(tmp_path / "t"), "--json"]
    begun = tmp_path / "t" / "runs" / "000"
    with running("-m", "triptych", *tune, path=HELD) as process:
        wait_for(begun / "metrics.jsonl", process)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert (begun / "checkpoint.safetensors").exists()
    assert not (begun / "cost.json").exists(), "it was not interrupted"
    assert run(tune) == 0
    assert sorted(trial["settings"]["n_layers"] for trial in json.loads(capsys.readouterr().out)) == ["1", "2"]
    lines = (begun / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 7))


def test_the_best_settings_hold_what_all_trials_had_and_what_failed_is_tried_again(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = ["tune", str(data), "--model", "bpr", "--set", "epochs=2", "-o", str(tmp_path / "t"), "--json"]
    assert run([*tune, "--search", "reg_weight=0.1,0.2"]) == 0
    trials = json.loads((tmp_path / "t" / "trials.json").read_text())
    assert 'epochs = "2"' in (tmp_path / "t" / "best.toml").read_text()
    trials[0] |= {"value": None, "failed": "the disk was full"}
    (tmp_path / "t" / "trials.json").write_text(json.dumps(trials))
    (tmp_path / "t" / "best.toml").unlink()
    capsys.readouterr()
    assert run([*tune, "--search", "reg_weight=0.1,0.2"]) == 0
    assert all(trial["value"] is not None for trial in json.loads(capsys.readouterr().out))
    assert (tmp_path / "t" / "best.toml").exists()


def test_a_folder_of_another_search_is_refused(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tune = ["tune", str(data), "--model", "ease", "-o", str(tmp_path / "t")]
    assert run([*tune, "--search", "reg_weight=1,10"]) == 0
    assert run([*tune, "--search", "reg_weight=1,20"]) == 1
    assert "a search of another search" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").write_text("mine")
    assert run(["tune", str(data), "--model", "ease", "-o", str(tmp_path / "mine")]) == 1
    assert "holds no search" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "bm4"], 'did you mean "bm3"'),
        (["--search", "dropuot=0.1,0.2"], 'did you mean "dropout"'),
        (["--search", "dropout=0.1,2"], "less than"),
        (["--search", "reg_weight=1..0"], "is no span"),
        (["--search", "n_layers=1..4"], "takes whole numbers"),
        (["--search", "reg_weight=0..1"], "is no span"),
        (["--search", "reg_weight"], "is not NAME=VALUE"),
        (["--search", "seed=1,2"], "--seed"),
        (["--search", "dropout=0.1,0.2", "--set", "dropout=0.3"], "is set and searched"),
        (["--set", "metric=ndgc@50"], 'did you mean "ndcg"'),
        (["--model", "popularity"], "nothing to search"),
        (["--modalities", "imgae"], "imgae"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_trained(
    data: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tune", str(data), "-o", str(tmp_path / "t"), *arguments]) in (1, 2)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "t").exists()


def test_spans_and_choices_are_read_as_they_are_written() -> None:
    assert searches({"a": "1,2", "b": "1e-4..1e-1", "c": [1, 2]}) == {
        "a": Choices(("1", "2")),
        "b": Span(1e-4, 1e-1),
        "c": Choices((1, 2)),
    }
    with pytest.raises(SettingsError):
        searches({"a": "1..x"})
