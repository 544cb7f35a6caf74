"""A batch of new jobs on its way into the store: resolved and spooled before anything is locked."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, compress, count, islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, overload

from store import dependencies
from store.errors import IdInUse, InvalidInput, KeyInUse
from store.fields import COLUMNS, CWD, RUN_AT, columns_of
from store.ids import encode, first_id_number
from store.jobs import NewJob
from store.settings import Value
from store.spool import Block, Spool

if TYPE_CHECKING:
    from random import Random

_COLUMNS = (*COLUMNS, "schedule", "tick", "created_at", "updated_at", "state", "ready")
_ROWS_IN_STATEMENT = (50, 10, 1)  # to begin and end a statement costs as much as several rows
_STORED = "SELECT seq FROM job WHERE seq >= ?"
_COUNT_STORED = "SELECT queue, state, count(*) FROM job WHERE seq >= ? GROUP BY queue, state"
_ADD_COUNT = """
    INSERT INTO job_count VALUES (?, ?, ?, 1)
    ON CONFLICT DO UPDATE SET jobs = jobs + ?3, changes = changes + 1
"""


class Batch:
    """Rows to insert in one transaction. A large batch rests in an unnamed file, not in memory."""

    def __init__(self, folder: Path) -> None:
        self._spool = Spool(folder, _COLUMNS)
        self._dependencies: list[tuple[int, tuple[str, ...]]] = []
        self._counts: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self._spool)

    def fill(
        self,
        jobs: Iterable[NewJob],
        *,
        now: int,
        cwd: Callable[[], str],
        settings: Mapping[str, Value],
        schedule: str | None = None,
        tick: int | None = None,
    ) -> None:
        """Resolve what ``jobs`` leave to the settings, and keep the rows."""
        for job in jobs:
            row = columns_of(job, settings, now)
            run_at = row[RUN_AT]
            if run_at is None:
                run_at = row[RUN_AT] = now
            if row[CWD] is None:
                row[CWD] = cwd()
            if job.depends_on:
                self._dependencies.append((len(self._spool), tuple(dict.fromkeys(job.depends_on))))
            waiting = bool(job.depends_on)
            state = "blocked" if waiting else "pending"
            self._counts[job.queue, state] = self._counts.get((job.queue, state), 0) + 1
            ready = int(run_at <= now and not waiting and not job.held)
            self._spool.add((*row, schedule, tick, now, now, state, ready))

    def insert(
        self,
        connection: sqlite3.Connection,
        *,
        now: int,
        random: Random,
        environment: int | None,
        skip_existing: bool = False,
        places: Mapping[int, str] = MappingProxyType({}),
    ) -> Sequence[str]:
        """Store it inside the caller's transaction; the ids, in order.

        Those of a large batch are read back as often as they are gone through. ``skip_existing``
        leaves out jobs whose id or unique key is in use. ``places`` name, by a job's place in the
        batch, where what it depends on was written. Raises ``IdInUse``, ``KeyInUse``,
        ``InvalidInput``.
        """
        connection.executemany(
            "INSERT INTO queue (name) VALUES (?) ON CONFLICT DO NOTHING", self._queues()
        )
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'job'").fetchone()
        first_seq = (row[0] if row else 0) + 1
        first_number = self._free_number(connection, now, random)
        try:
            for block in _numbered(self._spool, first_number):
                block.alike["environment"] = environment
                _insert(connection, block, skip_existing=skip_existing)
        except sqlite3.IntegrityError as error:
            connection.execute("ROLLBACK")
            raise self._conflict(connection, str(error)) or error from error
        stored = self._stored(connection, first_seq) if skip_existing else None
        self._count(connection, first_seq, recount=skip_existing)
        self._connect(connection, first_seq, stored, places, now=now)
        ids = _Ids(self._spool, first_number, stored, connection, first_seq)
        return ids if self._spool.on_disk else [*ids]

    def close(self) -> None:
        """For a batch that is given up: what ``insert`` returns could not be read any more."""
        self._spool.close()

    def _queues(self) -> set[tuple[str]]:
        return {(name,) for name, _ in self._counts}

    def _count(self, connection: sqlite3.Connection, first_seq: int, *, recount: bool) -> None:
        """Add the new jobs to the kept counts, which follow every later change by triggers."""
        if not recount:
            counts = [(*key, number) for key, number in self._counts.items()]
        else:
            counts = connection.execute(_COUNT_STORED, (first_seq,)).fetchall()
        connection.executemany(_ADD_COUNT, counts)

    def _stored(self, connection: sqlite3.Connection, first_seq: int) -> bytearray:
        """For each job of the batch whether it came in: SQLite counts those too that did not."""
        stored = bytearray(len(self))
        for (seq,) in connection.execute(_STORED, (first_seq,)):
            stored[seq - first_seq] = True
        return stored

    def _free_number(self, connection: sqlite3.Connection, now: int, random: Random) -> int:
        """The start of a run of ids none of which is in use; the caller holds the write lock."""
        while True:
            number = first_id_number(now, random)
            taken = connection.execute(
                "SELECT 1 FROM job WHERE id BETWEEN ? AND ? LIMIT 1",
                (encode(number), encode(number + len(self))),
            ).fetchone()
            if taken is None:
                return number
            now += 1

    def _connect(
        self,
        connection: sqlite3.Connection,
        first_seq: int,
        stored: bytearray | None,
        places: Mapping[int, str],
        *,
        now: int,
    ) -> None:
        """Enter what the new jobs depend on; ``stored`` tells which of them came in."""
        dependent: list[int] = []
        for index, needed in self._dependencies:
            if stored is None or stored[index]:
                field = places.get(index, f"jobs[{index}].depends_on")
                dependencies.require(connection, first_seq + index, needed, field=field)
                dependent.append(first_seq + index)
        if dependent:
            dependencies.settle(connection, dependent, now=now)

    def _conflict(self, connection: sqlite3.Connection, message: str) -> Exception | None:
        """Which job of the batch was refused: looked for only now, so that the good case is cheap.

        The batch's own rows are rolled back, so whoever holds an id or a key is another job.
        """
        by_key = "unique_key" in message
        seen: set[str] = set()
        for index, (job_id, key) in enumerate(self._names()):
            value = key if by_key else job_id
            if value is None:
                continue
            if value in seen:
                field = f"jobs[{index}].{'unique_key' if by_key else 'id'}"
                return InvalidInput(f"{field}: {value!r} is there twice in this batch")
            holder = connection.execute(_HOLDER_OF_KEY if by_key else _HOLDER_OF_ID, (value,))
            if found := holder.fetchone():
                return KeyInUse(value, *found) if by_key else IdInUse(value)
            seen.add(value)
        return None

    def _names(self) -> Iterator[tuple[str | None, str | None]]:
        """The id and the unique key of each job."""
        for block in self._spool.blocks():
            yield from zip(block.column("id"), block.column("unique_key"), strict=True)


def environment_id(connection: sqlite3.Connection, captured: Mapping[str, str]) -> int | None:
    """The row that holds this environment; thousands of jobs share one."""
    if not captured:
        return None
    from hashlib import sha256

    data = json.dumps(dict(sorted(captured.items())), ensure_ascii=False)
    digest = sha256(data.encode()).hexdigest()
    known = connection.execute("SELECT id FROM environment WHERE digest = ?", (digest,)).fetchone()
    return int(
        known[0]
        if known
        else connection.execute(
            "INSERT INTO environment (digest, data) VALUES (?, ?) RETURNING id", (digest, data)
        ).fetchone()[0]
    )


class _Ids(Sequence[str]):
    """The ids of a batch, made from its spool anew whenever they are gone through.

    ``stored`` tells which of its jobs came in, if not all. When the spool can't be read any more,
    the ids come from the store, where the jobs are in any case.
    """

    def __init__(
        self,
        spool: Spool,
        first_number: int,
        stored: bytearray | None,
        connection: sqlite3.Connection,
        first_seq: int,
    ) -> None:
        self._spool = spool
        self._first_number = first_number
        self._stored = stored
        self._connection = connection
        self._first_seq = first_seq

    def __len__(self) -> int:
        return len(self._spool) if self._stored is None else self._stored.count(True)

    def __iter__(self) -> Iterator[str]:
        done = 0
        try:
            for block in _numbered(self._spool, self._first_number):
                ids = block.column("id")
                after = done + block.size
                yield from ids if self._stored is None else compress(ids, self._stored[done:after])
                done = after
        except OSError:
            yield from self._in_store(done)

    def _in_store(self, begin: int) -> list[str]:
        """Those of the batch's jobs from ``begin`` on."""
        first, last = self._first_seq + begin, self._first_seq + len(self._spool) - 1
        return [job_id for (job_id,) in self._connection.execute(_IDS, (first, last))]

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return [*self][index]


def _numbered(spool: Spool, number: int) -> Iterator[Block]:
    """The rows, those without an id given one: ``number`` is the first."""
    numbers = count(number)
    for block in spool.blocks():
        given = block.column("id")
        block.alike.pop("id", None)
        block.differing["id"] = [encode(next(numbers)) if one is None else one for one in given]
        yield block


def _insert(connection: sqlite3.Connection, block: Block, *, skip_existing: bool) -> None:
    alike = tuple(block.alike.values())
    differing = chain.from_iterable(zip(*block.differing.values(), strict=True))
    left = block.size
    for rows in _ROWS_IN_STATEMENT:
        statements, left = divmod(left, rows)
        if statements:
            insert = _statement(tuple(block.alike), tuple(block.differing), rows, skip_existing)
            values = (
                (*alike, *islice(differing, rows * len(block.differing))) for _ in range(statements)
            )
            connection.executemany(insert, values)


@lru_cache(maxsize=12)
def _statement(
    alike: tuple[str, ...], differing: tuple[str, ...], rows: int, skip_existing: bool
) -> str:
    """What inserts some rows at once; a value that all have in common is bound once."""
    once = (f"?{number}" for number, _ in enumerate(alike, 1))
    row = f"({', '.join([*once, *'?' * len(differing)])})"
    insert = f"INSERT INTO job ({', '.join([*alike, *differing])}) VALUES "
    return insert + ", ".join([row] * rows) + (" ON CONFLICT DO NOTHING" if skip_existing else "")


_IDS = "SELECT id FROM job WHERE seq BETWEEN ? AND ? ORDER BY seq"
_HOLDER_OF_ID = "SELECT id FROM job WHERE id = ?"
_HOLDER_OF_KEY = """
    SELECT id FROM job
    WHERE unique_key = ? AND state NOT IN ('completed', 'dead', 'cancelled')
"""
