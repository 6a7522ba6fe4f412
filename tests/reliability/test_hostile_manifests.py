"""Manifests that are none, say something else than they should, or lead out of their folder are refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability.forged import copied, forge, write_originals
from triptych.artefacts import MANIFEST, open_folder
from triptych.artefacts.manifest import parse_manifest
from triptych.data.dataset import open_dataset
from triptych.errors import ArtefactError, InputError
from triptych.explaining.explainer import Explainer
from triptych.ranking.recommender_folder import open_recommender


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_originals(tmp_path_factory.mktemp("originals"))


ABOUTS: list[tuple[str, str, Callable[[dict[str, Any]], object]]] = [
    ("data", "no modalities", lambda about: about.pop("modalities")),
    ("data", "a list", lambda about: about.update(modalities=["image"])),
    ("data", "no description", lambda about: about.update(modalities={"image": None})),
    ("data", "no provenance", lambda about: about["modalities"]["image"].pop("provenance")),
    (
        "data",
        "a name that leaves the folder",
        lambda about: about["modalities"].update({"../x": about["modalities"]["image"]}),
    ),
    ("data", "a modality without a file", lambda about: about["modalities"].update(audio=about["modalities"]["image"])),
    ("data", "a list of users' modalities", lambda about: about.update(user_modalities=["age"])),
    ("data", "no provenance of users", lambda about: about["user_modalities"]["age"].pop("provenance")),
    ("lightgcn", "a number as the users' modalities", lambda about: about.update(user_modalities=7)),
    ("bpr", "a number as the model", lambda about: about.update(model=7)),
    ("bpr", "a list of settings", lambda about: about.update(settings=[])),
    ("bpr", "no settings", lambda about: about.pop("settings")),
    ("bpr", "no modalities", lambda about: about.pop("modalities")),
    ("blend", "one model of two", lambda about: about["models"].pop()),
    ("blend", "a model that is a number", lambda about: about.update(models=[7, 8])),
    ("blend", "models without settings", lambda about: about["models"][0].pop("settings")),
    ("blend", "no models", lambda about: about.pop("models")),
    ("blend", "models that are no list", lambda about: about.update(models="all")),
]


@pytest.mark.parametrize(
    ("folder", "what", "change"), ABOUTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_descriptions_of_the_wrong_kind_are_refused(
    originals: Path, tmp_path: Path, folder: str, what: str, change: Callable[[dict[str, Any]], object]
) -> None:
    hostile = copied(originals / folder, tmp_path / folder)
    forge(hostile, lambda _: None, change)
    with pytest.raises(ArtefactError) as caught:
        open_dataset(hostile) if folder == "data" else open_recommender(hostile)
    assert str(caught.value.where).startswith(str(hostile)), what


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "features/../../outside", "features//image", "a\\b", "."]
)
def test_a_manifest_that_names_files_outside_its_folder_is_refused(originals: Path, tmp_path: Path, name: str) -> None:
    hostile = copied(originals / "data", tmp_path / "data")
    (tmp_path / "outside").write_bytes(b"")
    content = json.loads((hostile / MANIFEST).read_text())
    content["files"][name] = content["files"]["users.parquet"]
    content["version"] = 2  # whose manifests have no checksum
    (hostile / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(ArtefactError, match="manifest is damaged"):
        open_dataset(hostile)


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights there")
@pytest.mark.parametrize("name", ["users.parquet", "features", MANIFEST])
def test_symbolic_links_inside_a_folder_are_refused(originals: Path, tmp_path: Path, name: str) -> None:
    hostile = copied(originals / "data", tmp_path / "data")
    (hostile / name).rename(tmp_path / "elsewhere")
    (hostile / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtefactError, match="is not a") as caught:
        open_dataset(hostile)
    assert caught.value.where == str(hostile / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
@pytest.mark.parametrize("name", ["users.parquet", MANIFEST])
def test_a_fifo_in_the_place_of_a_file_is_refused_and_not_waited_for(
    originals: Path, tmp_path: Path, name: str
) -> None:
    hostile = copied(originals / "data", tmp_path / "data")
    (hostile / name).unlink()
    os.mkfifo(hostile / name)
    with pytest.raises(ArtefactError, match="is not a regular file"):
        open_dataset(hostile)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"{}", b"[" * 200_000, b'{"kind": "data set"}', b"\xff\xfe", b"NaN", b'{"version": 1e999}'],
    ids=lambda content: repr(content[:20]),
)
def test_a_manifest_that_is_none_is_refused(originals: Path, tmp_path: Path, content: bytes) -> None:
    hostile = copied(originals / "data", tmp_path / "data")
    (hostile / MANIFEST).write_bytes(content)
    with pytest.raises(ArtefactError, match="manifest is damaged") as caught:
        open_folder(hostile, "data set")
    assert caught.value.where == str(hostile / MANIFEST)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_a_value_error(content: bytes) -> None:
    with suppress(ValueError):
        parse_manifest(content)


def test_a_recommender_without_a_name_opens_and_says_so_when_the_name_is_needed(
    originals: Path, tmp_path: Path
) -> None:
    folder = copied(originals / "bpr", tmp_path / "bpr")
    forge(folder, lambda _: None, lambda about: about.clear())
    recommender = open_recommender(folder)
    assert recommender.recommend(k=1).items.shape == (30, 1)
    with pytest.raises(InputError, match="does not say which model it is"):
        Explainer(recommender).explain("u01")
