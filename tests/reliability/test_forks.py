"""Recommending works in every kind of worker process; what cannot work in a forked one says so at once.

A fork has none of its parent's threads, and before, the first request in it waited for them for ever.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import joblib
import polars as pl
import pytest
import torch
from torch import Tensor

from reliability.answering import answers, answers_of, answers_to, recommender, small_dataset
from triptych import forks
from triptych.data.dataset import open_dataset
from triptych.data.parquet import read_stored_parquet
from triptych.data.recommendation_files import write_recommendations
from triptych.data.split import split
from triptych.errors import ArtefactError, ForkError
from triptych.preparing.prepare import dataset_from_frames
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings

TIMEOUT = 100  # seconds; a process that waits for ever becomes a failure
TESTS = str(Path(__file__).parents[1])
# Python warns of forks of processes with threads: this is what is tested
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
can_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a recommender."""
    path = tmp_path_factory.mktemp("forks") / "model"
    recommender().save(path)
    return str(path)


@pytest.fixture(scope="module")
def one(path: str) -> Iterator[Recommender]:
    """A recommender that has answered in this process, with two threads: the pools of threads exist."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    opened = open_recommender(path)
    opened.recommend(k=3)
    (torch.ones(3000, 300) @ torch.ones(300, 3000)).sort(dim=1)
    yield opened
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def expected(one: Recommender) -> dict[str, Any]:
    """What it answers in this process."""
    return answers(one)


def in_fork(function: Callable[[], Any]) -> Any:
    """Return what a function returns in a forked process. Fails if it raises there, or does not end."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(function()), daemon=True)
    process.start()
    sender.close()
    try:
        assert receiver.poll(TIMEOUT), "the forked process does not end"
        return receiver.recv()
    finally:
        process.kill()
        process.join()


@can_fork
def test_a_forked_worker_answers_as_its_parent_does(one: Recommender, expected: dict[str, Any]) -> None:
    assert in_fork(lambda: answers(one)) == expected


@can_fork
def test_a_plain_fork_answers_and_so_does_a_fork_of_it(one: Recommender, expected: dict[str, Any]) -> None:

    def answer() -> None:
        assert answers(one) == expected
        with pytest.raises(ForkError):
            forks.require_polars("reading")

    def answer_twice() -> None:
        answer()
        run_in_plain_fork(answer)

    run_in_plain_fork(answer_twice)


def run_in_plain_fork(function: Callable[[], None]) -> None:
    """Run a function in a forked process. Fails if it raises there, or does not end."""
    child = os.fork()
    if not child:
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + TIMEOUT
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    assert ended[1] == 0


@pytest.mark.parametrize("how", ["spawn", "forkserver"])
def test_a_worker_started_without_a_fork_of_this_process_answers(how: str, expected: dict[str, Any], path: str) -> None:
    if how not in multiprocessing.get_all_start_methods():
        pytest.skip("this system does not have it")
    with multiprocessing.get_context(how).Pool(1) as pool:
        assert pool.apply_async(answers_of, (path,)).get(TIMEOUT) == expected


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_workers_of_joblib_answer(backend: str, one: Recommender, expected: dict[str, Any]) -> None:
    tasks = [joblib.delayed(answers_to)(number, one) for number in range(2)]
    parallel = joblib.Parallel(n_jobs=2, backend=backend, timeout=None if backend == "threading" else TIMEOUT)
    assert parallel(tasks) == [expected] * 2


@can_fork
def test_a_forked_worker_opens_a_recommender(one: Recommender, expected: dict[str, Any], path: str) -> None:
    assert not in_fork(forks.polars_works)  # `one` has started the threads of polars here
    assert in_fork(lambda: answers(open_recommender(path))) == expected


@can_fork
def test_a_forked_worker_opens_a_data_set_with_columns_of_every_kind(one: Recommender, tmp_path: Path) -> None:
    dataset = small_dataset()
    n = dataset.n_items
    columns = {
        "title": ["é" * (row % 3) or None for row in range(n)],
        "tags": [["a", "b"][: row % 3] for row in range(n)],
        "price": [row / 2 if row % 4 else None for row in range(n)],
        "when": [datetime(2026, 1, 1 + row % 28) for row in range(n)],
        "kind": pl.Series(["x", None] * n, dtype=pl.Categorical)[:n],
    }
    table = pl.DataFrame({"item_id": dataset.items.ids, **columns})
    replace(dataset, item_table=table).save(tmp_path / "data")

    def opened() -> bool:
        found = open_dataset(tmp_path / "data")
        assert found.item_table is not None
        assert found.item_table.schema == table.schema
        assert (found.interactions.keys == dataset.interactions.keys).all()
        return all(found.item_table[name].to_list() == table[name].to_list() for name in table.columns)

    assert in_fork(opened)


@can_fork
def test_a_damaged_table_is_named_in_a_fork_too(one: Recommender, path: str, tmp_path: Path) -> None:
    file = tmp_path / "items.parquet"
    content = (Path(path) / "items.parquet").read_bytes()

    def refused(damaged: bytes) -> str:
        file.write_bytes(damaged)
        with pytest.raises(ArtefactError) as raised:
            read_stored_parquet(file, "data set")
        return str(raised.value)

    for damaged in (b"", content[:-9], content[:40] + bytes(40) + content[80:-200] + bytes(200), b"PAR1" * 9):
        assert "is damaged" in in_fork(lambda damaged=damaged: refused(damaged))  # type: ignore[misc]


def test_eight_threads_get_the_lists_that_one_gets(one: Recommender) -> None:
    users = one.dataset.users.ids.to_list()
    requests = [users[begin : begin + 40] for begin in range(0, 640, 40)]
    alone = [one.recommend(each, k=20).to_polars().rows() for each in requests]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            together = list(pool.map(lambda each: one.recommend(each, k=20).to_polars().rows(), requests))
            assert together == alone


def test_threads_answer_at_once(one: Recommender, expected: dict[str, Any]) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(answers, one) for _ in range(4)]
        assert [each.result(TIMEOUT) for each in results] == [expected] * 4


@can_fork
def test_workers_of_gunicorn_with_preload_answer(path: str, tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    log = tmp_path / "log"
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w", "2", "-t", str(TIMEOUT)]
    environment = {**os.environ, "PYTHONPATH": TESTS, "SERVED_MODEL": path}
    with log.open("wb") as file:
        server = subprocess.Popen(
            [*command, "-b", "127.0.0.1:0", "reliability.served:app"],
            env=environment,
            stdout=file,
            stderr=file,
            cwd=tmp_path,
        )
    try:
        address = _address(log, server)
        for n in (1, 1100, 1):
            with urllib.request.urlopen(f"{address}/{n}", timeout=TIMEOUT) as response:
                assert response.read().count(b'"') == 2 * n
    finally:
        server.terminate()
        server.wait(TIMEOUT)


def _address(log: Path, server: subprocess.Popen[bytes]) -> str:
    """Return the address of a server, as soon as it has one."""
    while not (found := re.search(r"Listening at: (\S+)", log.read_text())):
        assert server.poll() is None, log.read_text()
    return found[1]


@can_fork
def test_training_in_a_fork_has_the_bytes_of_the_parent(one: Recommender) -> None:
    def factors() -> list[Tensor]:
        divided = split(small_dataset(), "ratio", seed=1)
        fitted = fit("lightgcn", divided, {}, TrainingSettings(epochs=1, precision="float32")).factors
        return [fitted.users, fitted.items]

    before = factors()
    for ours, theirs in zip(in_fork(lambda: [each.numpy() for each in factors()]), before, strict=True):
        assert (torch.from_numpy(ours) == theirs).all()


@can_fork
@pytest.mark.parametrize("action", ["save", "train", "prepare", "csv"])
def test_what_needs_lost_threads_is_refused_at_once(action: str, one: Recommender, path: str, tmp_path: Path) -> None:
    frame = one.recommend(k=2).to_polars().select("user_id", "item_id")
    actions: dict[str, Callable[[], object]] = {
        "save": lambda: one.save(tmp_path / "saved"),
        "train": lambda: fit("bpr", small_dataset(), run=tmp_path / "run"),
        "prepare": lambda: dataset_from_frames(frame),
        "csv": lambda: write_recommendations([one.recommend(k=2)], tmp_path / "lists.csv"),
    }

    def refused() -> str:
        with pytest.raises(ForkError) as raised:
            actions[action]()
        return str(raised.value)

    assert "spawn" in in_fork(refused)
    assert not list(tmp_path.iterdir())


@can_fork
def test_a_fork_of_a_process_that_did_nothing_yet_can_do_everything(path: str) -> None:
    script = (
        "import multiprocessing, sys; from reliability.answering import opens_if_forked_early\n"
        "with multiprocessing.get_context('fork').Pool(1) as pool:\n"
        f"    sys.exit(not pool.apply_async(opens_if_forked_early, (sys.argv[1],)).get({TIMEOUT}))"
    )
    environment = {**os.environ, "PYTHONPATH": TESTS}
    subprocess.run([sys.executable, "-c", script, path], env=environment, check=True, timeout=TIMEOUT)
