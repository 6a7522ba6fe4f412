"""What can be refused from the options alone is refused before anything is opened, trained or written.

The inputs of these commands do not exist. So each error shows that the option was checked before them.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from triptych.cli.app import PANELS, run

BAD_MODEL, BAD_METRIC = 'unknown model "nope"', 'unknown metric "nope@5"'
FOLDER = "is a file, not a folder"
FOREIGN = "was not written by triptych"
USERS = ["--user", "u1"]
ITEMS = ["items.csv", "-o", "out"]

# command line -> what the error says. "file" is a file, "folder" a folder with a file in it
CASES: list[tuple[list[str], str]] = [
    (["recommend", "run", "-o", "top.txt"], 'cannot write "top.txt"'),
    (["recommend", "run", "-o", "old.csv"], "already exists"),
    (["recommend", "run", "-o", "file/top.csv"], FOLDER),
    (["recommend", "run", "-o", "folder"], "cannot write"),
    (["recommend", "run"], "nothing to do"),
    (["recommend", "run", *USERS, "--unknown", "nope"], 'unknown choice "nope" of --unknown'),
    (["recommend", "run", "--history", "i", "--unknown-items", "nope"], 'unknown choice "nope" of --unknown-items'),
    (["recommend", "run", "-o", "top.parquet", "--escape-formulas"], "only .csv"),
    (["recommend", "run", *USERS, "--escape-formulas"], "needs an --output file"),
    (["recommend", "run", *USERS, "--format", "wide"], "need an --output file"),
    (["recommend", "run", "-o", "top.csv", "--format", "nope"], 'unknown layout "nope"'),
    (["recommend", "run", "-o", "top.csv", "--columns", "nope=x"], 'unknown column "nope"'),
    (["recommend", "run", "-o", "top.parquet", "--format", "wide", "--separator", "|"], "only .csv"),
    (["recommend", "run", "--history", "i", "--histories", "nothing.csv"], "both given"),
    (["recommend", "run", "-o", "top.csv", "--exclude", "trian"], 'did you mean "train"'),
    (["recommend", "run", "-o", "top.csv", "--exclude", "train", "--include-seen"], "included and excluded"),
    (["recommend", "run", "--history", "i", "--exclude", "train"], "no splits"),
    (["recommend", "run", *USERS, "--history", "i"], "known and new users"),
    (["recommend", "run", "--users", "nothing.txt"], "nothing.txt: no such file"),
    (["evaluate", "run", "--split", "nope"], 'setting "split" of'),
    (["evaluate", "run", "--exclude", "nope"], 'setting "exclude" of'),
    (["evaluate", "run", "--items", "nope"], 'setting "items" of'),
    (["evaluate", "run", "--users", "nope"], 'setting "users" of'),
    (["evaluate", "run", "--seen", "nope"], 'setting "seen" of'),
    (["evaluate", "run", "--seen", "keep", "--exclude", "train+validation"], "kept and excluded"),
    (["evaluate", "run", "--metrics", "ndcg@5,nope@5"], BAD_METRIC),
    (["evaluate", "run", "--metrics", ""], "unknown metric"),
    (["evaluate", "run", "--per-user", "users.csv"], "end the name in .parquet"),
    (["evaluate", "run", "--per-user", "file/users.parquet"], FOLDER),
    (["explain", "run", *USERS, "--drawing", "why.png"], "cannot draw"),
    (["explain", "run", *USERS, "--drawing", "file/why.svg"], FOLDER),
    (["explain", "run", *USERS, "--drawing", "why.svg", "-i", "a", "-i", "b"], "one item"),
    (["explain", "run", *USERS, "--pictures", "nothing"], "no such folder of pictures"),
    (["explain", "run", *USERS, "--pictures", "folder"], "needs the column"),
    (["export", "run", "--to", "vectors.csv"], 'cannot export to "vectors.csv"'),
    (["export", "run", "--to", "fais:items"], 'did you mean "faiss"'),
    (["export", "run", "--to", "faiss:"], "names no file"),
    (["export", "run", "--to", "old.parquet"], "already exists"),
    (["export", "run", "--to", "faiss:old.csv"], "already exists"),
    (["export", "run", "--to", "onnx:file/model.onnx"], FOLDER),
    (["export", "run", "--to", "usearch:folder"], "is a folder, not a file"),
    (["export", "run", "--to", "faiss:items", "--index", "nope"], 'unknown choice "nope" of --index'),
    (["export", "run", "--to", "onnx:model", "--input", "nope"], 'unknown choice "nope" of --input'),
    (["export", "run", "--to", "onnx:model", "--table", "bm3"], "means nothing for onnx"),
    (["export", "run", "--to", "pgvector:", "--table", "a b"], "cannot begin the name of a table"),
    (["export", "run", "--to", "pgvector:postgresql://me:a@b@host/shop"], "the address of the database cannot be read"),
    (["add-items", "run", "data", "items.csv", "-o", "file"], FOLDER),
    (["add-items", "run", "data", "items.csv", "-o", "extended"], "exists"),
    (["add-items", "run", "data", "items.csv", "-o", "extended", "--overwrite"], FOREIGN),
    (["add-items", "run", "data", "items.csv", "-o", "out", "-f", "image"], "is not MODALITY=FILE"),
    (["blend", "a", "b", "-o", "out", "--metric", "nope@5"], BAD_METRIC),
    (["blend", "a", "b", "-o", "out", "--weights", "1"], "1 weights for 2 runs"),
    (["blend", "a", "b", "-o", "out", "--weights", "1,x"], "is not a list of numbers"),
    (["blend", "a", "-o", "out"], "at least two models"),
    (["blend", "a", "b", "-o", "out", "--columns", "user=x"], "--columns are those of --scores"),
    (["blend", "a", "--scores", "nothing.csv", "-o", "out"], "no such file"),
    (["score", "nothing.csv", "data"], "no such file"),
    (["score", "old.csv", "data", "--metrics", "nope@5"], BAD_METRIC),
    (["score", "old.csv", "data", "--columns", "nope=x"], 'unknown column "nope"'),
    (["score", "old.csv", "data", "--columns", "items=x,rank=y"], "no item, rank or score column"),
    (["score", "old.csv", "data", "--exclude", "nope"], "nope"),
    (["score", "old.csv", "data", "--per-user", "users.csv"], 'cannot write "users.csv"'),
    (["blend", "a", "b", "-o", "folder"], "exists"),
    (["blend", "a", "b", "-o", "folder", "--overwrite"], FOREIGN),
    (["blend", "a", "b", "-o", "file/out"], FOLDER),
    (["train", "data", "--model", "nope"], BAD_MODEL),
    (["train", "data", "--fit-on", "nope"], 'unknown choice "nope" of --fit-on'),
    (["train", "data", "--fit-on", "all"], "no number of epochs"),
    (["train", "data", "--set", "nope=1"], 'unknown setting "nope"'),
    (["train", "data", "--set", "epochs=0"], '"epochs"'),
    (["train", "data", "--set", "n_layers=x"], '"n_layers"'),
    (["train", "data", "--set", "metric=nope@5"], BAD_METRIC),
    (["train", "data", "--settings", "nothing.toml"], "nothing.toml: no such settings file"),
    (["train", "data", "--log-to", "nope:x"], 'unknown logger "nope:x"'),
    (["train", "data", "--log-to", "mlflow"], "has no target"),
    (["train", "data", "--log-to", "mlflow:x"], "MLflow is not installed"),
    (["train", "data", "--log-to", "tensorboard:x"], "TensorBoard is not installed"),
    (["train", "data", "--run", "file"], FOLDER),
    (["train", "data", "--seed", "-1"], '"seed"'),
    (["tune", "data", "--model", "nope"], BAD_MODEL),
    (["tune", "data", "--search", "nope=1,2"], 'unknown setting "nope"'),
    (["tune", "data", "--set", "nope=1"], 'unknown setting "nope"'),
    (["tune", "data", "--set", "metric=nope@5"], BAD_METRIC),
    (["tune", "data", "--search", "reg_weight=1e-4..1e-1"], "tuning needs Optuna"),
    (["tune", "data", "-o", "file", "--search", "n_layers=1,2"], FOLDER),
    (["compare", "data", "--models", "nope"], BAD_MODEL),
    (["compare", "data", "--seeds", "x"], "is not a seed"),
    (["compare", "data", "--metrics", "nope@5"], BAD_METRIC),
    (["compare", "data", "--split", "nope"], 'setting "split" of'),
    (["compare", "data", "--exclude", "nope"], 'setting "exclude" of'),
    (["compare", "data", "--items", "nope"], 'setting "items" of'),
    (["compare", "data", "--models", "bm3", "--set", "nope=1"], 'unknown setting "nope"'),
    (["compare", "data", "--models", "bm3", "--trials", "3"], "tuning needs Optuna"),
    (["compare", "data", "-o", "file"], FOLDER),
    (["new-users", "data", "--model", "nope"], BAD_MODEL),
    (["new-users", "data", "--model", "bm3", "--set", "n_layers=x"], '"n_layers"'),
    (["new-users", "data", "--model", "bm3", "--set", "metric=nope@5"], BAD_METRIC),
    (["new-users", "data", "--model", "bm3", "-o", "file/x"], FOLDER),
    (["encode", *ITEMS, "--text", "t", "--batch-size", "0"], '"batch_size"'),
    (["encode", *ITEMS, "--text", "t", "--precision", "int8"], '"precision"'),
    (["encode", *ITEMS, "--text", "t", "--device", "nope"], "nope"),
    (["encode", *ITEMS, "--text", "t", "--text", "t"], "is named twice"),
    (["encode", *ITEMS, "--multi", "=|"], "is not COLUMN=SEPARATOR"),
    (["encode", "folder", "-o", "out", "--numeric", "price"], "has no columns"),
    (["encode", "items.csv", "-o", "file", "--text", "t"], FOLDER),
    (["prepare", "log.csv", "-o", "folder"], "already exists"),
    (["prepare", "sqlite://shop.db", "-o", "out"], "names no file of SQLite"),
    (["prepare", "postgresql://me:a@b@host/shop", "-o", "out"], "cannot be read"),
    (["prepare", "log.csv", "-o", "folder", "--overwrite"], FOREIGN),
    (["prepare", "log.csv", "-o", "file"], FOLDER),
    (["prepare", "log.csv", "-o", "file/data"], FOLDER),
    (["prepare", "log.csv", "-o", "out", "-f", "image"], "is not MODALITY=FILE"),
    (["prepare", "log.csv", "-o", "out", "-f", "a=x.npy", "-f", "a=y.npy"], "given twice"),
    (["prepare", "log.csv", "-o", "out", "--user-features", "age"], "is not MODALITY=FILE"),
    (["prepare", "log.csv", "-o", "out", "--user-features", "a=x.npy", "--user-features", "a=y.npy"], "given twice"),
    (["prepare", "log.csv", "-o", "out", "--user-multi", "jobs="], "is not COLUMN=SEPARATOR"),
    (["prepare", "log.csv", "-o", "out", "--neighbours", "image=x"], "is not MODALITY=ROWS:COSINES"),
    (["prepare", "log.csv", "-o", "out", "--drop-modality", "image"], "is not MODALITY=SHARE"),
    (["prepare", "log.csv", "-o", "out", "--multi", "genres="], "is not COLUMN=SEPARATOR"),
    (["prepare", "log.csv", "-o", "out", "--split", "nope"], '"split"'),
    (["prepare", "log.csv", "-o", "out", "--format", "nope"], "nope"),
    (["prepare", "log.csv", "-o", "out", "--unknown-items", "nope"], '"unknown_items"'),
    (["report", "compared", "--pictures", "nothing"], "no such folder of pictures"),
    (["report", "compared", "--pictures", "folder"], "needs the column"),
    (["report", "compared"], "a report needs jinja2"),
    (["demo", "-o", "folder"], "already exists"),
    (["demo", "-o", "file/demo"], FOLDER),
    (["models", "nope"], BAD_MODEL),
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with outputs that exist, on a machine without optional libraries."""
    (tmp_path / "file").touch()
    (tmp_path / "old.csv").touch()
    (tmp_path / "old.parquet").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").touch()
    (tmp_path / "extended" / "model").mkdir(parents=True)
    (tmp_path / "extended" / "model" / "kept").touch()
    monkeypatch.chdir(tmp_path)
    find = importlib.util.find_spec
    absent = ("optuna", "mlflow", "tensorboard", "jinja2")

    def without(name: str, package: str | None = None) -> object:
        return None if name in absent else find(name, package)

    # the module that imports the function first: it must not be imported while another one is in its place
    monkeypatch.setattr("triptych.studies.report.page.find_spec", without)
    monkeypatch.setattr("importlib.util.find_spec", without)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"), CASES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_an_option_is_refused_before_the_inputs_are_opened(
    here: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(here.rglob("*"))
    assert run(arguments) in (1, 2)
    error = " ".join(capsys.readouterr().err.split())
    assert message in error
    assert "no such folder" not in error or message.startswith("no such folder")
    assert sorted(here.rglob("*")) == before


def test_every_command_has_such_cases() -> None:
    commands = {name for panel in PANELS.values() for name in panel}
    assert commands == {arguments[0] for arguments, _ in CASES}
