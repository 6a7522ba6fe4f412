"""A path that cannot be written to raises an error that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.artefacts import write_file, writing_folder
from triptych.errors import ArtefactError


@pytest.mark.parametrize("below", ["file/new", "file/deeper/new"])
def test_a_file_in_place_of_a_parent_folder_is_named_and_left_alone(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArtefactError, match="file: is a file, not a folder"):
        write_file(tmp_path / below, b"")
    with pytest.raises(ArtefactError, match="file: is a file, not a folder"), writing_folder(tmp_path / below, "x", {}):
        pass
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
