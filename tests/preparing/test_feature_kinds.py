"""Features lie on disk and in memory in many ways; each gives the same rows, or an error that names the place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from scipy.io import savemat

from preparing.feature_kinds import (
    FRAME,
    HOT,
    IDS,
    IN_ORDER,
    ITEMS,
    ROWS,
    VECTORS,
    WITH_IDS,
    Write,
    csv,
    hdf5,
    matlab_73,
    prepared,
)
from preparing.small import write_text
from triptych.cli.app import run
from triptych.data.formats.features import FeatureSource, open_features
from triptych.data.formats.matrices.registry import MATRIX_FORMATS
from triptych.errors import InputError, InputWarning
from triptych.preparing import dataset_from_frames


@pytest.mark.parametrize(("name", "write"), WITH_IDS.values(), ids=WITH_IDS)
def test_rows_belong_to_the_ids_in_the_file(tmp_path: Path, name: str, write: Write) -> None:
    write(tmp_path / name)
    np.testing.assert_array_equal(prepared(tmp_path, tmp_path / name), VECTORS)


@pytest.mark.parametrize(("name", "write"), IN_ORDER.values(), ids=IN_ORDER)
def test_rows_without_ids_are_those_of_the_item_table(tmp_path: Path, name: str, write: Write) -> None:
    write(tmp_path / name)
    np.testing.assert_array_equal(prepared(tmp_path, tmp_path / name), VECTORS)


def test_a_text_file_without_a_header_keeps_its_first_row(tmp_path: Path) -> None:
    csv("")(tmp_path / "f.csv")
    with pytest.warns(InputWarning, match=r"f\.csv: the first line has no names"):
        np.testing.assert_array_equal(prepared(tmp_path, tmp_path / "f.csv"), VECTORS)
    np.savetxt(tmp_path / "plain.txt", VECTORS)
    with pytest.warns(InputWarning, match=r"plain\.txt: the first line has no names"):
        np.testing.assert_array_equal(prepared(tmp_path, tmp_path / "plain.txt"), VECTORS)


def test_an_index_that_pandas_wrote_is_no_feature(tmp_path: Path) -> None:
    FRAME.to_pandas().to_csv(tmp_path / "f.csv")
    with pytest.warns(InputWarning, match="counts the rows: not used"):
        np.testing.assert_array_equal(prepared(tmp_path, tmp_path / "f.csv"), VECTORS)
    FRAME.to_pandas().set_index("item_id").rename_axis(None).to_csv(tmp_path / "g.csv")  # ids in a column without name
    np.testing.assert_array_equal(prepared(tmp_path, tmp_path / "g.csv"), VECTORS)


def test_what_is_not_used_is_said(tmp_path: Path) -> None:
    FRAME.with_columns(title=pl.lit("A title")).write_parquet(tmp_path / "f.parquet")
    with pytest.warns(InputWarning, match=r"f\.parquet: columns that are not used as features: title"):
        np.testing.assert_array_equal(prepared(tmp_path, tmp_path / "f.parquet"), VECTORS)
    np.savez(tmp_path / "f.npz", embeddings=VECTORS, mask=HOT)
    with pytest.warns(InputWarning, match=r'f\.npz: "embeddings" is the matrix; not used: mask'):
        np.testing.assert_array_equal(prepared(tmp_path, tmp_path / "f.npz"), VECTORS)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "int8", "bool"])
@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "h5", "mat", "parquet", "csv"])
def test_multi_hot_vectors_are_features(tmp_path: Path, dtype: str, kind: str) -> None:
    values, path = HOT.astype(dtype), tmp_path / f"hot.{kind}"
    frame = pl.DataFrame({"item_id": ITEMS} | {f"g{n}": values[:, n] for n in range(3)})
    write: dict[str, Write] = {
        "npy": lambda path: np.save(path, values),
        "npz": lambda path: np.savez(path, values),
        "pt": lambda path: torch.save(torch.tensor(values), path),
        "h5": lambda path: hdf5(path, x=values),
        "mat": lambda path: savemat(path, {"x": values}),
        "parquet": frame.write_parquet,
        "csv": frame.with_columns(pl.selectors.boolean().cast(pl.Int8)).write_csv,
    }
    write[kind](path)
    np.testing.assert_array_equal(prepared(tmp_path, path), HOT)


ID_FILES: dict[str, tuple[str, Write]] = {
    "npy": ("ids.npy", lambda path: np.save(path, np.array(IDS))),
    "npz": ("ids.npz", lambda path: np.savez(path, np.array(IDS))),
    "byte-order mark": ("ids.txt", lambda path: path.write_bytes(b"\xef\xbb\xbf" + "\n".join(IDS).encode() + b"\n")),
    "json lines": ("ids.jsonl", lambda path: write_text(path, "".join(f'{{"item_id": "{each}"}}\n' for each in IDS))),
    "feather": ("ids.feather", lambda path: pl.DataFrame({"item_id": IDS}).write_ipc(path)),
}


@pytest.mark.parametrize(("name", "write"), ID_FILES.values(), ids=ID_FILES)
def test_ids_beside_a_matrix_lie_in_files_of_many_kinds(tmp_path: Path, name: str, write: Write) -> None:
    np.save(tmp_path / "f.npy", ROWS)
    write(tmp_path / name)
    np.testing.assert_array_equal(prepared(tmp_path, tmp_path / "f.npy", tmp_path / name), VECTORS)


def mapping(names: str, second: list[int], ids: list[str] = IDS) -> str:
    return "\n".join([names, *(f"{item}\t{number}" for item, number in zip(ids, second, strict=True)), ""])


def test_of_two_columns_of_ids_those_that_the_data_set_knows_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", ROWS)
    ids = write_text(tmp_path / "map.tsv", mapping("asin\titemID", [0, 1, 2, 3]))
    with pytest.warns(InputWarning, match=r'map\.tsv: of its columns "asin", "itemID", "asin" has the ids'):
        np.testing.assert_array_equal(prepared(tmp_path, tmp_path / "f.npy", ids), VECTORS)
    ids = write_text(tmp_path / "map.tsv", mapping("asin\trow", [0, 1, 2, 3]))
    with pytest.warns(InputWarning, match=r'the ids are those of "asin", not of "row"'):
        np.testing.assert_array_equal(prepared(tmp_path, tmp_path / "f.npy", ids), VECTORS)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (mapping("asin\titemID", [0, 1, 2, 3], ["w", "x", "y", "z"]), '"asin", "itemID"', "one id per line"),
        (
            mapping("asin\titemID", [1, 0, 2, 3]),
            'numbered in "itemID", but not in the order',
            'sort the lines by "item',
        ),
        (mapping("asin\titemID", [0, 1, 2], IDS[:3]), "3 ids for the 4 rows", "one id per row"),
    ],
)
def test_a_file_with_two_columns_is_never_read_as_one(tmp_path: Path, text: str, message: str, hint: str) -> None:
    np.save(tmp_path / "f.npy", ROWS)
    ids = write_text(tmp_path / "map.tsv", text)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        prepared(tmp_path, tmp_path / "f.npy", ids)
    assert hint in str(caught.value.hint)
    assert "map.tsv" in str(caught.value.where)


def test_ids_in_both_files_must_be_the_same(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", features=ROWS, ids=np.array(IDS))
    same, other = (write_text(tmp_path / f"{n}.txt", "\n".join(ids) + "\n") for n, ids in enumerate((IDS, ITEMS)))
    np.testing.assert_array_equal(prepared(tmp_path, tmp_path / "f.npz", same), VECTORS)
    with pytest.raises(InputError, match="has ids of its own, which are not those of"):
        prepared(tmp_path, tmp_path / "f.npz", other)


def test_help_and_errors_name_all_kinds_of_the_registry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f.pkl").write_bytes(b"a pickle")
    with pytest.raises(InputError) as caught:
        open_features(FeatureSource("image", tmp_path / "f.pkl"))
    assert run(["prepare", "--help"]) == 0
    page = capsys.readouterr().out
    for each in MATRIX_FORMATS:
        assert f"  {', '.join(each.suffixes)}: " in page
        assert all(suffix in str(caught.value.hint) for suffix in each.suffixes)


IN_MEMORY: dict[str, Any] = {
    "item -> vector": dict(zip(IDS, ROWS, strict=True)),
    "item -> tensor": dict(zip(IDS, torch.tensor(ROWS), strict=True)),
    "item -> list": dict(zip(IDS, ROWS.tolist(), strict=True)),
    "lists": VECTORS.tolist(),
    "sparse matrix": sparse.csr_matrix(VECTORS),
    "sparse array": sparse.coo_array(VECTORS),
    "ids and a sparse matrix": (IDS, sparse.csr_matrix(ROWS)),
    "tensor with a gradient": torch.tensor(VECTORS, requires_grad=True),
    "bfloat16": torch.tensor(VECTORS).bfloat16(),
    "frame by index": pd.DataFrame(ROWS, index=IDS),
}


@pytest.mark.parametrize("features", IN_MEMORY.values(), ids=IN_MEMORY)
def test_features_in_memory_have_many_forms(features: Any) -> None:
    log = pl.DataFrame({"user_id": ["u", "u", "v", "v"], "item_id": ITEMS})
    dataset = dataset_from_frames(log, items=pl.DataFrame({"item_id": ITEMS}), features={"image": features})
    np.testing.assert_array_equal(dataset.features["image"].table, VECTORS)


@pytest.mark.parametrize("features", [HOT, HOT.tolist(), HOT > 0, pd.DataFrame(HOT, index=ITEMS), torch.tensor(HOT)])
def test_multi_hot_vectors_in_memory_are_features(features: Any) -> None:
    log = pl.DataFrame({"user_id": ["u", "u", "v", "v"], "item_id": ITEMS})
    dataset = dataset_from_frames(log, items=pl.DataFrame({"item_id": ITEMS}), features={"genre": features})
    np.testing.assert_array_equal(dataset.features["genre"].table, HOT)


def test_vectors_of_two_lengths_in_memory_name_the_item() -> None:
    log = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "b"]})
    with pytest.raises(InputError, match='the vector of "b" has shape'):
        dataset_from_frames(log, features={"image": {"a": [1.0], "b": [1.0, 2.0]}})


def test_matlab_73_is_hdf5_with_axes_in_reverse_order(tmp_path: Path) -> None:
    matlab_73(tmp_path / "f.mat")
    file = open_features(FeatureSource("image", tmp_path / "f.mat"))
    np.testing.assert_array_equal(file.values, ROWS)
    assert file.ids is not None
    assert file.ids.to_list() == ["0", "1", "2", "3"]
