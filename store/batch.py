"""A batch of new jobs on its way into the store: resolved and spooled before anything is locked."""

from __future__ import annotations

import json
import marshal
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

from store import dependencies
from store.errors import IdInUse, InvalidInput, KeyInUse
from store.ids import encode, first_id_number
from store.jobs import NewJob
from store.settings import Value

if TYPE_CHECKING:
    from random import Random

Row = tuple[Any, ...]

_CHUNK = 5_000
_COLUMNS = (
    "id, environment, unique_key, queue, priority, run_at, max_retries, timeout, stop_grace,"
    " backoff_base, command, argv, cwd, env, label, on_dependency_failure, schedule, tick,"
    " created_at, updated_at, state, ready"
)
_INSERT = f"INSERT INTO job ({_COLUMNS}) VALUES ({', '.join('?' * 22)})"
_STORED = "SELECT id, seq FROM job WHERE seq >= ?"
_COUNT_STORED = "SELECT queue, state, count(*) FROM job WHERE seq >= ? GROUP BY queue, state"
_ADD_COUNT = "INSERT INTO job_count VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET jobs = jobs + ?3"


class Batch:
    """Rows to insert in one transaction. A large batch rests in an unnamed file, not in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._chunk: list[Row] = []
        self._spool: IO[bytes] | None = None
        self._dependencies: list[tuple[int, tuple[str, ...]]] = []
        self._counts: dict[tuple[str, str], int] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

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
        retries, timeout = settings["default_max_retries"], settings["default_timeout"]
        for job in jobs:
            run_at = job.run_at
            if run_at is None:
                run_at = now + int((job.delay or 0) * 1000)
            if job.depends_on:
                self._dependencies.append((self._size, tuple(dict.fromkeys(job.depends_on))))
            waiting = bool(job.depends_on)
            state = "blocked" if waiting else "pending"
            self._counts[job.queue, state] = self._counts.get((job.queue, state), 0) + 1
            self._add(
                (
                    job.id,
                    None,  # the environment, settled with the id
                    job.unique_key,
                    job.queue,
                    job.priority,
                    run_at,
                    retries if job.max_retries is None else job.max_retries,
                    timeout if job.timeout is None else job.timeout,
                    job.stop_grace,
                    job.backoff_base,
                    job.command,
                    None if job.argv is None else json.dumps(job.argv, ensure_ascii=False),
                    job.cwd or cwd(),
                    json.dumps(dict(job.env), ensure_ascii=False) if job.env else None,
                    job.label,
                    job.on_dependency_failure.value,
                    schedule,
                    tick,
                    now,
                    now,
                    state,
                    int(run_at <= now and not waiting),
                )
            )

    def insert(
        self,
        connection: sqlite3.Connection,
        *,
        now: int,
        random: Random,
        environment: int | None,
        skip_existing: bool = False,
        places: Mapping[int, str] = MappingProxyType({}),
    ) -> list[str]:
        """Store it inside the caller's transaction; the ids, in order.

        ``skip_existing`` leaves out jobs whose id or unique key is in use. ``places`` name, by a
        job's place in the batch, where what it depends on was written. Raises ``IdInUse``,
        ``KeyInUse``, ``InvalidInput``.
        """
        connection.executemany(
            "INSERT INTO queue (name) VALUES (?) ON CONFLICT DO NOTHING", self._queues()
        )
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'job'").fetchone()
        first_seq = (row[0] if row else 0) + 1
        ids: list[str] = []
        insert = f"{_INSERT} ON CONFLICT DO NOTHING" if skip_existing else _INSERT
        try:
            connection.executemany(
                insert, self._with_ids(connection, now, random, environment, ids)
            )
        except sqlite3.IntegrityError as error:
            connection.execute("ROLLBACK")
            raise self._conflict(connection, str(error)) or error from error
        stored = dict(connection.execute(_STORED, (first_seq,))) if skip_existing else None
        self._count(connection, first_seq, recount=skip_existing)
        self._connect(connection, first_seq, ids, stored, places, now=now)
        return ids if stored is None else [*filter(stored.__contains__, dict.fromkeys(ids))]

    def _queues(self) -> set[tuple[str]]:
        return {(name,) for name, _ in self._counts}

    def _count(self, connection: sqlite3.Connection, first_seq: int, *, recount: bool) -> None:
        """Add the new jobs to the kept counts, which follow every later change by triggers."""
        if not recount:
            counts = [(*key, number) for key, number in self._counts.items()]
        else:
            counts = connection.execute(_COUNT_STORED, (first_seq,)).fetchall()
        connection.executemany(_ADD_COUNT, counts)

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()

    def _add(self, row: Row) -> None:
        self._chunk.append(row)
        self._size += 1
        if len(self._chunk) >= _CHUNK:
            if self._spool is None:
                import tempfile

                self._spool = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
            data = marshal.dumps(self._chunk, 2)  # later versions look for repeats: slower
            self._spool.write(len(data).to_bytes(8, "big") + data)
            self._chunk = []

    def _rows(self) -> Iterator[Row]:
        if self._spool is not None:
            self._spool.seek(0)
            while size := self._spool.read(8):
                data = self._spool.read(int.from_bytes(size, "big"))
                yield from marshal.loads(data)  # noqa: S302 - our own unnamed file
        yield from self._chunk

    def _with_ids(
        self,
        connection: sqlite3.Connection,
        now: int,
        random: Random,
        environment: int | None,
        ids: list[str],
    ) -> Iterator[Row]:
        number = self._free_number(connection, now, random)
        for row in self._rows():
            job_id = row[0]
            if job_id is None:
                job_id = encode(number)
                number += 1
            ids.append(job_id)
            yield (job_id, environment, *row[2:])

    def _free_number(self, connection: sqlite3.Connection, now: int, random: Random) -> int:
        """The start of a run of ids none of which is in use; the caller holds the write lock."""
        while True:
            number = first_id_number(now, random)
            taken = connection.execute(
                "SELECT 1 FROM job WHERE id BETWEEN ? AND ? LIMIT 1",
                (encode(number), encode(number + self._size)),
            ).fetchone()
            if taken is None:
                return number
            now += 1

    def _connect(
        self,
        connection: sqlite3.Connection,
        first_seq: int,
        ids: list[str],
        stored: Mapping[str, int] | None,
        places: Mapping[int, str],
        *,
        now: int,
    ) -> None:
        """Enter what the new jobs depend on; ``stored`` tells where those are that came in."""
        dependent: list[int] = []
        for index, needed in self._dependencies:
            seq = first_seq + index  # SQLite counts those too that are left out
            if stored is None or stored.get(ids[index]) == seq:
                field = places.get(index, f"jobs[{index}].depends_on")
                dependencies.require(connection, seq, needed, field=field)
                dependent.append(seq)
        if dependent:
            dependencies.settle(connection, dependent, now=now)

    def _conflict(self, connection: sqlite3.Connection, message: str) -> Exception | None:
        """Which job of the batch was refused: looked for only now, so that the good case is cheap.

        The batch's own rows are rolled back, so whoever holds an id or a key is another job.
        """
        by_key = "unique_key" in message
        seen: dict[str, str | None] = {}
        for index, row in enumerate(self._rows()):
            value = row[2] if by_key else row[0]
            if value is None:
                continue
            if value in seen and not by_key:
                return InvalidInput(f"jobs[{index}].id: {value!r} is there twice in this batch")
            holder = connection.execute(_HOLDER_OF_KEY if by_key else _HOLDER_OF_ID, (value,))
            found = holder.fetchone()
            if by_key and (found or value in seen):
                return KeyInUse(value, found[0] if found else seen[value] or "of this batch")
            if found:
                return IdInUse(value)
            seen[value] = row[0]
        return None


_HOLDER_OF_ID = "SELECT id FROM job WHERE id = ?"
_HOLDER_OF_KEY = """
    SELECT id FROM job
    WHERE unique_key = ? AND state NOT IN ('completed', 'dead', 'cancelled')
"""
