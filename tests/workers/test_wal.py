"""The write-ahead log: short, and soon in the database."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from store import NewJob, open_store
from store.queue import Queue
from workers.wal import LogKeeper


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    opened = open_store(str(tmp_path / "queue.db"), durable=False)
    yield opened
    opened.close()


def test_what_is_committed_comes_into_the_database_itself(queue: Queue, tmp_path: Path) -> None:
    keeper = LogKeeper(queue)
    queue.enqueue([NewJob(id="kept", command="true")])
    keeper.advance()
    assert _ids_without_the_log(queue, tmp_path) == ["kept"]


def test_a_log_is_shortened_the_sooner_the_faster_it_grows(queue: Queue) -> None:
    now = 0.0
    keeper = LogKeeper(queue, clock=lambda: now)
    rests = []
    for wait, jobs in ((1.0, 20_000), (10.0, 1)):
        now += wait
        queue.enqueue(NewJob(command="true") for _ in range(jobs))
        keeper.advance()
        rests.append(keeper.rest)
    assert rests[0] < rests[1] == 10.0


def test_a_log_that_does_not_grow_is_let_alone(queue: Queue) -> None:
    now = 0.0
    keeper = LogKeeper(queue, clock=lambda: now)
    queue.enqueue(NewJob(command="true") for _ in range(20_000))
    now = 0.01
    keeper.advance()
    assert keeper.rest < 1.0
    now = 0.02
    keeper.advance()
    assert keeper.rest == 10.0


def _ids_without_the_log(queue: Queue, folder: Path) -> list[str]:
    copy = shutil.copy(queue.path, folder / "copy.db")
    with closing(sqlite3.connect(copy)) as connection:
        return [job_id for (job_id,) in connection.execute("SELECT id FROM job")]
