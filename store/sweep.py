"""What is done to all jobs that match, however many: in steps, each a transaction.

A sweep goes from the newest job that was there when it was asked for to the oldest. So the newest
of several with one unique key comes first, and who waits for a job before that job.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from store import reads
from store.database import Database
from store.jobs import RETRYABLE, UNFINISHED, JobFilter, JobState, NotRetried
from store.steering import Steering

AT_ONCE = 10_000
"""Jobs in one transaction."""


class Survey(NamedTuple):
    """How many jobs match by state, of those up to number ``up_to``, the last there is."""

    up_to: int
    counts: Mapping[JobState, int]

    @property
    def jobs(self) -> int:
        return sum(self.counts.values())


class Change(NamedTuple):
    """How ``jobs`` stood before and after a step, packed."""

    jobs: int
    packed: bytes


class Step(NamedTuple):
    """``changed`` jobs were changed, ``left`` ones have their keys taken.

    The next step goes on ``below`` that number; None if there is none. ``undoable`` are those that
    were changed and can be changed back.
    """

    changed: int
    left: Sequence[NotRetried]
    below: int | None
    undoable: Change


_End = Callable[[sqlite3.Connection, Sequence[int]], Sequence[NotRetried]]


class Sweep:
    """Steps over the jobs of one store."""

    def __init__(
        self,
        database: Database,
        steering: Steering,
        change: Callable[[], AbstractContextManager[sqlite3.Connection]],
    ) -> None:
        """``change`` opens a transaction whose change everybody is told of."""
        self._database = database
        self._steering = steering
        self._change = change

    def survey(self, wanted: JobFilter, among: frozenset[JobState]) -> Survey:
        """What a sweep over the jobs that match in one of these states would come by."""
        meant = narrowed(wanted, among)
        with self._database.read() as connection:
            (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM job").fetchone()
            if meant is None:
                return Survey(last, {})
            return Survey(last, reads.count_by_state(self._database.query, meant))

    def cancel(self, wanted: JobFilter, below: int | None, limit: int) -> Step:
        """Cancel the next unfinished jobs that match."""

        def act(connection: sqlite3.Connection, chosen: Sequence[int]) -> Sequence[NotRetried]:
            self._steering.cancel(connection, chosen)
            return ()

        return self._step(narrowed(wanted, UNFINISHED), below, limit, act)

    def retry(self, wanted: JobFilter, below: int | None, limit: int) -> Step:
        """Retry the next finished or failed jobs that match and whose unique keys are free."""
        return self._step(
            narrowed(wanted, RETRYABLE),
            below,
            limit,
            lambda connection, chosen: self._steering.retry_possible(connection, chosen)[1],
        )

    def revert(self, change: Change) -> int:
        """Undo a step, as far as the jobs have not moved on; how many."""
        rows = json.loads(zlib.decompress(change.packed))
        with self._change() as connection:
            return self._steering.put_back(connection, rows)

    def _step(self, wanted: JobFilter | None, below: int | None, limit: int, act: _End) -> Step:
        if wanted is None:
            return Step(0, (), None, _packed([]))
        query = self._database.query
        with self._database.read():  # it may look at every job, so others can write meanwhile
            found = reads.matching_below(query, wanted, below, limit)
        with self._change() as connection:
            chosen = reads.still_matching(query, wanted, found)
            before = connection.execute(_STANDING, (json.dumps(chosen),)).fetchall()
            left = act(connection, chosen)
            rows = _changed(before, connection.execute(_STANDING, (json.dumps(chosen),)))
        further = found[-1] if len(found) == limit else None
        return Step(len(chosen) - len(left), left, further, _packed(rows))


def narrowed(wanted: JobFilter, among: frozenset[JobState]) -> JobFilter | None:
    """``wanted`` in these states only; None if it can be none of them."""
    states = (wanted.states or among) & among
    return wanted._replace(states=states) if states else None


def _changed(
    before: Sequence[tuple[object, ...]], after: sqlite3.Cursor
) -> list[tuple[object, ...]]:
    """What ``Steering.put_back`` takes."""
    new = {row[0]: row for row in after}
    return [
        (*old[2:], seq, *new[seq][2:3], new[seq][6], number)
        for old in before
        for seq, number in (old[:2],)
        if seq in new and new[seq] != old
    ]


def _packed(rows: Sequence[object]) -> Change:
    return Change(len(rows), zlib.compress(json.dumps(rows).encode(), 1))


_STANDING = """
    SELECT seq, number, state, held, attempts, run_at, updated_at FROM job
    WHERE seq IN (SELECT value FROM json_each(?)) AND lease IS NULL
"""
