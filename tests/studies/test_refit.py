"""The final fit in one call: of a run, of a search, of all models of a blend; and a warm start in the shell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from triptych.cli.app import run as shell
from triptych.data.dataset import Dataset, open_dataset
from triptych.data.split import assign_split
from triptych.errors import InputError, TrainingError
from triptych.progress import Progress
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.ranking.scorer import Factors
from triptych.studies.blend import weighted_blend
from triptych.studies.refit import refit
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

TRAINING = TrainingSettings(epochs=4, batch_size=64, learning_rate=0.02, seed=5, precision="float32")
SMALL = {"embedding_size": 8}


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.chdir(tmp_path)
    assign_split(random_dataset(density=0.3), "ratio", seed=0).save("shop")
    return open_dataset("shop")


def model_bytes(folder: str) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in sorted((Path(folder) / "model").iterdir())}


@pytest.mark.parametrize("name", ["bm3", "ease"])
def test_refit_has_the_bytes_of_like_with_fit_on_all(name: str, dataset: Dataset) -> None:
    settings = SMALL if name == "bm3" else {"reg_weight": 50.0}
    first = fit(name, dataset.with_modalities(["text"]), settings, TRAINING, run="first")
    assert shell(["train", "shop", "--like", "first", "--fit-on", "all", "--run", "long", "-q"]) == 0
    assert shell(["train", "shop", "--refit", "first", "--run", "short", "-q"]) == 0
    refit("first", dataset, run="python")
    assert model_bytes("long") == model_bytes("short") == model_bytes("python")
    in_memory = refit(first, dataset)
    assert in_memory.about == open_recommender("long").about
    assert in_memory.about["fit_on"] == "all"
    assert refit(first, dataset, fit_on="train+validation").about["fit_on"] == "train+validation"


def test_refit_takes_the_best_trial_of_a_search(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    quick = ["--set", "epochs=2", "--set", "embedding_size=8", "--search", "learning_rate=0.01,0.05", "--trials", "2"]
    assert shell(["tune", "shop", "--model", "bpr", *quick, "-o", "tuned", "-q"]) == 0
    capsys.readouterr()
    assert shell(["train", "shop", "--refit", "tuned", "-q", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["run"] == str(Path("runs/bpr-shop-seed0-all"))
    assert refit("tuned", dataset).factors.users.equal(open_recommender(result["run"]).factors.users)


def blended(dataset: Dataset) -> Recommender:
    models = [fit("ease", dataset), fit("bpr", dataset, SMALL, TRAINING), fit("bpr", dataset, SMALL, TRAINING)]
    return weighted_blend(models, (1.0, 0.5, 0.25))


def test_a_refitted_blend_is_the_blend_of_its_refitted_models(
    dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    blend = blended(dataset)
    blend.save("blend")
    assert shell(["train", "shop", "--refit", "blend", "--run", "final", "-q"]) == 0
    assert "next: triptych recommend final" in capsys.readouterr().out
    final = open_recommender("final")
    apart = [refit(fit("ease", dataset), dataset), *2 * [refit(fit("bpr", dataset, SMALL, TRAINING), dataset)]]
    expected = weighted_blend(apart, (1.0, 0.5, 0.25))
    assert final.about == json.loads(json.dumps(expected.about))
    users = torch.arange(dataset.n_users).numpy()
    assert final.scorer.score(users).equal(expected.scorer.score(users))
    assert refit(blend, dataset).scorer.score(users).equal(expected.scorer.score(users))
    assert sorted(each.name for each in Path("final/models").iterdir()) == ["0-ease", "1-bpr", "2-bpr"]
    assert shell(["train", "shop", "--refit", "blend", "--set", "seed=3", "-q"]) == 2
    assert "--set does not go with --refit" in capsys.readouterr().err
    assert shell(["train", "shop", "--refit", "blend", "--fit-on", "train+validation", "--run", "final", "-q"]) == 1
    assert "fit_on was 'all', now 'train+validation'" in capsys.readouterr().err


def test_an_interrupted_refit_of_a_blend_goes_on_to_the_same_bytes(dataset: Dataset) -> None:
    blend = blended(dataset)

    def interrupt(progress: Progress) -> None:
        if progress.stage == "training" and progress.done == 2 and Path("died/models/2-bpr").exists():
            raise RuntimeError("died")

    refit(blend, dataset, run="whole")
    with pytest.raises(RuntimeError, match="died"):
        refit(blend, dataset, run="died", listener=interrupt)
    assert not Path("died/model").exists()
    refit(blend, dataset, run="died")
    assert model_bytes("whole") == model_bytes("died")
    with pytest.raises(TrainingError, match="holds another run"):
        refit(weighted_blend([fit("ease", dataset), fit("popularity", dataset)], (1.0, 2.0)), dataset, run="died")


def test_a_recommender_without_a_description_is_not_refitted(dataset: Dataset) -> None:
    own = Recommender(Factors(torch.ones(dataset.n_users, 1), torch.ones(dataset.n_items, 1)), dataset)
    with pytest.raises(InputError, match="does not say which model it is"):
        refit(own, dataset)


def test_the_shell_starts_a_training_from_an_earlier_run(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    start = fit("bm3", dataset.with_modalities(["text"]), SMALL, TRAINING, run="first")
    fit("ease", dataset, run="ease")
    command = ["train", "shop", "--from", "first", "--set", "epochs=2", "-q"]
    assert shell([*command, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["run"] == str(Path("runs/bm3-shop-seed5-warm"))
    from_python = fit(
        "bm3",
        dataset.with_modalities(["text"]),
        SMALL,
        replace(TRAINING, epochs=2),
        start_from=start,
    )
    assert open_recommender(result["run"]).factors.users.equal(from_python.factors.users)
    assert result["started_from"] == from_python.about["started_from"]
    assert shell([*command, "--model", "vbpr"]) == 2
    assert shell(["train", "shop", "--from", "ease", "-q"]) == 1
    assert "closed form" in capsys.readouterr().err
    assert shell(["train", "shop", "--refit", "first", "--like", "first", "-q"]) == 2
