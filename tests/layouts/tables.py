"""One log and its item tables in many dialects and containers."""

from __future__ import annotations

import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import polars as pl

from layouts.rows import ITEMS, ROWS, USERS, lines, rows_with


def write_tables(folder: Path) -> None:
    """One log in many dialects and containers."""
    header = "user_id,item_id,timestamp"
    plain = rows_with(",", 0, 1, 3)
    lines(folder / "log.csv", [header, *plain])
    lines(folder / "log.csv.gz", [header, *plain])
    with zipfile.ZipFile(folder / "log.csv.zip", "w") as archive:
        archive.write(folder / "log.csv", "log.csv")
    lines(folder / "headless.csv", plain)
    lines(folder / "excel.csv", [header.replace(",", ";"), *rows_with(";", 0, 1, 3)], "utf-16")
    korean = [f"사용자{user},상품{item}" for user, item, _, _ in ROWS]
    lines(folder / "korean.csv", ["user_id,item_id", *korean], "cp949")
    lines(folder / "quotes.tsv", ["user_id\titem_id\treview", *(f'{row[0]}\t{row[1]}\t"5" disc' for row in ROWS)])
    dates = [f"{user},{item},{time % 28 + 1:02d}/{time % 12 + 1:02d}/2026" for user, item, _, time in ROWS]
    lines(folder / "dates.csv", [header, *dates])
    gaps = [line if n % 40 else line.rsplit(",", 1)[0] + "," for n, line in enumerate(plain)]
    lines(folder / "gaps.csv", [header, *gaps])
    frame = pl.DataFrame(ROWS, schema=["user_id", "item_id", "rating", "timestamp"], orient="row")
    frame.write_parquet(folder / "log.parquet")
    frame.write_ipc(folder / "log.feather", compression="uncompressed")
    _write_database(folder / "shop.db")
    for day, part in enumerate(frame.iter_slices(60)):
        path = folder / f"events/day=2026-01-{day + 1:02d}/part-0.parquet"
        path.parent.mkdir(parents=True)
        part.drop("timestamp").write_parquet(path)
    (folder / "events/_SUCCESS").touch()
    by_user = [(user, [row[1] for row in ROWS if row[0] == user]) for user in USERS]
    lines(folder / "baskets.csv", ["user_id,item_id", *(f"{user},{' '.join(items)}" for user, items in by_user)])
    numbers = [f"{n} {' '.join(str(ITEMS.index(item)) for item in items)}" for n, (_, items) in enumerate(by_user)]
    numbers[0] = numbers[0].rsplit(" ", 1)[0]  # the lines differ in length
    lines(folder / "lists.txt", numbers)
    thirds: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    seen: dict[str, int] = {}
    for line in plain:
        user = line.partition(",")[0]
        seen[user] = seen.get(user, 0) + 1
        thirds[{1: "test", 2: "valid"}.get(seen[user], "train")].append(line)
    for name, rows in thirds.items():
        lines(folder / f"split/{name}.csv", [header, *rows])
    lines(folder / "all_but_test.csv", [header, *thirds["train"], *thirds["valid"]])
    lines(folder / "test_week.csv", [header, *thirds["test"]])
    for name in ("train", "test"):
        rows = thirds["train"] + thirds["valid"] if name == "train" else thirds["test"]
        of_user = {user: [line.split(",")[1] for line in rows if line.startswith(f"{user},")] for user in USERS}
        numbered = [
            f"{n} {' '.join(str(ITEMS.index(item)) for item in items)}" for n, items in enumerate(of_user.values())
        ]
        lines(folder / f"gowalla/{name}.txt", [*numbered, "30 0 1 2"] if name == "train" else numbered)
    thumbs = [f"{user},{item},{'like' if rating > 2 else 'dislike'}" for user, item, rating, _ in ROWS]
    lines(folder / "thumbs.csv", ["user_id,item_id,rating", *thumbs])


def _write_database(path: Path) -> None:
    """A shop's database: orders, products, and a table that is neither."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id, product_id, stars, ordered_at)")
        connection.execute("CREATE TABLE products (id, title, price REAL)")
        connection.execute("CREATE TABLE letters (id INTEGER PRIMARY KEY, text)")
        values = ((user, item, rating, time) for user, item, rating, time in ROWS)
        orders = "INSERT INTO orders (customer_id, product_id, stars, ordered_at) VALUES (?, ?, ?, ?)"
        connection.executemany(orders, values)
        products = ((item, f"title {item}", 9.5 + number) for number, item in enumerate(ITEMS))
        connection.executemany("INSERT INTO products VALUES (?, ?, ?)", products)
