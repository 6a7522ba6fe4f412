"""A place that cannot be written to is an error with its name, not a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.artefacts import write_file, writing_folder
from triptych.errors import ArtefactError


@pytest.mark.parametrize("below", ["file/new", "file/deeper/new"])
def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArtefactError, match="file: is a file, not a folder"):
        write_file(tmp_path / below, b"")
    with pytest.raises(ArtefactError, match="file: is a file, not a folder"), writing_folder(tmp_path / below, "x", {}):
        pass
    assert (tmp_path / "file").read_text() == "mine"
