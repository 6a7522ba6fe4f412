"""A comparison is one table from run folders. It can be resumed, and one failure does not affect the others."""

from __future__ import annotations

import csv
import json
import signal
import sys
from pathlib import Path

import pytest

from children import HELD, running, wait_for
from triptych.artefacts import read_json
from triptych.cli.app import run
from triptych.data.split import assign_split
from triptych.models.ease import EASE
from triptych.ranking.recommender_folder import open_recommender
from worlds import random_dataset

COMMON = ["--set", "epochs=2", "--set", "batch_size=64", "--json"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    assign_split(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0).save(tmp_path / "data")
    return tmp_path / "data"


def test_every_cell_agrees_with_its_run_folder_and_no_run_is_repeated(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No number of the table is from anywhere but a run folder that can be opened; three trainings in processes."""
    arguments = ["compare", str(data), "--models", "popularity,ease,lightgcn", "-o", str(tmp_path / "c"), *COMMON]
    assert run([*arguments, "--set", "lightgcn.embedding_size=8"]) == 0
    rows = json.loads(capsys.readouterr().out)
    values = [row["metrics"]["ndcg@50"]["mean"] for row in rows]
    assert values == sorted(values, reverse=True)
    for row in rows:
        (run_folder,) = row["runs"]
        means = open_recommender(run_folder).evaluate(metrics=["ndcg@50", "recall@20"]).means
        assert {name: row["metrics"][name]["mean"] for name in means} == pytest.approx(means, abs=1e-12)
        assert row["cost"]["seconds"] >= row["cost"]["seconds_to_best"] >= 0
        assert row["cost"]["peak_megabytes"] > 10
        assert (row["cost"]["epochs"] is None) == (row["model"] != "lightgcn")
        interval = row["metrics"]["ndcg@50"]
        assert interval["low"] <= interval["mean"] <= interval["high"]
    assert [row["p"] is None for row in rows] == [True, False, False]
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "c" / "data").rglob("*") if file.is_file()}
    assert run([*arguments, "--set", "lightgcn.embedding_size=8"]) == 0
    assert json.loads(capsys.readouterr().out) == rows
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "c" / "data").rglob("*") if file.is_file()}


def test_a_failed_model_has_the_reason_in_its_row_and_the_others_continue(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "c" / "data" / "lightgcn" / "seed-0"
    mine.mkdir(parents=True)
    (mine / "precious.txt").write_text("mine")
    assert run(["compare", str(data), "--models", "lightgcn,popularity", "-o", str(tmp_path / "c"), *COMMON]) == 1
    output = capsys.readouterr()
    assert f"lightgcn on data failed: {mine}: exists and holds no run" in output.err
    good, bad = json.loads(output.out)  # one JSON value, also if a model failed
    assert good["model"] == "popularity"
    assert good["failed"] is None
    assert bad["model"] == "lightgcn"
    assert "holds no run" in bad["failed"]


def test_a_damaged_run_does_not_affect_the_others(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", str(data), "--models", "ease,popularity", "-o", str(tmp_path / "c"), *COMMON]
    assert run(arguments) == 0
    (tmp_path / "c" / "data" / "ease" / "seed-0" / "model" / "weights.safetensors").write_bytes(b"")
    capsys.readouterr()
    assert run(arguments) == 1
    good, bad = json.loads(capsys.readouterr().out)
    assert good["metrics"]
    assert bad["model"] == "ease"
    assert "weights.safetensors" in bad["failed"]


def test_a_refused_model_can_be_run_again_with_a_corrected_setting(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", str(data), "--models", "mmgcn", "-o", str(tmp_path / "c"), *COMMON]
    small = ["--set", "mmgcn.embedding_size=8", "--set", "mmgcn.latent_width=8"]
    assert run([*arguments, *small, "--set", "mmgcn.projected=imgae"]) == 1
    assert 'did you mean "image"' in capsys.readouterr().err
    assert run([*arguments, *small, "--set", "mmgcn.projected=image"]) == 0


def test_the_table_names_the_run_folders(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = ",".join(f"{name}@{k}" for name in ("ndcg", "recall", "map") for k in (10, 20, 50))
    assert run(["compare", str(data), "--models", "popularity", "-o", str(tmp_path / "c"), "--metrics", metrics]) == 0
    output = capsys.readouterr().out
    assert f"run folders: {tmp_path / 'c'}/DATA/ENTRY/seed-N" in output
    assert "…" not in output  # the table is wide, but no name is cut


def test_all_seeds_are_one_row_and_every_subset_of_the_modalities_is_a_row(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Means and spreads over seeds, and what each modality is worth, from ten trainings, two at a time."""
    arguments = ["compare", str(data), "--models", "vbpr,bpr", "-o", str(tmp_path / "c"), *COMMON, "--jobs", "2"]
    small = ["--set", "embedding_size=8", "--metrics", "recall@5,ndcg@5"]
    assert run([*arguments, *small, "--seeds", "0,1", "--subsets"]) == 0
    rows = json.loads(capsys.readouterr().out)
    by_entry = {(row["entry"], row["modalities"]): row for row in rows}
    assert set(by_entry) == {("bpr", None), ("vbpr", None), ("vbpr", "image"), ("vbpr", "text"), ("vbpr", "none")}
    for row in rows:
        means = [open_recommender(each).evaluate(metrics=["recall@5"])["recall@5"] for each in row["runs"]]
        assert len(means) == 2
        assert row["metrics"]["recall@5"]["mean"] == pytest.approx(sum(means) / 2)
        assert row["spread"]["recall@5"] == pytest.approx(abs(means[0] - means[1]) / 2**0.5)
    assert open_recommender(by_entry["vbpr", "text"]["runs"][0]).about["modalities"] == {"text": 7}


def test_csv_markdown_and_latex_have_every_row(data: Path, tmp_path: Path) -> None:
    assert run(["compare", str(data), "--models", "popularity,ease", "-o", str(tmp_path / "c")]) == 0
    with (tmp_path / "c" / "comparison.csv").open(encoding="utf-8") as file:
        rows = {row["entry"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"popularity", "ease"}
    for name, row in rows.items():
        mean = f"{float(row['ndcg@50']):.4f}"
        assert f"| {name} | {mean} ±" in (tmp_path / "c" / "comparison.md").read_text(encoding="utf-8")
        assert f"{name} & {mean} ±" in (tmp_path / "c" / "comparison.tex").read_text(encoding="utf-8")
        assert float(row["long-tail items"]) >= 0


def test_tuned_entries_are_fitted_with_the_best_settings_on_validation(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a paper's table rests on: each line is tuned by itself, and an experiment may grow. Ten trainings, each in
    a process of its own."""
    (tmp_path / "e.toml").write_text(
        """
        trials = 3
        [data.small]
        folder = "data"
        [models.ease]
        [models.popularity]
        [models.chosen]
        model = "ease"
        search = { reg_weight = [7.0, 70.0] }
        """
    )
    assert run(["compare", str(tmp_path / "e.toml"), "-o", str(tmp_path / "c"), "--json"]) == 0
    rows = {row["entry"]: row for row in json.loads(capsys.readouterr().out)}
    trials = read_json(tmp_path / "c" / "small" / "ease" / "tune" / "trials.json")["trials"]
    best = max(trials, key=lambda each: each["value"])["settings"]
    assert len(trials) == 3
    assert trials[0]["settings"]["reg_weight"] == EASE.Settings().reg_weight  # the defaults come first
    trial = tmp_path / "c" / "small" / "ease" / "tune" / "runs" / f"{[t['settings'] for t in trials].index(best):03d}"
    assert (Path(rows["ease"]["runs"][0]) / "cost.json").read_bytes() == (
        trial / "cost.json"
    ).read_bytes()  # not repeated
    assert open_recommender(rows["ease"]["runs"][0]).about["settings"]["reg_weight"] == best["reg_weight"]
    trials = read_json(tmp_path / "c" / "small" / "chosen" / "tune" / "trials.json")["trials"]
    assert sorted(each["settings"]["reg_weight"] for each in trials) == [7.0, 70.0]  # its own search space, completely
    assert not (tmp_path / "c" / "small" / "popularity" / "tune").exists()  # it has no search space
    assert run(["compare", str(tmp_path / "e.toml"), "-o", str(tmp_path / "c"), "--seeds", "0,1", "--subsets"]) == 0
    assert run(["compare", str(tmp_path / "e.toml"), "-o", str(tmp_path / "c"), "--trials", "4"]) == 0
    assert len(read_json(tmp_path / "c" / "small" / "ease" / "tune" / "trials.json")["trials"]) == 4


def test_an_experiment_prepares_its_data_from_files_relative_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interactions = random_dataset().interactions
    (tmp_path / "study" / "raw").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    rows = [f"u{user},i{item}" for user, item in zip(interactions.users, interactions.items, strict=True)]
    (tmp_path / "study" / "raw" / "log.csv").write_text("\n".join(["user,item", *rows]))
    (tmp_path / "elsewhere" / "items.csv").write_text(
        "\n".join(["item", *(f"i{n}" for n in range(interactions.n_items))])
    )
    (tmp_path / "study" / "e.toml").write_text(
        """
        [data.shop]
        folder = "made/shop"
        prepare = ["raw/log.csv", "--items", "$HERE/items.csv"]
        [models.popularity]
        """
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HERE", "./elsewhere")  # relative to the working directory
    assert run(["compare", "study/e.toml", "-o", "out", "--json"]) == 0
    assert [row["entry"] for row in json.loads(capsys.readouterr().out)] == ["popularity"]
    assert (tmp_path / "study" / "made" / "shop" / "manifest.json").is_file()
    assert (tmp_path / "out" / "comparison.json").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_or_killed_comparison_stops_its_training_and_can_be_resumed(
    data: Path, tmp_path: Path, sent: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A comparison runs for days: ended, it leaves no training at work unseen, and nothing that was done is lost."""
    import fcntl

    settings = ["--set", "epochs=6", "--set", "patience=6", "--set", "batch_size=4"]
    compare = ["compare", str(data), "--models", "lightgcn", "-o", str(tmp_path / "c"), *settings, "--json"]
    folder = tmp_path / "c" / "data" / "lightgcn" / "seed-0"
    with running("-m", "triptych", *compare, path=HELD) as process:
        wait_for(folder / "metrics.jsonl", process)
        process.send_signal(sent)  # to it alone, not to the training that it started
        assert process.wait() == code
    with (folder / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the training that it started has ended
    assert not (folder / "cost.json").exists(), "it was not interrupted"
    assert (folder / "checkpoint.safetensors").exists()
    assert run(compare) == 0
    assert json.loads(capsys.readouterr().out)[0]["cost"]["epochs"] == 6
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(entry)["epoch"] for entry in lines] == list(range(1, 7))
    assert run(["train", str(data), "--model", "lightgcn", "--run", str(tmp_path / "whole"), *settings]) == 0
    for file in ("factors.safetensors", "parameters.safetensors"):
        assert (folder / "model" / file).read_bytes() == (tmp_path / "whole" / "model" / file).read_bytes()


def test_a_run_with_other_settings_is_not_reused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", str(data), "--models", "ease", "-o", str(tmp_path / "c"), *COMMON]
    assert run(arguments) == 0
    assert run([*arguments, "--set", "ease.reg_weight=7"]) == 1
    assert "settings.reg_weight was 300.0, now 7.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "lightgcn,bm4"], 'did you mean "bm3"'),
        (["--models", ","], "no model is named"),
        (["--models", "ease", "--set", "patiense=3"], 'did you mean "patience"'),
        (["--models", "ease", "--set", "bm3.dropout=0.5"], "is not a setting of a compared model"),
        (["--models", "ease", "--metrics", "ndgc@50"], "ndcg"),
        (["--models", "ease", "--split", "tets"], 'did you mean "test"'),
        (["--models", "ease", "--exclude", "nothing"], '"exclude" of Experiment cannot be'),
        (["--models", "lightgcn", "--set", "lightgcn.n_layers=99"], "less than or equal to 16"),
        (["--models", "lightgcn", "--set", "metric=ndgc@50"], 'did you mean "ndcg"'),
        (["--models", "lightgcn", "--set", "seed=3"], "--seeds"),
        (["--models", "lightgcn", "--set", "lightgcn.seed=3"], "--seeds"),
        (["--models", "lightgcn", "--seeds", "0,x"], "is not a seed"),
        (["--models", "lightgcn", "--seeds", "1,1"], "given twice"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_trained(
    data: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", str(data), "-o", str(tmp_path / "c"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "c").exists()
