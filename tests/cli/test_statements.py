"""Commands that read ask for all their jobs together, however many they are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable

import pytest

from store.database import Database
from store.queue import Queue
from tests.cli.conftest import Cli, ran

Ok = Callable[..., str]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What every store that is opened from now on is asked."""
    asked: list[str] = []
    connect = Database._connect

    def traced(database: Database) -> sqlite3.Connection:
        connection = connect(database)
        connection.set_trace_callback(asked.append)
        return connection

    monkeypatch.setattr(Database, "_connect", traced)
    return asked


def enqueued(ok: Ok, queue: Queue, number: int, prefix: str) -> list[str]:
    """So many jobs that have completed, with one that is blocked behind a cancelled one each."""
    ids = [f"{prefix}{at}" for at in range(number)]
    jobs = [{"id": job_id, "command": "x"} for job_id in ids]
    ok("enqueue", "-", stdin=json.dumps(jobs).encode())
    for _ in ids:
        ran(queue, stdout=b"hi\n")
    gone = [{"id": f"{job_id}.gone", "command": "x"} for job_id in ids]
    stuck = [
        {"id": f"{job_id}.stuck", "command": "x", "depends_on": [f"{job_id}.gone"]}
        for job_id in ids
    ]
    ok("enqueue", "-", stdin=json.dumps([*gone, *stuck]).encode())
    ok("cancel", *(job["id"] for job in gone))
    return ids


def reading(statements: list[str]) -> list[str]:
    """What was asked, but for each output, which is read on its own."""
    return [
        sql for sql in statements if sql.startswith("SELECT") and "FROM attempt WHERE id" not in sql
    ]


@pytest.mark.parametrize("words", [("wait",), ("wait", "--json"), ("retry",), ("logs", "-f")])
def test_ids_are_looked_up_together(
    words: tuple[str, ...], cli: Cli, ok: Ok, queue: Queue, statements: list[str]
) -> None:
    numbers = []
    for number, prefix in ((2, "few"), (30, "many")):
        ids = enqueued(ok, queue, number, prefix)
        if words != ("retry",):
            ids += [f"{job_id}.stuck" for job_id in ids]
        statements.clear()

        assert cli(*words, *ids).exit_code == (0 if words == ("retry",) else 1)

        numbers.append(len(reading(statements)))
        ok("cancel", "--state", "pending", "--state", "blocked")

    assert numbers[0] == numbers[1]


def test_a_batch_is_read_back_together(ok: Ok, queue: Queue, statements: list[str]) -> None:
    numbers = []
    for number in (2, 30):
        jobs = json.dumps([{"command": "x", "depends_on": []}] * number).encode()
        statements.clear()
        assert len(json.loads(ok("enqueue", "-", "--json", stdin=jobs))) == number
        numbers.append(len(reading(statements)))

    assert numbers[0] == numbers[1]


def test_schedules_are_read_with_their_last_jobs(
    ok: Ok, queue: Queue, statements: list[str]
) -> None:
    numbers = []
    for number in (2, 20):
        for at in range(number):
            ok("schedule", "add", f"{number}-{at}", "--every", "1h", "x")
        statements.clear()
        ok("schedule", "list", "--json")
        numbers.append(len(statements))

    assert numbers[0] == numbers[1]
