"""Every reader of files gives a result or an error of this package, whatever the bytes are.

The files are valid ones with some bytes replaced, inserted or removed, and files of random bytes. TRIPTYCH_EXAMPLES is
the number of files per reader; `pytest --hypothesis-profile=explore` draws other ones in every run.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save

from triptych.cli.requests import read_histories, read_users
from triptych.content.pictures import decode_picture, read_picture
from triptych.data.formats.features import FeatureSource, open_features
from triptych.data.formats.given_lists import read_given_lists
from triptych.data.formats.neighbours import NeighbourSource, read_neighbours
from triptych.data.formats.read_table import read_table
from triptych.data.formats.scores_file import read_scores
from triptych.encoding import table_texts
from triptych.errors import TriptychError
from triptych.preparing import FeatureSource as Source
from triptych.preparing import PrepareSettings, prepare
from triptych.settings import read_toml
from triptych.studies.comparison import read_comparison
from triptych.studies.experiment import read_experiment

EXAMPLES = int(os.environ.get("TRIPTYCH_EXAMPLES", "25"))
LOG = "".join(f"u{n % 4},i{n % 5},{n % 5 + 1},{1000 + n},{n % 3}\n" for n in range(20))
TEXT = ("user_id,item_id,rating,timestamp,split\n" + LOG).encode()
TYPED = (
    "user_id:token\titem_id:token\tx_label:float\n" + "".join(f"{n % 4}\t{n % 5}\t{n % 3}\n" for n in range(20))
).encode()
ITEMS = "item_id,title,genres,price\n" + "".join(f'i{n},"Title, {n}",a|b,{n}.5\n' for n in range(5))
DOUBLE = "".join(f"{n % 4}::{n % 5}::{n % 5 + 1}::{1000 + n}\n" for n in range(20)).encode()
MOVIES = b"".join(b"%d::Caf\xe9 %d::Drama|Comedy\n" % (n, n) for n in range(5))
EXPERIMENT = b"""seeds = [0, 1]
trials = 0
[data.shop]
folder = "shop"
[training]
patience = 2
[models.bpr]
settings = { embedding_size = 8 }
"""
COMPARISON = json.dumps(
    {
        "format": 2,
        "split": "test",
        "exclude": "train",
        "items": "all",
        "modalities": None,
        "folders": {"shop": "shop"},
        "seeds": [0],
        "rows": [
            {
                "data": "shop",
                "entry": "bpr",
                "model": "bpr",
                "modalities": None,
                "runs": ["shop/bpr/seed-0"],
                "metrics": {"ndcg@50": {"mean": 0.1, "low": 0.0, "high": 0.2}},
            }
        ],
    }
).encode()


def saved(write: Callable[[io.BytesIO], Any]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def npy(values: Any) -> bytes:
    return saved(lambda file: np.save(file, values))


def parquet(frame: pl.DataFrame) -> bytes:
    return saved(frame.write_parquet)


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE log (user_id, item_id, time)")
    connection.executemany("INSERT INTO log VALUES (?, ?, ?)", ((f"u{n % 4}", n % 5, 1000.5 + n) for n in range(20)))
    connection.commit()
    content = connection.serialize()
    connection.close()
    return content


def picture(kind: str) -> bytes:
    return saved(lambda file: Image.effect_noise((24, 16), 50).convert("RGB").save(file, kind))


FEATURES = np.arange(15, dtype=np.float32).reshape(5, 3)
VECTORS = pl.DataFrame({"id": [f"i{n}" for n in range(5)], "vector": FEATURES.tolist()})
LISTS = pl.DataFrame({"user_id": ["u1", "u2"], "items": [["i1", "i2"], ["i3"]]})
INTERACTIONS = pl.DataFrame({"user_id": [f"u{n % 4}" for n in range(20)], "item_id": [n % 5 for n in range(20)]})


def into_dataset(path: Path, **options: Any) -> None:
    prepare(path, path.parent / "out", PrepareSettings(nulls="drop"), overwrite=True, **options)


def with_items(path: Path) -> None:
    (path.parent / "log.csv").write_bytes(TEXT)
    settings_ = PrepareSettings(multi=("genres",), numeric=("price",), unknown_items="keep")
    prepare(path.parent / "log.csv", path.parent / "out", settings_, items=path, overwrite=True)


def with_features(path: Path) -> None:
    (path.parent / "log.csv").write_bytes(TEXT)
    (path.parent / "table.csv").write_text(ITEMS, encoding="utf-8")
    source = Source("image", path)
    into_dataset(path.parent / "log.csv", items=path.parent / "table.csv", features=[source])


def ids_of_features(path: Path) -> None:
    (path.parent / "image.npy").write_bytes(npy(FEATURES))
    open_features(FeatureSource("image", path.parent / "image.npy", path))


def neighbours(path: Path) -> None:
    (path.parent / "cosines.npy").write_bytes(npy(np.full((5, 2), 0.5, np.float32)))
    read_neighbours(NeighbourSource("image", path, path.parent / "cosines.npy"), np.arange(5), 5)


def user_ids(path: Path) -> None:
    read_users(None, path, "", "")


def histories(path: Path) -> None:
    read_histories(None, path, "")


def decoded(path: Path) -> None:
    decode_picture(read_picture(path), path, draft=(8, 8)).thumbnail((8, 8))


def in_folder(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    return lambda path: read(path.parent)


READERS: dict[str, tuple[str, bytes, Callable[[Path], Any]]] = {
    "a log of commas": ("log.csv", TEXT, into_dataset),
    "a log of tabs": ("log.tsv", TEXT.replace(b",", b"\t"), into_dataset),
    "a log in Parquet": ("log.parquet", parquet(INTERACTIONS), into_dataset),
    "a log in SQLite": ("log.db", database(), into_dataset),
    "a RecBole file": ("log.inter", TYPED, into_dataset),
    "an MMRec folder": ("log.inter", TYPED, in_folder(into_dataset)),
    "MovieLens 1M": ("ratings.dat", DOUBLE, in_folder(into_dataset)),
    "MovieLens 100K": ("u.data", DOUBLE.replace(b"::", b"\t"), in_folder(into_dataset)),
    "an item table": ("items.csv", ITEMS.encode(), with_items),
    "texts of an item table": ("items.csv", ITEMS.encode(), lambda path: table_texts(read_table(path), {"title": ""})),
    "features in .npy": ("image.npy", npy(FEATURES), with_features),
    "features in .safetensors": ("image.safetensors", save({"table": FEATURES}), with_features),
    "features in Parquet": ("image.parquet", parquet(VECTORS), with_features),
    "ids of features": ("ids.txt", b"i0\ni1\ni2\ni3\ni4\n", ids_of_features),
    "neighbours": ("rows.npy", npy(np.arange(10).reshape(5, 2) % 5), neighbours),
    "ids of users": ("users.txt", b"u1\nu2\n\n u3 \n", user_ids),
    "histories of users": ("histories.csv", TEXT, histories),
    "lists": ("lists.csv", b"user_id,item_id,rank\nu1,i1,1\nu1,i2,2\nu2,i1,1\n", read_given_lists),
    "lists in rows": ("lists.csv", b'user_id,item_ids\nu1,i1 i2\nu2,"i1,i3"\n', read_given_lists),
    "lists in Parquet": ("lists.parquet", parquet(LISTS), read_given_lists),
    "a run of TREC": ("run.trec", b"u1 Q0 i1 1 2.5 a\nu1 Q0 i2 2 1e-3 a\n", read_given_lists),
    "a run in JSON": ("run.json", b'{"u1": {"i1": 2.5, "i2": 1}, "u2": {"i1": 3}}', read_given_lists),
    "scores": ("scores.csv", b"user_id,item_id,score\nu1,i1,2.5\nu1,i2,-1\n", read_scores),
    "settings": ("best.toml", b'metric = "ndcg@50"\nepochs = 3\n', read_toml),
    "an experiment": ("experiment.toml", EXPERIMENT, read_experiment),
    "a comparison": ("comparison.json", COMPARISON, in_folder(read_comparison)),
    **{
        f"a picture in {kind}": ("picture", picture(kind), decoded)
        for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")
    },
}

Edit = tuple[float, int, bytes]  # where (a share of the file), how many bytes are removed, what is inserted
SPECIAL = st.sampled_from(
    [
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b'"',
        b"\n",
        b"\r",
        b",",
        b"\t",
        b"::",
        b"{",
        b"[[",
        b"1e999",
        b"nan",
        b"9" * 30,
        b"-1",
        b"\xc0\x80",
    ]
)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), SPECIAL | st.binary(max_size=6)), min_size=1, max_size=4)


def edited(content: bytes, edits: list[Edit]) -> bytes:
    for place, removed, inserted in edits:
        begin = int(place * len(content))
        content = content[:begin] + inserted + content[begin + removed :]
    return content


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(edits=EDITS, cut=st.none() | st.floats(0, 1), noise=st.none() | st.binary(max_size=80))
@pytest.mark.filterwarnings("ignore")
def test_any_bytes_give_a_result_or_an_error_of_this_package(
    reader: str,
    tmp_path_factory: pytest.TempPathFactory,
    edits: list[Edit],
    cut: float | None,
    noise: bytes | None,
) -> None:
    name, valid, read = READERS[reader]
    content = edited(valid, edits) if noise is None else noise
    content = content if cut is None else content[: int(cut * len(content))]
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / name).write_bytes(content)
    with suppress(TriptychError):
        read(folder / name)


@pytest.mark.parametrize("reader", READERS)
def test_the_valid_file_is_read(reader: str, tmp_path: Path) -> None:
    name, valid, read = READERS[reader]
    (tmp_path / name).write_bytes(valid)
    read(tmp_path / name)
