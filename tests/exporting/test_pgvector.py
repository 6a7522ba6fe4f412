"""Tables of a real PostgreSQL with pgvector return the lists of the model; nothing of others is replaced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import triptych
from exporting.models_to_export import all_scores, model_of, same_lists, with_integer_ids
from postgres import PostgresServer
from triptych.errors import ArtefactError, InputError, SettingsError, TriptychError
from triptych.exporting import pgvector_tables
from triptych.exporting.database import shown
from triptych.ranking.recommender import Recommender

psycopg: Any = pytest.importorskip("psycopg", reason='psycopg is absent: pip install "triptych[pgvector]"')


@pytest.fixture(scope="module")
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.url


@pytest.fixture
def connection(url: str) -> Iterator[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP EXTENSION IF EXISTS vector")


def lists(connection: Any, model: Recommender, table: str, k: int) -> Any:
    """The lists that SQL alone returns: the users' vectors are in the database too."""
    rows = []
    for user in model.dataset.users.ids.to_list()[:-1]:
        query = (
            f"SELECT i.id FROM {table}_items i, {table}_users u WHERE u.id = %s "
            f"ORDER BY i.vector <#> u.vector LIMIT {k}"
        )
        rows.append([item for (item,) in connection.execute(query, (user,)).fetchall()])
    return model.dataset.items.rows([item for row in rows for item in row]).reshape(len(rows), k)


@pytest.mark.parametrize("kind", ["factors", "blend"])
def test_the_database_returns_the_lists_of_the_model(kind: str, url: str, connection: Any) -> None:
    model = model_of(kind)
    report = triptych.export(model, f"pgvector:{url}", table=kind)
    assert report.outputs == (f"{kind}_items", f"{kind}_users")
    assert (report.recall, report.index) == (1.0, "exact")
    assert same_lists(lists(connection, model, kind, 50), all_scores(model)[:-1], 50)
    (plan,) = connection.execute(f"SELECT count(*) FROM {kind}_users").fetchone()
    assert plan == 59


def test_the_sql_of_the_page_returns_the_lists_of_the_model(url: str, connection: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sql\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == 2
    model = model_of("factors")
    triptych.export(model, f"pgvector:{url}", table="bm3", index="hnsw")
    scores = all_scores(model)[3:4]
    for block in blocks:
        for statement in block.replace("'c0003'", "'u''3'").strip().rstrip(";").split(";"):
            rows = connection.execute(statement)
        found = rows.fetchall()
        items = model.dataset.items.rows([row[0] for row in found])
        assert same_lists(items[None], scores, 50)
        if len(found[0]) == 2:
            np.testing.assert_allclose([row[1] for row in found], scores[0, items], rtol=1e-4, atol=1e-5)


def test_values_arrive_to_the_bit(url: str, connection: Any) -> None:
    model = model_of("factors")
    triptych.export(model, f"pgvector:{url}")
    stored = dict(connection.execute("SELECT id, vector::text FROM triptych_items").fetchall())
    for name, values in zip(model.dataset.items.ids, model.factors.items.numpy(), strict=True):
        np.testing.assert_array_equal(np.fromstring(stored[name].strip("[]"), sep=",", dtype=np.float32), values)


def test_ids_that_came_as_integers_are_bigint(url: str, connection: Any) -> None:
    report = triptych.export(with_integer_ids(model_of("factors"), "item"), f"pgvector:{url}")
    assert report.recall == 1.0
    assert connection.execute("SELECT id FROM triptych_items ORDER BY id LIMIT 2").fetchall() == [(-20,), (-13,)]
    columns = connection.execute(
        "SELECT table_name, data_type FROM information_schema.columns WHERE column_name = 'id' ORDER BY 1"
    ).fetchall()
    assert columns == [("triptych_items", "bigint"), ("triptych_users", "text")]


def test_a_graph_is_made_and_its_recall_is_measured(url: str, connection: Any) -> None:
    report = triptych.export(model_of("factors"), f"pgvector:{url}", index="hnsw", k=10)
    assert report.recall is not None
    assert report.recall > 0.9
    (definition,) = connection.execute(
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'triptych_items' AND indexdef LIKE '%hnsw%'"
    ).fetchone()
    assert "vector_ip_ops" in definition


def test_wide_vectors_get_a_graph_of_half_precision(url: str, connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgvector_tables, "WIDEST_INDEX", 4)
    report = triptych.export(model_of("factors"), f"pgvector:{url}", index="hnsw", k=10)
    assert report.recall is not None
    assert report.recall > 0.9
    (definition,) = connection.execute(
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'triptych_items' AND indexdef LIKE '%hnsw%'"
    ).fetchone()
    assert "halfvec_ip_ops" in definition


def test_dimensions_beyond_those_of_pgvector_are_refused() -> None:
    with pytest.raises(InputError, match="16000 dimensions"):
        pgvector_tables.check_dimensions(16_001, "exact")
    with pytest.raises(InputError, match="at most 4000"):
        pgvector_tables.check_dimensions(4001, "hnsw")


def test_tables_are_replaced_only_on_request_and_only_those_of_an_export(url: str, connection: Any) -> None:
    connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.mine_users (id int)")
    with pytest.raises(ArtefactError, match="was not written by triptych") as caught:
        triptych.export(model_of("factors"), f"pgvector:{url}", table="shop.mine", overwrite=True)
    assert "mine_users" in str(caught.value.where)
    triptych.export(model_of("factors"), f"pgvector:{url}", table="shop.bm3")
    with pytest.raises(ArtefactError, match="already exists"):
        triptych.export(model_of("blend"), f"pgvector:{url}", table="shop.bm3")
    triptych.export(model_of("blend"), f"pgvector:{url}", table="shop.bm3", index="hnsw", overwrite=True)
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'shop'").fetchall()
    assert sorted(tables) == [("bm3_items",), ("bm3_users",), ("mine_users",)]
    assert connection.execute("SELECT vector_dims(vector) FROM shop.bm3_items LIMIT 1").fetchone() == (14,)
    indices = connection.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'shop'").fetchall()
    assert sorted(indices) == [("bm3_items_hnsw",), ("bm3_items_pkey",), ("bm3_users_pkey",)]
    connection.execute("DROP SCHEMA shop CASCADE")


def test_an_interrupted_export_leaves_the_old_tables(url: str, connection: Any) -> None:
    triptych.export(model_of("factors"), f"pgvector:{url}")

    def interrupt(progress: triptych.progress.Progress) -> None:
        if progress.stage == "writing users":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        triptych.export(model_of("blend"), f"pgvector:{url}", overwrite=True, listener=interrupt)
    assert connection.execute("SELECT vector_dims(vector) FROM triptych_items LIMIT 1").fetchone() == (8,)
    assert len(connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()) == 2


def test_a_database_that_refuses_says_why(url: str, connection: Any) -> None:
    with pytest.raises(InputError, match='schema "nowhere" does not exist'):
        triptych.export(model_of("factors"), f"pgvector:{url}", table="nowhere.bm3")
    with pytest.raises(InputError, match="does not exist"):
        triptych.export(model_of("factors"), f"pgvector:{url.replace('/postgres?', '/nothing?')}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@127.0.0.1:1/shop",
        "postgresql://me:pa@s3cret@127.0.0.1:1/shop",
        "postgresql://me:pa/s3cret@127.0.0.1:1/shop",
        "postgresql://me:s3cret@127.0.0.1:port/shop",
        "postgresql://me:pa%s3cret@127.0.0.1:1/shop",
        "postgresql://127.0.0.1:1/shop?password=s3cret&nothing=1",
        "host=127.0.0.1 port=1 password=s3cret",
        "host=127.0.0.1 password='s3cret",
        "s3cret",
    ],
)
def test_a_password_is_never_printed(url: str) -> None:
    with pytest.raises(TriptychError) as caught:
        triptych.export(model_of("factors"), f"pgvector:{url}")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_address_is_shown_without_the_user() -> None:
    assert shown("postgresql://me:secret@db.example:5433/shop") == "pgvector:db.example:5433/shop"
    with pytest.raises(SettingsError, match="cannot be read"):
        shown("postgresql://me:se@cret@db.example/shop")


@pytest.mark.parametrize("name", ["a.b.c", "a b", "", "1a", 'x"; DROP TABLE y', "a" * 51])
def test_names_that_are_no_table_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="cannot begin the name of a table"):
        triptych.export(model_of("factors"), "pgvector:", table=name)


def test_an_id_with_a_nul_character_is_refused(url: str, connection: Any) -> None:
    rows = pgvector_tables._rows(["a\0b"], np.zeros((1, 3), dtype=np.float32))
    with pytest.raises(InputError, match="NUL character"):
        list(rows)
