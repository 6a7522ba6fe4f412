"""`prepare` reads tables and queries of SQLite and PostgreSQL as it reads files, and changes nothing in them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import pytest
from sqlalchemy import create_engine

import triptych
from triptych.cli.app import run
from triptych.data.dataset import Dataset
from triptych.data.formats import database
from triptych.data.formats.registry import read_source
from triptych.errors import InputError, SettingsError, TriptychError
from triptych.preparing import PrepareSettings, prepare
from triptych.serving.events import Event, open_store

START = datetime(2026, 1, 1, 10, 30)
ROWS = [(10**15 + n % 23, 7 + n * n % 17, 1 + n % 5, START + timedelta(hours=n, seconds=n % 3)) for n in range(400)]
ORDERS = "CREATE TABLE orders (id int, customer_id bigint, product_id int, stars int, created_at {}, remark text)"
PRODUCTS = "CREATE TABLE products (id int, title text, price numeric(8,2), kind text)"


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        path = tmp_path / "shop.db"
        sqlite3.connect(path).close()
        path.touch()
        return f"sqlite:///{path}"
    return str(request.getfixturevalue("postgres_url"))


def execute(address: str, *statements: str, rows: Sequence[Any] = ()) -> None:
    """Run statements; the last one for each of the rows, with ? for a value."""
    if address.startswith("sqlite"):
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as connection, connection:
            for statement in statements[: len(statements) - bool(rows)]:
                connection.execute(statement)
            if rows:
                connection.executemany(statements[-1], rows)
        return
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as database:
        for statement in statements[: len(statements) - bool(rows)]:
            database.exec_driver_sql(statement)
        if rows:
            database.exec_driver_sql(statements[-1].replace("?", "%s"), [tuple(each) for each in rows])
    engine.dispose()


def fill(address: str) -> str:
    is_sqlite = address.startswith("sqlite")
    rows = [
        (n, user, item, stars, str(time) if is_sqlite else time, "long " * 20)
        for n, (user, item, stars, time) in enumerate(ROWS)
    ]
    execute(
        address,
        ORDERS.format("text" if is_sqlite else "timestamp"),
        PRODUCTS,
        "CREATE TABLE customers (id int, email text)",
        "CREATE VIEW cheap AS SELECT id, title FROM products WHERE price < 10",
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)",
        rows=rows,
    )
    items = sorted({item for _, item, _, _ in ROWS})
    execute(
        address,
        "INSERT INTO products VALUES (?, ?, ?, ?)",
        rows=[(item, f"title {item}", 1.25 * item, "ab"[item % 2]) for item in items],
    )
    return address


@pytest.fixture
def shop(address: str) -> str:
    return fill(address)


def same(one: Dataset, other: Dataset) -> None:
    assert one.users.ids.to_list() == other.users.ids.to_list()
    assert one.items.ids.to_list() == other.items.ids.to_list()
    for name in ("users", "items"):
        np.testing.assert_array_equal(getattr(one.interactions, name), getattr(other.interactions, name))
    assert one.times is not None
    assert other.times is not None
    np.testing.assert_array_equal(one.times, other.times)
    assert one.split_codes is not None
    assert other.split_codes is not None
    np.testing.assert_array_equal(one.split_codes, other.split_codes)


def test_a_table_becomes_the_data_set_of_the_same_rows_in_a_file(shop: str, tmp_path: Path) -> None:
    frame = pl.DataFrame(ROWS, schema=["customer_id", "product_id", "stars", "created_at"], orient="row")
    frame.write_parquet(tmp_path / "log.parquet")
    expected = prepare(tmp_path / "log.parquet", tmp_path / "a")
    found = prepare(f"{shop}#orders", tmp_path / "b")
    same(found, expected)
    assert (found.users.id_type, found.items.id_type) == (expected.users.id_type, expected.items.id_type)
    assert "int" in str(found.users.id_type), "integers stay integers"
    assert found.about["columns"]["unused"] == ["id", "remark"]
    found = prepare(f"{shop}#orders", tmp_path / "c", items=f"{shop}#products", settings=with_metadata())
    assert found.items.ids.to_list() == sorted({str(item) for _, item, _, _ in ROWS}, key=int)
    assert found.features["metadata"].present.all()
    assert found.item_table is not None
    assert found.item_table["title"].to_list() == [f"title {each}" for each in found.items.ids]


def with_metadata() -> PrepareSettings:
    return PrepareSettings(numeric=("price",), categorical=("kind",))


def test_the_table_is_found_by_its_columns_and_manifests_name_it(shop: str, tmp_path: Path) -> None:
    dataset = prepare(shop, tmp_path / "shop")
    assert dataset.about["sources"][0].endswith("#orders")
    assert "postgres:" not in (tmp_path / "shop" / "manifest.json").read_text().replace("postgresql:", "")


def test_the_rows_of_a_query_are_the_log(shop: str, tmp_path: Path) -> None:
    query = "SELECT customer_id AS who, product_id AS item FROM orders WHERE stars >= 4 AND '50%' <> ':name';"
    settings = PrepareSettings(query=query, user_column="who")
    dataset = prepare(shop, tmp_path / "shop", settings)
    liked = {(str(user), str(item)) for user, item, stars, _ in ROWS if stars >= 4}
    users, items = dataset.users.ids.to_list(), dataset.items.ids.to_list()
    pairs = zip(dataset.interactions.users, dataset.interactions.items, strict=True)
    assert {(users[user], items[item]) for user, item in pairs} == liked
    assert dataset.about["query"] == query


def test_rows_are_read_in_parts_and_no_part_is_lost(shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_source(f"{shop}#orders").log
    monkeypatch.setattr(database, "ROWS", 7)
    parts = read_source(f"{shop}#orders").log
    assert whole.frame.equals(parts.frame)
    assert len(parts.frame) == len(ROWS)


def test_nothing_is_changed_by_a_query(shop: str, tmp_path: Path) -> None:
    for query in (
        "DELETE FROM orders",
        "DROP TABLE orders",
        "INSERT INTO orders SELECT * FROM orders RETURNING customer_id, product_id",
        "SELECT 1; DROP TABLE orders",
        "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
    ):
        with pytest.raises(InputError):
            prepare(shop, tmp_path / "shop", PrepareSettings(query=query))
    assert len(read_source(f"{shop}#orders").log.frame) == len(ROWS)


def test_the_event_store_is_a_log_since_a_point_in_time(address: str, tmp_path: Path) -> None:
    store = open_store(address)
    kinds = ("view", "buy")
    store.append([Event(f"e{n}", f"0{n % 9}", f"i{n % 7}", 1e9 + n, kinds[n % 2]) for n in range(200)])
    settings = PrepareSettings(weights="buy=5,view=1")
    dataset = prepare(address, tmp_path / "all", settings)
    assert (dataset.n_users, dataset.n_items) == (9, 7)
    assert dataset.users.ids[0].startswith("0")
    assert dataset.weights is not None
    query = "SELECT user_id, item_id, time FROM triptych_events WHERE time >= 1000000190"
    later = prepare(address, tmp_path / "later", PrepareSettings(query=query))
    assert later.about["cleaning"]["rows_read"] == 10
    assert later.times is not None
    assert later.times.min() == 1e9 + 190
    assert store.append([Event("e200", "u", "i", 1.0)]) == [True], "reading locks nothing"
    store.close()


def test_types_of_postgresql_become_what_they_mean(postgres_url: str) -> None:
    user = UUID(int=5)
    execute(
        postgres_url,
        "CREATE TABLE log (user_id uuid, item_id numeric(20,0), rating numeric(3,1), ts timestamptz)",
        "INSERT INTO log VALUES (?, ?, ?, ?)",
        rows=[
            (user, Decimal("12345678901234567890"), Decimal("4.5"), datetime(2026, 1, 1, tzinfo=UTC)),
            (user, Decimal(3), Decimal(5), datetime(2026, 1, 1, 2, tzinfo=UTC)),
        ],
    )
    log = read_source(postgres_url).log.frame
    assert log["user_id"].to_list() == [str(user)] * 2
    assert log["item_id"].to_list() == ["12345678901234567890", "3"]
    assert log["rating"].to_list() == [4.5, 5.0]
    assert log["time"].to_list() == [1767225600.0, 1767225600.0 + 7200]
    execute(
        postgres_url,
        "CREATE TABLE baskets (customer text, items text[], date date)",
        "INSERT INTO baskets VALUES ('a', '{x,y}', '2026-01-31'), ('b', '{z}', '2026-02-01')",
    )
    log = read_source(f"{postgres_url}#baskets", triptych_reading(item="items")).log.frame
    assert list(zip(log["user_id"], log["item_id"], strict=True)) == [("a", "x"), ("a", "y"), ("b", "z")]
    assert log["time"].to_list() == [1769817600.0] * 2 + [1769904000.0]


def triptych_reading(item: str) -> Any:
    from triptych.data.formats.reading import Columns, Reading

    return Reading(Columns(item=item))


def test_columns_of_sqlite_with_values_of_many_types_are_text(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'mixed.db'}"
    execute(
        address,
        "CREATE TABLE log (user_id, item_id, time)",
        "INSERT INTO log VALUES (?, ?, ?)",
        rows=[(7, "a", 1.5), ("007", b"b", 2), (7.0, "c", 3)],
    )
    log = read_source(address).log.frame
    assert log["user_id"].to_list() == ["7", "007", "7"]
    assert log["item_id"].to_list() == ["a", "b", "c"]
    assert log["time"].to_list() == [1.5, 2.0, 3.0]


def test_errors_name_the_row_the_column_and_the_way_out(shop: str, tmp_path: Path) -> None:
    execute(shop, "INSERT INTO orders (customer_id, stars, created_at) VALUES (1, 1, '2026-01-01')")
    with pytest.raises(InputError, match=r"#orders, row 401: the item id is empty"):
        prepare(shop, tmp_path / "shop")
    for source, settings, what, hint in (
        (f"{shop}#ordrs", {}, 'has no table "ordrs"', 'did you mean "orders"'),
        (shop, {"query": "SELECT * FROM nothing"}, "", ""),
        (shop, {"query": "SELECT customer_id FROM orders"}, "no column looks like item ids", "item"),
        (shop, {"query": "SELECT 1 AS a, 2 AS a"}, 'the query has two columns "a"', "AS a_2"),
        (shop, {"query": "SELECT customer_id, product_id FROM orders WHERE stars > 9"}, "has no rows", "conditions"),
        (f"{shop}#products", {}, "no column looks like user ids", "user"),
    ):
        with pytest.raises(InputError) as caught:
            prepare(source, tmp_path / "shop", PrepareSettings(**settings))  # type: ignore[arg-type]
        assert what in caught.value.what
        assert hint in str(caught.value.hint)
    execute(shop, "CREATE TABLE returns (customer_id int, product_id int)")
    with pytest.raises(InputError, match="has 2 tables with columns of users and items") as caught:
        prepare(shop, tmp_path / "shop")
    assert "orders, returns" in str(caught.value.hint)
    with pytest.raises(InputError, match="tables with ids of items or users") as caught:
        prepare(f"{shop}#orders", tmp_path / "shop", items=shop)
    assert "cheap, customers, products" in str(caught.value.hint)


def test_a_query_for_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id\n1,2\n")
    with pytest.raises(SettingsError, match="is for databases"):
        prepare(tmp_path / "log.csv", tmp_path / "shop", PrepareSettings(query="SELECT 1"))
    with pytest.raises(SettingsError, match="give it as text"):
        prepare(Path("postgresql://host/shop"), tmp_path / "shop")
    with pytest.raises(InputError, match="no such file"):
        prepare(f"sqlite:///{tmp_path}/shop.db", tmp_path / "shop")
    assert not (tmp_path / "shop.db").exists()


def test_a_file_of_sqlite_is_recognised_whatever_its_name_and_used_by_others_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(f"sqlite:///{tmp_path / 'shop.data'}")
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("shop.data", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM orders")
        command = ["prepare", "shop.data", "--items", "shop.data#products", "--numeric", "price", "-o", "a", "--json"]
        assert run(command) == 0
        writer.execute("ROLLBACK")
    result = json.loads(capsys.readouterr().out)
    assert result["cleaning"]["rows_read"] == len(ROWS)
    assert triptych.open_dataset("a").about["sources"] == ["shop.data#orders", "shop.data#products"]
    assert run(["prepare", "sqlite:///shop.data#orders", "-o", "b", "-q"]) == 0


@pytest.mark.parametrize(
    "address",
    ["postgresql://me:s3cret@127.0.0.1:1/shop", "postgresql://me:pa@s3cret@127.0.0.1:1/shop#orders"],
)
def test_a_password_is_never_printed(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("psycopg", reason="psycopg is absent")
    assert run(["prepare", address, "-o", str(tmp_path / "shop")]) != 0
    assert "s3cret" not in capsys.readouterr().err
    with pytest.raises(TriptychError):
        prepare(address, tmp_path / "shop")
