"""Text files in any encoding: refused with a guess, or read by the encoding that is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from triptych.data.dataset import Dataset
from triptych.data.formats.features import FeatureSource
from triptych.errors import InputError, InputWarning, SettingsError
from triptych.preparing import PrepareSettings, prepare


def read(tmp_path: Path, content: bytes, encoding: str = "") -> Dataset:
    (tmp_path / "log.csv").write_bytes(content)
    return prepare(tmp_path / "log.csv", tmp_path / "out", PrepareSettings(encoding=encoding), overwrite=True)


def test_a_file_in_another_encoding_is_refused_with_a_guess_and_read_where_it_is_named(tmp_path: Path) -> None:
    rows = "".join(f"사용자{n},상품 번호 {n % 3}\n" for n in range(20))
    content = ("user_id,item_id\n" + rows).encode("cp949")
    with pytest.raises(InputError, match="is not UTF-8") as caught:
        read(tmp_path, content)
    assert '`encoding="cp949"`' in str(caught.value.hint)
    assert "사용자" in str(caught.value.hint)
    dataset = read(tmp_path, content, encoding="cp949")
    assert dataset.users.ids[0] == "사용자0"
    with pytest.raises(SettingsError, match='unknown encoding "cp9499"'):
        read(tmp_path, content, encoding="cp9499")
    with pytest.raises(InputError, match="is not ascii text"):
        read(tmp_path, content, encoding="ascii")


def test_the_encoding_reaches_every_text_file(tmp_path: Path) -> None:
    """Log, item and user tables, tables of features and files of ids."""
    ids, users = [f"책 {n}" for n in range(4)], [f"사람 {n}" for n in range(4)]
    texts = {
        "log.csv": ["user_id,item_id", *(f"{user},{item}" for user in users for item in ids)],
        "items.csv": ["item_id,title", *(f"{item},제목" for item in ids)],
        "users.csv": ["user_id,city", *(f"{user},서울" for user in users)],
        "text.csv": ["item_id,a,b", *(f"{item},1,{n}" for n, item in enumerate(ids))],
        "bare.csv": [f"{item},1,{n}" for n, item in enumerate(ids)],  # the first line is looked at before it is read
        "ids.txt": ids,
        "profile.txt": users,
    }
    for name, lines in texts.items():
        (tmp_path / name).write_bytes("".join(f"{line}\n" for line in lines).encode("cp949"))
    np.save(tmp_path / "matrix.npy", np.eye(4, dtype=np.float32))
    with pytest.warns(InputWarning):
        dataset = prepare(
            tmp_path / "log.csv",
            tmp_path / "out",
            PrepareSettings(encoding="cp949"),
            items=tmp_path / "items.csv",
            users=tmp_path / "users.csv",
            features=[
                FeatureSource("text", tmp_path / "text.csv"),
                FeatureSource("bare", tmp_path / "bare.csv"),
                FeatureSource("image", tmp_path / "matrix.npy", tmp_path / "ids.txt"),
            ],
            user_features=[FeatureSource("profile", tmp_path / "matrix.npy", tmp_path / "profile.txt")],
        )
    assert dataset.items.ids.to_list() == ids
    assert dataset.user_table is not None
    assert dataset.user_table["city"].to_list() == ["서울"] * 4
    assert [dataset.features[name].present.all() for name in ("text", "bare", "image")] == [True] * 3
    assert dataset.user_features["profile"].present.all()
