"""Ways for a change to fail in the middle, each real: nothing of the store is replaced."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum

from store import StoreBusy, StoreUnusable
from store.errors import Interrupted
from store.queue import Queue

from .conftest import FakeClock

_WRITES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_INSTRUCTIONS = 1


class Breakage(StrEnum):
    """Where it breaks. Those in the middle do so at a step that is counted from the start."""

    GATE = "another process is in the gate"
    LOCK = "another connection writes"
    STATEMENT = "a statement is refused"
    COMMIT = "the commit is refused"
    INTERRUPT = "a statement is interrupted"
    CLOCK = "the clock cannot be read"


class ClockUnreadable(Exception):
    """The clock has no answer."""


class BreakableClock(FakeClock):
    """A clock that can be told to fail once, at the n-th reading from now."""

    def __init__(self) -> None:
        super().__init__()
        self.readings_left: int | None = None

    def __call__(self) -> int:
        if self.readings_left is not None:
            self.readings_left -= 1
            if self.readings_left < 0:
                self.readings_left = None
                raise ClockUnreadable
        return self.ms


BROKEN = (Interrupted, StoreBusy, StoreUnusable, ClockUnreadable)


@contextmanager
def broken(queue: Queue, clock: BreakableClock, breakage: Breakage, after: int) -> Iterator[None]:
    """What ``queue`` changes inside fails at a step after ``after``, if it gets that far."""
    connection = queue._database.connection()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        with _WAYS[breakage](queue, connection, clock, after):
            yield
    finally:
        connection.execute("PRAGMA busy_timeout = 200")


@contextmanager
def _gate(
    queue: Queue, connection: sqlite3.Connection, clock: BreakableClock, after: int
) -> Iterator[None]:
    with open(queue._database.folder / "gate", "ab") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


@contextmanager
def _lock(
    queue: Queue, connection: sqlite3.Connection, clock: BreakableClock, after: int
) -> Iterator[None]:
    other = sqlite3.connect(queue.path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.close()


@contextmanager
def _statement(
    queue: Queue, connection: sqlite3.Connection, clock: BreakableClock, after: int
) -> Iterator[None]:
    left = after // 3

    def authorize(action: int, *_: object) -> int:
        nonlocal left
        left -= action in _WRITES
        return sqlite3.SQLITE_DENY if left == -1 and action in _WRITES else sqlite3.SQLITE_OK

    with _authorized(connection, authorize):
        yield


@contextmanager
def _authorized(connection: sqlite3.Connection, authorize: Callable[..., int]) -> Iterator[None]:
    connection.set_authorizer(authorize)
    try:
        yield
    finally:
        connection.set_authorizer(None)


@contextmanager
def _commit(
    queue: Queue, connection: sqlite3.Connection, clock: BreakableClock, after: int
) -> Iterator[None]:
    def authorize(action: int, what: str | None, *_: object) -> int:
        refused = action == sqlite3.SQLITE_TRANSACTION and what == "COMMIT"
        return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK

    with _authorized(connection, authorize):
        yield


@contextmanager
def _interrupt(
    queue: Queue, connection: sqlite3.Connection, clock: BreakableClock, after: int
) -> Iterator[None]:
    """Only inside of a transaction that writes: what is read after it says nothing of it."""
    left, is_writing = after**2 // 8, False

    def trace(statement: str) -> None:
        nonlocal is_writing
        if statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            is_writing = statement == "BEGIN IMMEDIATE"

    def progress() -> int:
        nonlocal left
        left -= is_writing
        return int(is_writing and left == -1)

    connection.set_trace_callback(trace)
    connection.set_progress_handler(progress, _INSTRUCTIONS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)
        connection.set_trace_callback(None)


@contextmanager
def _clock(
    queue: Queue, connection: sqlite3.Connection, clock: BreakableClock, after: int
) -> Iterator[None]:
    clock.readings_left = after % 3
    try:
        yield
    finally:
        clock.readings_left = None


_Way = Callable[[Queue, sqlite3.Connection, BreakableClock, int], AbstractContextManager[None]]
_WAYS: dict[Breakage, _Way] = {
    Breakage.GATE: _gate,
    Breakage.LOCK: _lock,
    Breakage.STATEMENT: _statement,
    Breakage.COMMIT: _commit,
    Breakage.INTERRUPT: _interrupt,
    Breakage.CLOCK: _clock,
}
