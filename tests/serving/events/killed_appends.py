"""Processes that append events are killed, again and again: what was acknowledged is there, and nothing is there twice.

The gate kills 20 of them. `PYTHONPATH=tests python -m serving.events.killed_appends --kills 300` kills more, and prints
what was counted: with SQLite, with PostgreSQL, and with PostgreSQL whose server is ended without a goodbye.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from triptych.errors import StoreUnavailable
from triptych.serving.events import Event, open_store

THREADS = 3
LARGEST = 40  # events of a batch


@dataclass
class Sent:
    """What the processes wrote down: batches before they were sent, and those that were acknowledged."""

    sizes: dict[str, int] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)

    def read(self, log: Path) -> None:
        lines = log.read_bytes().decode().split("\n")[:-1] if log.exists() else []
        for kind, name, size in (line.split() for line in lines):
            if kind == "sent":
                self.sizes[name] = int(size)
            else:
                self.acknowledged.add(name)


@dataclass(frozen=True)
class Counts:
    """kills: of processes. unacknowledged: batches that were under way at a kill; of these, stored: all of it was."""

    kills: int
    batches: int
    events: int
    unacknowledged: int
    stored: int


def batch_of(name: str, size: int) -> list[Event]:
    return [Event(f"{name}-{n}", f"u{n % 5}", f"i{n % 7}", float(n)) for n in range(size)]


def append_until_killed(address: str, log: str, again: Mapping[str, int], run: int) -> None:
    """Send the batches `again`, then new ones, by several threads; write down each before it is sent, and after."""
    store = open_store(address)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def send(name: str, size: int) -> None:
        os.write(file, f"sent {name} {size}\n".encode())
        while True:
            try:
                store.append(batch_of(name, size))
            except StoreUnavailable:  # the server is away
                time.sleep(0.05)
            else:
                break
        os.write(file, f"acknowledged {name} {size}\n".encode())

    def work(number: int) -> None:
        for position, (name, size) in enumerate(again.items()):
            if position % THREADS == number:
                send(name, size)
        for turn in range(1_000_000):
            send(f"{run}.{number}.{turn}", 1 + (turn * 7 + number) % LARGEST)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def kill_appends(
    address: str, folder: Path, kills: int, *, end_server: Callable[[], None] = lambda: None, seed: int = 0
) -> Counts:
    """Kill a process that appends `kills` times, and check after each what is stored.

    end_server: called before each kill.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["serving.events.killed_appends"])
    generator, sent = Random(seed), Sent()
    position, consumed, under_way, stored = 0, Counter[str](), 0, 0
    store = open_store(address)
    for run in range(kills):
        unfinished = {name: size for name, size in sent.sizes.items() if name not in sent.acknowledged}
        log = folder / f"run{run}.log"
        process = context.Process(target=append_until_killed, args=(address, str(log), unfinished, run))
        process.start()
        while not log.exists() or not log.stat().st_size:
            assert process.is_alive(), process.exitcode
            time.sleep(0.002)
        time.sleep(generator.random() * 0.25)
        end_server()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        before = set(sent.acknowledged)
        sent.read(log)
        while True:
            events, position = store.since(position, 1000)
            consumed.update(each.event_id for each in events)
            if not events:
                break
        whole = check(sent, consumed)
        lately = [name for name in sent.sizes if name not in sent.acknowledged and name not in before]
        under_way += len(lately)
        stored += sum(name in whole for name in lately)
    store.close()
    return Counts(kills, len(sent.acknowledged), sum(consumed.values()), under_way, stored)


def check(sent: Sent, consumed: Mapping[str, int]) -> set[str]:
    """Return the batches that are stored. Fails if one is stored in part, twice, or lost after it was acknowledged."""
    assert set(consumed.values()) <= {1}, "an event is there twice"
    found = Counter(name.rpartition("-")[0] for name in consumed)
    for name, count in found.items():
        assert count == sent.sizes[name], f"batch {name}: {count} of {sent.sizes[name]} events"
    lost = sent.acknowledged - found.keys()
    assert not lost, f"acknowledged and lost: {sorted(lost)}"
    return set(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--server-kills", type=int, default=30)
    arguments = parser.parse_args()
    from postgres import running_server

    with tempfile.TemporaryDirectory() as name:
        for part in ("sqlite", "postgresql", "server"):
            (Path(name) / part).mkdir()
        address = f"sqlite:///{name}/events.db"
        print("SQLite", kill_appends(address, Path(name) / "sqlite", arguments.kills), flush=True)
        with running_server() as server:
            print("PostgreSQL", kill_appends(server.url, Path(name) / "postgresql", arguments.kills), flush=True)
            server.execute("CREATE DATABASE ended")
            address = server.url_of("ended")
            counts = kill_appends(
                address, Path(name) / "server", arguments.server_kills, end_server=server.end_without_goodbye
            )
            print("PostgreSQL, server ended without a goodbye", counts, flush=True)


if __name__ == "__main__":
    main()
