"""The store of events, on SQLite and PostgreSQL alike: each event once, in order of arrival, exactly as it was sent."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from triptych.errors import ArtefactError, InputError
from triptych.serving.events import Event, EventStore, NewItem, open_store


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'events.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(address: str) -> Iterator[EventStore]:
    opened = open_store(address)
    yield opened
    opened.close()


def event(name: str, user: str = "u", item: str = "i", time: float = 1.0) -> Event:
    return Event(name, user, item, time)


def all_events(store: EventStore, limit: int = 7) -> list[Event]:
    """Everything, read in small steps as a service does."""
    position, found = 0, list[Event]()
    while True:
        events, position = store.since(position, limit)
        if not events:
            return found
        found += events


def test_an_event_counts_once_whoever_repeats_it(store: EventStore) -> None:
    assert store.append([event("a"), event("b"), event("a"), event("b", item="other")]) == [True, True, False, False]
    assert store.append([event("c"), event("a")]) == [True, False]
    assert store.append([]) == []
    assert [each.event_id for each in all_events(store)] == ["a", "b", "c"]
    assert all_events(store)[1].item_id == "i", "the first one counts"


def test_events_come_back_as_they_were_sent(store: EventStore) -> None:
    sent = [
        Event("1", "007", "ünïcode 🍼 'quoted\"; DROP TABLE triptych_events; --", 0.1 + 0.2, "add to cart", 1 / 3),
        Event("2", "%s :name ? $1", "\\N", -1.5e9, "view", 0.0),
        Event("x" * 512, "NULL", "\t\n", 1_700_000_000.123_456_7, "buy", 5e-324),
    ]
    store.append(sent)
    assert all_events(store) == sent
    assert store.history("007") == sent[:1]


def test_a_large_batch_keeps_its_order_and_histories_are_those_of_the_users(store: EventStore) -> None:
    sent = [event(f"e{n}", f"u{n % 7}", f"i{n % 11}", float(n)) for n in range(10_000)]
    assert all(store.append(sent))
    assert store.append(sent) == [False] * 10_000
    assert all_events(store, limit=3000) == sent
    for user in ("u0", "u6"):
        assert store.history(user) == [each for each in sent if each.user_id == user]
    assert store.history("unknown") == []
    assert store.since(9_999, 5)[0] == sent[-1:]
    assert store.since(10_000, 5) == ([], 10_000)


def test_threads_write_and_read_at_the_same_time_and_a_reader_misses_nothing(address: str) -> None:
    """Two stores stand for two processes. Ids are sent by two threads each: one of them is told that it is new."""
    stores = [open_store(address), open_store(address)]
    answers, seen, errors = Counter[str](), list[Event](), list[BaseException]()
    written = threading.Event()

    def write(number: int) -> None:
        try:
            for turn in range(15):
                events = [event(f"{number // 2}-{turn}-{n}", f"u{number}") for n in range(turn % 4 + 1)]
                for each, is_new in zip(events, stores[number % 2].append(events), strict=True):
                    answers[each.event_id] += is_new
        except BaseException as error:
            errors.append(error)

    def read() -> None:
        position, done = 0, False
        while True:
            done = written.is_set()
            events, position = stores[0].since(position, 5)
            seen.extend(events)
            if done and not events:
                return

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    reader = threading.Thread(target=read)
    for thread in (*writers, reader):
        thread.start()
    for thread in writers:
        thread.join()
    written.set()
    reader.join()
    assert not errors
    assert set(answers.values()) == {1}
    assert Counter(each.event_id for each in seen) == answers
    for opened in stores:
        opened.close()


def test_positions_become_visible_in_their_order(address: str, store: EventStore) -> None:
    """A transaction that took its position and is not finished: nobody gets a higher one before it ends."""
    if store.address.kind == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    from triptych.serving.events.inserting import insert_events
    from triptych.serving.events.store import _advance

    other = open_store(address)
    overtaking = threading.Thread(target=other.append, args=([event("late")],))
    with store._connections.writing() as connection:
        position = _advance(connection, "last_position", 1)
        insert_events(connection, [event("slow")], position - 1)
        overtaking.start()
        overtaking.join(timeout=0.5)
        assert overtaking.is_alive()
        assert other.since(0, 10) == ([], 0)
    overtaking.join()
    assert [each.event_id for each in other.since(0, 10)[0]] == ["slow", "late"]
    other.close()


def test_availability_is_what_was_said_last(store: EventStore) -> None:
    ids = [f"i{n}" for n in range(12_000)]
    before = store.health().revision
    store.set_availability([*ids, "i0"], available=False)
    assert store.unavailable() == set(ids)
    store.set_availability(ids[5:], available=True)
    store.set_availability(["never seen"], available=True)
    assert store.unavailable() == set(ids[:5])
    assert store.health().revision == before + 3


def test_new_items_come_back_with_their_vectors_and_files_to_the_bit(store: EventStore) -> None:
    generator = np.random.default_rng(0)
    vectors = {name: generator.normal(size=width).astype(name) for name, width in (("float32", 64), ("float64", 3))}
    picture = bytes(range(256)) * 40
    first = NewItem("a", {"title": "Ünder '", "price": 9.5, "tags": ["x", None]}, vectors, {"picture.jpg": picture})
    store.add_item(first)
    store.add_item(NewItem("b"))
    found = store.new_items()
    assert [each.item_id for each in found] == ["a", "b"]
    assert found[0].fields == first.fields
    assert found[0].files == first.files
    for name, values in vectors.items():
        assert found[0].features[name].dtype == name
        np.testing.assert_array_equal(found[0].features[name], values)
    revision = store.health().revision
    store.add_item(NewItem("a", {"title": "second"}))
    assert [each.item_id for each in store.new_items(since=revision)] == ["a"]
    assert [(each.item_id, dict(each.fields), dict(each.features)) for each in store.new_items()] == [
        ("b", {}, {}),
        ("a", {"title": "second"}, {}),
    ]


def test_what_cannot_be_stored_is_refused_before_anything_is_written(store: EventStore) -> None:
    for bad in ("", "a\0b", "x" * 513, "\ud83d"):
        with pytest.raises(InputError):
            event(bad)
        with pytest.raises(InputError):
            store.set_availability(["good", bad], available=False)
    for time in (float("nan"), float("inf")):
        with pytest.raises(InputError, match="not a time"):
            event("a", time=time)
    with pytest.raises(InputError, match="not a weight"):
        Event("a", "u", "i", 1.0, weight=-1.0)
    with pytest.raises(InputError, match="not a vector"):
        NewItem("a", features={"image": np.array([1.0, np.nan])})
    with pytest.raises(InputError, match="JSON"):
        store.add_item(NewItem("a", {"price": float("nan")}))
    assert store.unavailable() == set()
    assert store.new_items() == []


def test_health_says_where_without_the_password_and_how_far(store: EventStore) -> None:
    assert store.health().last_position == 0
    store.append([event("a"), event("b")])
    health = store.health()
    assert (health.last_position, health.version) == (2, 1)
    assert "@" not in health.where


def test_what_is_there_is_there_again_when_the_store_is_opened_again(address: str) -> None:
    store = open_store(address)
    store.append([event("a")])
    store.set_availability(["i"], available=False)
    store.close()
    again = open_store(address)
    assert again.append([event("a"), event("b")]) == [False, True]
    assert again.unavailable() == {"i"}
    again.close()


def test_tables_of_a_newer_version_are_refused_and_left_alone(address: str) -> None:
    open_store(address).close()
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE triptych_store SET version = 7"))
    engine.dispose()
    with pytest.raises(ArtefactError, match="newer version of Triptych: its layout is 7, and this one knows 1"):
        open_store(address)


def test_many_open_the_same_empty_store_at_once(address: str) -> None:
    opened, errors = list[EventStore](), list[BaseException]()

    def open_one() -> None:
        try:
            opened.append(open_store(address))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert all(each.append([event("a")]) in ([True], [False]) for each in opened)
    assert len(all_events(opened[0])) == 1
    for each in opened:
        each.close()


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
events = st.lists(
    st.builds(Event, st.sampled_from("abcdef"), texts, texts, numbers, texts, numbers.map(abs)), max_size=8
)


@given(batches=st.lists(events, max_size=5))
def test_any_batches_are_as_a_dictionary_says(
    batches: list[list[Event]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store, known = open_store(tmp_path_factory.mktemp("store") / "events.db"), dict[str, Event]()
    for batch in batches:
        expected = []
        for each in batch:
            expected.append(each.event_id not in known)
            known.setdefault(each.event_id, each)
        assert store.append(batch) == expected
    assert all_events(store) == list(known.values())
    store.close()
