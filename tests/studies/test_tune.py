"""A search tries each point once, uses validation only, can be resumed, and writes settings that `train` accepts."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from children import HELD, running, wait_for
from triptych.artefacts import read_json, write_json
from triptych.cli.app import run
from triptych.data.split import assign_split
from triptych.errors import SettingsError
from triptych.models.ease import EASE
from triptych.ranking.recommender_folder import open_recommender
from triptych.settings import Choices, LogRange, parse_search_space
from triptych.studies.propose import TrialResult, default_point, propose
from worlds import random_dataset

GRID = {"n_layers": Choices((1, 2)), "dropout": Choices((0.3, 0.5))}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    assign_split(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0).save(tmp_path / "data")
    return tmp_path / "data"


def test_all_points_of_a_small_space_are_tried_once() -> None:
    trials: list[TrialResult] = []
    while (point := propose(GRID, trials, seed=0, n_trials=4)) is not None:
        trials.append(TrialResult(point, value=0.1))
    assert sorted((t.settings["n_layers"], t.settings["dropout"]) for t in trials) == [
        (1, 0.3),
        (1, 0.5),
        (2, 0.3),
        (2, 0.5),
    ]


def test_a_large_space_is_searched_near_good_points() -> None:
    space = {"reg_weight": LogRange(1e-4, 1e4), "smoothing": LogRange(1e-2, 1e2)}
    trials: list[TrialResult] = []
    for _ in range(40):
        point = propose(space, trials, seed=1, n_trials=40)
        assert point is not None
        distance = np.log10(point["reg_weight"] / 50) ** 2 + np.log10(point["smoothing"] / 0.3) ** 2
        trials.append(TrialResult(point, value=float(-distance)))
    assert np.mean([t.value for t in trials[30:]]) > np.mean([t.value for t in trials[:10]])
    assert all(1e-4 <= t.settings["reg_weight"] <= 1e4 for t in trials)


@pytest.mark.parametrize("written", ["300", "3e2", "300.0"])
def test_a_search_starts_with_the_defaults_in_any_notation(written: str) -> None:
    assert EASE.Settings().reg_weight == 300
    assert default_point({"reg_weight": Choices(("10", written))}, EASE.Settings) == {"reg_weight": written}
    assert default_point({"reg_weight": LogRange(1.0, 2.0)}, EASE.Settings) is None


def test_a_proposal_depends_only_on_the_seed_and_the_trials() -> None:
    space = {"reg_weight": LogRange(1e-4, 1e4)}
    trials = [TrialResult({"reg_weight": 10.0**n}, value=float(n)) for n in range(-3, 3)]
    trials += [TrialResult({"reg_weight": 1.0}), TrialResult({"reg_weight": 2.0}, failed="why")]
    assert propose(space, trials, 0, 20) == propose(space, list(trials), 0, 20)
    assert propose(space, trials, 0, 20) != propose(space, trials, 1, 20)


def test_no_point_of_a_finite_space_is_tried_twice() -> None:
    space = {"n_layers": Choices((1, 2, 3)), "reg_weight": Choices((0.1, 0.01))}
    trials: list[TrialResult] = []
    for _ in range(5):
        point = propose(space, trials, seed=3, n_trials=5)
        assert point is not None
        trials.append(TrialResult(point, value=0.5))
    assert len({tuple(t.settings.items()) for t in trials}) == 5


def test_the_best_settings_are_those_of_the_best_run_on_validation_and_train_accepts_them(
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
    assert run([*tune, "--trials", "9"]) == 0  # continues to the end of the space
    trials = json.loads(capsys.readouterr().out)
    assert len(trials) == 3
    for trial in trials:
        assert trial["value"] == open_recommender(trial["run"]).evaluate("validation")["ndcg@50"]
    assert trials[0]["value"] == max(trial["value"] for trial in trials)
    best = ["--settings", str(tmp_path / "t" / "best.toml"), "--run", str(tmp_path / "best")]
    assert run(["train", str(data), "--model", "ease", *best]) == 0
    about = open_recommender(tmp_path / "best").about
    assert about["settings"]["reg_weight"] == float(trials[0]["settings"]["reg_weight"])


def test_a_failed_trial_has_the_reason_and_the_others_continue(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = ["tune", str(data), "--model", "bpr", "--set", "epochs=2", "-o", str(tmp_path / "t"), "--json"]
    assert run([*tune, "--search", "learning_rate=0.01,1e38"]) == 0
    good, bad = json.loads(capsys.readouterr().out)
    assert good["value"] > 0
    assert "is not finite" in bad["failed"]
    assert run([*tune[:-3], "-o", str(tmp_path / "u"), "--search", "learning_rate=1e38"]) == 1
    assert "all 1 trials failed" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_an_interrupted_search_resumes_its_trial(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A search runs for hours: a trial that was begun goes on where it stood. Two trainings, one of them twice."""
    settings = ["--set", "epochs=6", "--set", "patience=6", "--set", "batch_size=4", "--search", "n_layers=1,2"]
    tune = ["tune", str(data), "--model", "lightgcn", *settings, "-o", str(tmp_path / "t"), "--json"]
    interrupted = tmp_path / "t" / "runs" / "000"
    with running("-m", "triptych", *tune, path=HELD) as process:
        wait_for(interrupted / "metrics.jsonl", process)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert (interrupted / "checkpoint.safetensors").exists()
    assert not (interrupted / "cost.json").exists(), "it was not interrupted"
    assert run(tune) == 0
    assert sorted(trial["settings"]["n_layers"] for trial in json.loads(capsys.readouterr().out)) == ["1", "2"]
    lines = (interrupted / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 7))


def test_the_best_settings_include_the_fixed_ones_and_a_failed_trial_is_tried_again(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = ["tune", str(data), "--model", "bpr", "--set", "epochs=2", "-o", str(tmp_path / "t"), "--json"]
    assert run([*tune, "--search", "reg_weight=0.1,0.2"]) == 0
    trials = read_json(tmp_path / "t" / "trials.json")
    assert 'epochs = "2"' in (tmp_path / "t" / "best.toml").read_text(encoding="utf-8")
    trials["trials"][0] |= {"value": None, "failed": "the disk was full"}
    write_json(tmp_path / "t" / "trials.json", trials)
    (tmp_path / "t" / "best.toml").unlink()
    capsys.readouterr()
    assert run([*tune, "--search", "reg_weight=0.1,0.2"]) == 0
    assert all(trial["value"] is not None for trial in json.loads(capsys.readouterr().out))
    assert (tmp_path / "t" / "best.toml").exists()


def test_a_folder_of_another_search_is_refused(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tune = ["tune", str(data), "--model", "ease", "-o", str(tmp_path / "t")]
    assert run([*tune, "--search", "reg_weight=1,10"]) == 0
    assert run([*tune, "--search", "reg_weight=1,20"]) == 1
    assert "search.reg_weight was" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").write_text("mine")
    assert run(["tune", str(data), "--model", "ease", "-o", str(tmp_path / "mine")]) == 1
    assert "holds no search" in capsys.readouterr().err


def test_a_search_with_the_texts_of_earlier_versions_is_resumed(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = ["tune", str(data), "--model", "bpr", "--set", "epochs=1", "-o", str(tmp_path / "t"), "--json"]
    ranges = ["--search", "reg_weight=1e-4..1e-1", "--search", "embedding_size=8,16"]
    assert run([*tune, *ranges, "--trials", "1"]) == 0
    before = json.loads(capsys.readouterr().out)
    about = read_json(tmp_path / "t" / "tune.json")
    assert about["search"] == {"reg_weight": "0.0001..0.1", "embedding_size": "'8', '16'"}
    about["search"] = {"reg_weight": "Span(low=0.0001, high=0.1)", "embedding_size": "Choices(values=('8', '16'))"}
    (tmp_path / "t" / "tune.json").write_text(json.dumps(about))  # earlier versions wrote no checksum
    assert run([*tune, *ranges, "--trials", "2"]) == 0
    trials = json.loads(capsys.readouterr().out)
    assert len(trials) == 2
    assert before[0] in trials
    assert run([*tune, "--search", "reg_weight=1e-4..1e-2", "--search", "embedding_size=8,16"]) == 1
    assert "search.reg_weight was" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "bm4"], 'did you mean "bm3"'),
        (["--search", "dropuot=0.1,0.2"], 'did you mean "dropout"'),
        (["--search", "dropout=0.1,2"], "less than"),
        (["--search", "reg_weight=1..0"], "is not a range"),
        (["--search", "n_layers=1..4"], "needs whole numbers"),
        (["--search", "reg_weight=0..1"], "is not a range"),
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


def test_ranges_and_choices_are_read() -> None:
    assert parse_search_space({"a": "1,2", "b": "1e-4..1e-1", "c": [1, 2]}) == {
        "a": Choices(("1", "2")),
        "b": LogRange(1e-4, 1e-1),
        "c": Choices((1, 2)),
    }
    with pytest.raises(SettingsError):
        parse_search_space({"a": "1..x"})
