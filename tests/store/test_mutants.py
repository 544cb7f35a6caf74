"""The state machine bites: planted bugs that each break one promise, and each is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test

import store.dependencies
import store.label_limits
import store.leasing
import store.steering
from store import Lease, QueueError
from store.database import Database
from store.leasing import Leasing
from store.queue import Queue

from .test_state_machine import QUICK_TO_FAIL, QueueMachine

Plant = Callable[[pytest.MonkeyPatch], None]


def _in_sql(name: str, right: str, wrong: str, module: ModuleType = store.leasing) -> Plant:
    """One of the store's statements with ``wrong`` in the place of ``right``."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        statement: str = getattr(module, name)
        assert right in statement
        patch.setattr(module, name, statement.replace(right, wrong))

    return plant


def _in_claim(right: str, wrong: str) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        best = store.leasing._best_job
        assert right in best(0)
        patch.setattr(store.leasing, "_best_job", lambda queues: best(queues).replace(right, wrong))

    return plant


def _in_function(name: str, wrong: Callable[..., object]) -> Plant:
    return lambda patch: patch.setattr(store.leasing, name, wrong)


def _after(method: str, statement: str) -> Plant:
    """``statement`` for the lease's job, once ``method`` has done what is right."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        right = getattr(Queue, method)

        def wrong(self: Queue, lease: Lease, argument: Any) -> None:
            right(self, lease, argument)
            with self._database.write() as connection:
                connection.execute(statement, (lease.job_seq,))

        patch.setattr(Queue, method, wrong)

    return plant


def _no_fence(patch: pytest.MonkeyPatch) -> None:
    """A stale lease ends the attempt that another worker runs now."""
    right = Leasing._leased

    def leased(self: Leasing, connection: sqlite3.Connection, lease: Lease) -> dict[str, Any]:
        row = connection.execute("SELECT lease FROM job WHERE seq = ?", (lease.job_seq,)).fetchone()
        current = row[0] if row and row[0] else lease.attempt_id
        return right(self, connection, lease._replace(attempt_id=current))

    patch.setattr(Leasing, "_leased", leased)


def _lost_cancel(patch: pytest.MonkeyPatch) -> None:
    """What a person asked for while the job ran is forgotten when it ends."""
    right = Leasing._leased

    def leased(self: Leasing, connection: sqlite3.Connection, lease: Lease) -> dict[str, Any]:
        return {**right(self, connection, lease), "cancel_requested": 0}

    patch.setattr(Leasing, "_leased", leased)


def _double_claim(patch: pytest.MonkeyPatch) -> None:
    """What runs already is taken once more when nothing else is there."""
    right = store.leasing._best_job

    def best_job(queues: int) -> str:
        return (
            f"SELECT coalesce(({right(queues)}), (SELECT seq FROM job WHERE lease IS NOT NULL)) AS"
            " seq WHERE seq IS NOT NULL"
        )

    patch.setattr(store.leasing, "_best_job", best_job)


def _edit_settles_nothing(patch: pytest.MonkeyPatch) -> None:
    """A job that depends on others than before is not blocked, nor freed."""

    def replace(
        connection: sqlite3.Connection, seq: int, needed: Sequence[str], *, now: int
    ) -> None:
        del now
        connection.execute("DELETE FROM dependency WHERE job = ?", (seq,))
        store.dependencies.require(connection, seq, needed, field="depends_on")

    patch.setattr(store.dependencies, "replace", replace)


def _half_kept(patch: pytest.MonkeyPatch) -> None:
    """A change that fails in the middle leaves behind what it had done."""
    right = Database.write

    @contextmanager
    def write(self: Database) -> Iterator[sqlite3.Connection]:
        with right(self) as connection:
            try:
                yield connection
            except Exception:
                if connection.in_transaction:
                    connection.execute("COMMIT")
                raise

    patch.setattr(Database, "write", write)


MUTANTS: dict[str, Plant] = {
    "no fence on finish": _no_fence,
    "one retry too few": _in_function("exhausted", lambda attempts, most: attempts >= most),
    "one retry too many": _in_function("exhausted", lambda attempts, most: attempts > most + 1),
    "claimed a millisecond early": _in_sql("_PROMOTE", "run_at <= ?", "run_at <= ? + 1"),
    "backoff one power short": _in_function(
        "backoff_seconds",
        lambda attempts, *, base, longest, **_: min(base ** (attempts - 1), longest),
    ),
    "claimed twice": _double_claim,
    "youngest first": _in_claim("priority DESC, seq LIMIT", "priority DESC, seq DESC LIMIT"),
    "cancel is lost": _lost_cancel,
    "attempt not counted": _in_sql("_TAKE", "attempts = attempts + 1", "attempts = attempts"),
    "number used again": _in_sql("_TAKE", "number = number + 1", "number = max(number, 1)"),
    "number given back": _after("release", "UPDATE job SET number = number - 1 WHERE seq = ?"),
    "run again beside its own processes": _in_sql("_END_JOB", "held_by = ?", "held_by = ? + NULL"),
    "release counts the attempt": _after(
        "release", "UPDATE job SET attempts = attempts + 1 WHERE seq = ?"
    ),
    "one dependency is enough": _in_sql(
        "_FREE_DEPENDENTS", "needed.state <> 'completed'", "0", module=store.dependencies
    ),
    "half a change is kept": _half_kept,
    "an edit leaves who waits waiting": _edit_settles_nothing,
    "a retry lets dependents go on": lambda patch: patch.setattr(
        store.dependencies, "resettle", store.dependencies.settle
    ),
    "a cancelled job cancels nobody": _in_sql(
        "_CANCEL_DEPENDENTS", "'dead', 'cancelled'", "'dead'", module=store.dependencies
    ),
    "who runs nevertheless waits": _in_sql(
        "_FREE_DEPENDENTS", "= 'run'", "= 'never'", module=store.dependencies
    ),
    "a paused queue is served": _in_claim("queue.paused = 0", "1"),
    "one more runs than a queue allows": _in_claim("1000000)) > (", "1000000)) >= ("),
    "who is released starts before it is due": _in_sql(
        "_UNHOLD", "run_at <= ?1", "1", module=store.steering
    ),
    "one more runs with a label than may": _in_sql(
        "_LABEL_IS_FULL", "max_per_label <= (", "max_per_label < ("
    ),
    "nobody follows a job with the same label": _in_sql(
        "_LET_IN", "parked = 1 AND", "parked = 2 AND", module=store.label_limits
    ),
    "the youngest with the same label follows": _in_sql(
        "_LET_IN", "priority DESC, seq LIMIT", "priority, seq DESC LIMIT", module=store.label_limits
    ),
    "one more is begun than a rate allows": _in_claim("rate_starts > (", "rate_starts >= ("),
    "what a window holds is forgotten": _in_sql("_FORGET_STARTS", "- 2 * ?2", "- 0 * ?2"),
}


@pytest.mark.parametrize("bug", MUTANTS)
def test_the_state_machine_finds_a_planted_bug(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[bug](monkeypatch)
    with pytest.raises((AssertionError, QueueError)):
        run_state_machine_as_test(QueueMachine, settings=QUICK_TO_FAIL)
