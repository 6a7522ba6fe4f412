"""Kills, full disks, servers that go away, forks: no acknowledged event is lost, and an error says what is wrong."""

from __future__ import annotations

import os
import resource
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from postgres import PostgresServer
from serving.events.killed_appends import kill_appends
from triptych.databases import connections
from triptych.errors import ArtefactError, SettingsError, StoreUnavailable, TriptychError
from triptych.serving.events import Event, EventStore, open_store


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'events.db'}"
    return str(request.getfixturevalue("postgres_url"))


def batch(name: str, size: int = 1) -> list[Event]:
    return [Event(f"{name}-{n}", f"u{n}", "i", 1.0) for n in range(size)]


def names(store: EventStore) -> list[str]:
    return [each.event_id for each in store.since(0, 1_000_000)[0]]


def test_killed_processes_lose_nothing_that_was_acknowledged_and_write_nothing_twice(
    address: str, tmp_path: Path
) -> None:
    counts = kill_appends(address, tmp_path, kills=10)
    assert counts.events >= counts.batches > 0


def test_a_server_that_ends_without_a_goodbye_loses_nothing(postgres_server: PostgresServer, tmp_path: Path) -> None:
    postgres_server.execute("CREATE DATABASE ended")
    try:
        kill_appends(postgres_server.url_of("ended"), tmp_path, kills=2, end_server=postgres_server.end_without_goodbye)
    finally:
        postgres_server.execute("DROP DATABASE ended WITH (FORCE)")


def test_a_server_goes_away_and_comes_back(postgres_server: PostgresServer, postgres_url: str) -> None:
    store = open_store(postgres_url)
    store.append(batch("before"))
    postgres_server.process.stop()
    try:
        calls: list[Callable[[], object]] = [
            lambda: store.append(batch("during")),
            lambda: store.since(0, 1),
            lambda: store.set_availability(["i"], available=False),
            lambda: open_store(postgres_url),
            store.unavailable,
            store.health,
        ]
        for call in calls:
            with pytest.raises(StoreUnavailable, match="hint: check that the server runs"):
                call()
        waiting = open_store(postgres_url, wait=True)
    finally:
        postgres_server.process.start()
    assert store.append(batch("after")) == [True]
    assert names(store) == ["before-0", "after-0"]
    assert waiting.append(batch("after")) == [False]
    store.close()
    waiting.close()


def test_connections_that_the_server_ended_are_replaced_at_once(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    store = open_store(postgres_url)
    store.append(batch("a"))
    postgres_server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test_%' AND pid <> pg_backend_pid()"
    )
    assert store.append(batch("b")) == [True]
    assert names(store) == ["a-0", "b-0"]
    store.close()


def test_a_file_that_is_moved_away_is_missed_and_used_again_when_it_is_back(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "events.db", tmp_path / "elsewhere.db"
    store = open_store(path)
    store.append(batch("a"))
    store.close()
    store.append(batch("b"))
    path.rename(elsewhere)
    with pytest.raises(StoreUnavailable, match="the file cannot be opened"):
        store.append(batch("c"))
    assert not path.exists(), "events would be acknowledged and lost with the next rename"
    elsewhere.rename(path)
    assert store.append(batch("c")) == [True]
    assert names(store) == ["a-0", "b-0", "c-0"]
    store.close()


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_named_nothing_is_half_written_and_it_goes_on_when_there_is_space(tmp_path: Path) -> None:
    store = open_store(tmp_path / "events.db")
    store.append(batch("before", 10))
    size = (tmp_path / "events.db-wal").stat().st_size
    with no_file_larger_than(size + 20_000), pytest.raises(StoreUnavailable) as caught:
        store.append(batch("during", 5000))
    assert "nothing was written" in str(caught.value)
    assert len(names(store)) == 10
    assert all(store.append(batch("during", 5000)))
    assert len(names(store)) == 5010
    store.close()


def test_a_full_database_says_that_the_disk_is_full(tmp_path: Path) -> None:
    store = open_store(tmp_path / "events.db")
    with store._connections.reading() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 20")
    with pytest.raises(StoreUnavailable, match="the disk of the database is full: nothing was written"):
        store.append(batch("a", 5000))
    assert names(store) == []
    store.close()


def test_who_waits_for_others_too_long_is_answered(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = open_store(address)
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(connections, "LIMITS", {"lock_timeout": "100ms"})
    store = open_store(address)
    from triptych.serving.events.store import _advance

    with holder._connections.writing() as connection:
        _advance(connection, "last_position", 1)
        with pytest.raises(StoreUnavailable, match="busy"):
            store.append(batch("a"))
        assert names(store) == [], "readers do not wait"
    assert store.append(batch("a")) == [True]
    store.close()
    holder.close()


def test_all_threads_of_a_group_get_the_error(tmp_path: Path) -> None:
    store = open_store(tmp_path / "events.db")
    store._connections.engine.dispose()
    (tmp_path / "events.db").unlink()
    errors = list[TriptychError]()

    def append(number: int) -> None:
        try:
            store.append(batch(str(number)))
        except TriptychError as error:
            errors.append(error)

    threads = [threading.Thread(target=append, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(each) for each in errors] == [StoreUnavailable] * 8


def fork(work: Callable[[], object]) -> int:
    """Run `work` in a forked process and return its number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of forks beside threads: this is what is tested
        child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def test_forked_processes_use_connections_of_their_own_while_threads_of_the_parent_go_on(address: str) -> None:
    store = open_store(address)
    stop, written, errors = threading.Event(), list[str](), list[BaseException]()

    def write(number: int) -> None:
        turn = 0
        try:
            while not stop.is_set():
                turn += 1
                store.append(batch(f"thread{number}.{turn}", 3))
                written.extend(each.event_id for each in batch(f"thread{number}.{turn}", 3))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    expected = []
    for number in range(6):

        def work(number: int = number) -> None:
            for turn in range(4):
                store.append(batch(f"fork{number}.{turn}", 2))
            store.since(0, 10)
            store.close()

        child = fork(work)
        expected += [f"fork{number}.{turn}-{n}" for turn in range(4) for n in range(2)]
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(names(store)) == sorted(written + expected)
    store.close()


def test_a_file_that_is_no_database_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but a long enough text to be looked at as one\n" * 20)
    before = path.read_bytes()
    with pytest.raises(ArtefactError, match="is no database, or is damaged"):
        open_store(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("sqlite:///no/such/folder/events.db", StoreUnavailable, "cannot be opened"),
        ("sqlite://events.db", SettingsError, "names no file of SQLite"),
        ("postgresql://127.0.0.1:1/shop", StoreUnavailable, "no server answers there"),
        ("postgresql://me:s3cret@127.0.0.1:1/shop", StoreUnavailable, "no server answers there"),
        ("postgresql://me:pa@s3cret@127.0.0.1:1/shop", SettingsError, "cannot be read"),
        ("postgresql://me:pa/s3cret@127.0.0.1:1/shop", TriptychError, "."),
        ("postgresql://me:s3cret@127.0.0.1:port/shop", SettingsError, "cannot be read"),
        ("postgresql://me:pa%s3cret@127.0.0.1:1/shop", SettingsError, "cannot be read"),
        ("postgresql://127.0.0.1:1/shop?password=s3cret&nothing=1", SettingsError, "cannot be read"),
        ("postgresql://127.0.0.1:1/shop?password=x#s3cret", StoreUnavailable, "no server answers there"),
    ],
)
def test_what_cannot_be_opened_is_named_and_a_password_is_never_shown(
    address: str, error: type[TriptychError], message: str
) -> None:
    pytest.importorskip("psycopg", reason="psycopg is absent")
    with pytest.raises(error, match=message) as caught:
        open_store(address)
    shown = "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in shown.replace(f'"{address}"', "")


def test_a_database_that_does_not_exist_is_named(postgres_url: str) -> None:
    with pytest.raises(StoreUnavailable, match="there is no database of this name"):
        open_store(postgres_url.replace("/test_", "/missing_"))
