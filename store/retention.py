"""What is kept: old jobs go in small transactions, old output when there is too much of it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from store import overview, reads
from store.database import Database
from store.jobs import FINISHED, JobFilter, JobState, Stream
from store.output import Folders, remove
from store.settings import Settings, Value

AT_ONCE = 200
"""Jobs in one transaction: with the largest outputs that rest in the store it still is short."""
_IN_A_ROW = 10
_OUTPUTS_IN_A_ROW = 20_000
_GROUPS = (
    (frozenset({JobState.COMPLETED, JobState.CANCELLED}), "keep_completed", "keep_completed_count"),
    (frozenset({JobState.DEAD}), "keep_dead", "keep_dead_count"),
)


class Excess(NamedTuple):
    """What the settings keep no longer: ``jobs``, and the ``outputs`` of so many attempts."""

    jobs: int
    outputs: int

    def beyond(self, other: Excess) -> Excess:
        """What ``other`` doesn't hold."""
        return Excess(max(0, self.jobs - other.jobs), max(0, self.outputs - other.outputs))


Delete = Callable[[sqlite3.Connection, Sequence[int]], list[Path]]
"""Removes finished jobs, named by ``seq``; the files to remove once that is committed."""


class Retention:
    """Removes what the settings keep no longer, some of it whenever it is asked."""

    def __init__(
        self, database: Database, settings: Settings, folders: Folders, delete: Delete
    ) -> None:
        self._database = database
        self._settings = settings
        self._delete = delete
        self._folders = folders
        self._outputs = _Outputs(database, folders)

    def prune(self, now: int) -> int:
        """Remove some; how many jobs, 0 when there is no more."""
        values = self._settings.values()
        removed = 0
        for states, age, number in _GROUPS:
            wanted = JobFilter(states=states)
            beyond = self._prune_beyond(wanted, int(values[number]))
            before = _ended_before(now, values[age])
            if before is not None and beyond < _IN_A_ROW * AT_ONCE:
                removed += self._in_steps(partial(self._remove_some, wanted, before, AT_ONCE))
            removed += beyond
        self._forget_throughput(now)
        self._outputs.prune(int(values["keep_output"]))
        return removed

    def excess(self, values: Mapping[str, Value], now: int) -> Excess:
        """All that would go in time if ``values`` were the settings."""
        with self._database.read():
            jobs = sum(
                self._excess_jobs(
                    JobFilter(states=states), _ended_before(now, values[age]), int(values[number])
                )
                for states, age, number in _GROUPS
            )
        outputs = _Outputs(self._database, self._folders)
        return Excess(jobs, len(outputs.excess(int(values["keep_output"]))))

    def _excess_jobs(self, wanted: JobFilter, before: int | None, most: int) -> int:
        query = self._database.query
        gone = set() if before is None else {*reads.unneeded(query, wanted, before, limit=-1)}
        beyond = reads.count(query, wanted) - most
        if most and beyond > 0:
            gone.update(reads.unneeded(query, wanted, None, limit=beyond))
        return len(gone)

    def remove(self, wanted: JobFilter, finished_before: int | None) -> int:
        """Remove all finished jobs that match, ended before then, and aren't needed; how many."""
        removed = 0
        while number := self._remove_some(wanted, finished_before, AT_ONCE):
            removed += number
            self._database.give_way()
        return removed

    def remove_some(self, wanted: JobFilter) -> int:
        """Remove the first ``AT_ONCE`` of them; how many, 0 when there is none."""
        return self._remove_some(wanted, None, AT_ONCE)

    def _prune_beyond(self, wanted: JobFilter, most: int) -> int:
        """Remove the oldest that are more than ``most``; 0 is no limit."""

        def delete() -> int:
            with self._database.read():
                excess = reads.count(self._database.query, wanted) - most
            return self._remove_some(wanted, None, min(excess, AT_ONCE)) if excess > 0 else 0

        return self._in_steps(delete) if most else 0

    def _remove_some(self, wanted: JobFilter, finished_before: int | None, most: int) -> int:
        states = (wanted.states or FINISHED) & FINISHED
        if not states:
            return 0
        some = partial(
            reads.unneeded,
            self._database.query,
            wanted._replace(states=states),
            finished_before,
            limit=most,
        )
        while found := some():  # it may look at every job, so others can write meanwhile
            with self._database.write() as connection:
                chosen = some(among=found)
                files = self._delete(connection, chosen) if chosen else []
            remove(files)
            if chosen:
                return len(chosen)
        return 0

    def _in_steps(self, delete: Callable[[], int]) -> int:
        removed = 0
        for _ in range(_IN_A_ROW):
            number = delete()
            removed += number
            if number < AT_ONCE:
                break
            self._database.give_way()
        return removed

    def _forget_throughput(self, now: int) -> None:
        oldest = (now - 2 * overview.MINUTES_KEPT * 60_000) // overview.BUCKET_MS
        with self._database.look() as connection:
            known = connection.execute(
                "SELECT 1 FROM throughput WHERE bucket < ? LIMIT 1", (oldest,)
            ).fetchone()
        if known is not None:
            with self._database.write() as connection:
                connection.execute("DELETE FROM throughput WHERE bucket < ?", (oldest,))


def _ended_before(now: int, seconds: Value) -> int | None:
    """The time that jobs ended before which are kept no longer; None: all are kept."""
    return now - int(float(seconds) * 1000) if seconds else None


class _Outputs:
    """All outputs together, those in the store and those that are files.

    A look costs what has been printed since the last: the sum is added to, and what was removed
    meanwhile stays in it. Everything is counted anew only when that sum is too large.
    """

    def __init__(self, database: Database, folders: Folders) -> None:
        self._database = database
        self._folders = folders
        self._forget()

    def _forget(self) -> None:
        self._bytes = 0
        self._counted_to = 0
        self._open: set[int] = set()

    def prune(self, most: int) -> None:
        """Remove the oldest when they are more than ``most``, so that a tenth of it is free again.

        The history keeps their sizes.
        """
        if not most:
            return
        self._count()
        if self._bytes > most:
            self._forget()
            chosen = self.excess(most, limit=_OUTPUTS_IN_A_ROW)
            for start in range(0, len(chosen), AT_ONCE):
                self._drop(chosen[start : start + AT_ONCE])
                self._database.give_way()

    def excess(self, most: int, *, limit: int = -1) -> list[int]:
        """The attempts whose outputs have to go, the oldest first; 0 is no limit.

        They count as gone already.
        """
        if not most:
            return []
        self._count()
        return self._oldest(most - most // 10, limit) if self._bytes > most else []

    def _count(self) -> None:
        """Add what attempts printed that have ended since the last time."""
        with self._database.read() as connection:
            still_open = {attempt for (attempt,) in connection.execute(_OPEN)}
            (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM attempt").fetchone()
            ended = json.dumps([*(self._open - still_open)])
            in_store, in_files = connection.execute(
                _PRINTED, (self._counted_to, json.dumps([*still_open]), ended)
            ).fetchone()
        self._bytes += int(in_store) + sum(map(self._on_disk, json.loads(in_files)))
        self._open = still_open
        self._counted_to = last

    def _oldest(self, wanted: int, limit: int) -> list[int]:
        with self._database.read() as connection:
            oldest = connection.execute(_OLDEST, (limit,)).fetchall()
        chosen: list[int] = []
        for attempt, in_store in oldest:
            if self._bytes <= wanted:
                break
            self._bytes -= in_store + self._on_disk(attempt)
            chosen.append(attempt)
        return chosen

    def _drop(self, attempts: list[int]) -> None:
        with self._database.write() as connection:
            dropped = connection.execute(_DROP, (json.dumps(attempts),)).fetchall()
        for (attempt,) in dropped:
            remove(self._files(attempt))

    def _on_disk(self, attempt: int) -> int:
        size = 0
        for path in self._files(attempt):
            with suppress(FileNotFoundError):
                size += os.stat(path).st_blocks * 512
        return size

    def _files(self, attempt: int) -> list[Path]:
        return [self._folders.kept(attempt, stream) for stream in Stream]


_OPEN = """
    SELECT lease FROM job INDEXED BY job_running WHERE lease IS NOT NULL
    UNION SELECT held_by FROM job INDEXED BY job_held WHERE held_by IS NOT NULL
"""
_IN_FILES = "(stdout IS NULL AND stdout_bytes > 0 OR stderr IS NULL AND stderr_bytes > 0)"
_PRINTED = f"""
    SELECT total(coalesce(length(stdout), 0) + coalesce(length(stderr), 0)),
        json_group_array(id) FILTER (WHERE {_IN_FILES})
    FROM attempt
    WHERE id > ?1 AND id NOT IN (SELECT value FROM json_each(?2))
    OR id IN (SELECT value FROM json_each(?3))
"""
_OLDEST = f"""
    SELECT id, coalesce(length(stdout), 0) + coalesce(length(stderr), 0) AS in_store FROM attempt
    WHERE (in_store > 0 OR {_IN_FILES}) AND id NOT IN ({_OPEN})
    ORDER BY finished_at, id LIMIT ?
"""
_DROP = f"""
    UPDATE attempt SET stdout = x'', stderr = x''
    WHERE id IN (SELECT value FROM json_each(?)) AND id NOT IN ({_OPEN}) RETURNING id
"""
