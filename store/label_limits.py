"""At most so many jobs of a queue run at once with the same label.

A claim that comes upon a job whose label is full parks it: the job leaves the index of those that
are ready, and later claims don't pass it again. What always holds: while so many more of a label
could start, the best so many of its waiting jobs are ready. So whatever is made ready may simply be
so, and whoever makes room (an attempt ends; a ready job is cancelled, held or edited; the limit is
raised) lets parked jobs in. Letting in more than there is room for only costs time.

Everything here happens inside a transaction that the caller has open.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_LOOKED_AT_ONCE = 500


class LimitedLabel(NamedTuple):
    """A label in a queue that runs at most ``most`` of it."""

    queue: str
    label: str
    most: int


def park(connection: sqlite3.Connection, queues: Sequence[str]) -> bool:
    """Park what stands first in ``queues`` (none: all) and may not start; True if there was any."""
    limited = connection.execute(_LIMITED_QUEUES).fetchall()
    parked = [
        connection.execute(_PARK, (queue, most, _LOOKED_AT_ONCE)).rowcount
        for queue, most in limited
        if not queues or queue in queues
    ]
    return any(parked)


def running(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """How many jobs run, by queue and label, in queues that limit that."""
    rows = connection.execute(_RUNNING)
    return {(queue, label): number for queue, label, number in rows}


def of_jobs(connection: sqlite3.Connection, seqs: Iterable[int]) -> list[LimitedLabel]:
    """The limited labels that these jobs have."""
    if connection.execute(_IS_ANY_LIMITED).fetchone() is None:
        return []
    rows = connection.execute(_OF_JOBS, (json.dumps([*seqs]),))
    return [LimitedLabel(*row) for row in rows]


def let_in(connection: sqlite3.Connection, labels: Iterable[LimitedLabel]) -> None:
    """Let as many of each label be ready as could ever start: some that were may be no more."""
    connection.executemany(_LET_IN, labels)


def let_in_one(connection: sqlite3.Connection, queue: str, label: str) -> None:
    """An attempt has ended: the best parked job of its label may start."""
    connection.execute(_LET_IN, (queue, label, 1))


def let_in_more(connection: sqlite3.Connection, queue: str, more: int | None) -> None:
    """The queue's limit was raised by ``more``, or lifted (``None``)."""
    connection.execute(_LET_IN_MORE, (queue, more))


_LIMITED_QUEUES = """
    SELECT name, max_per_label FROM queue WHERE max_per_label IS NOT NULL AND paused = 0
"""
_RUNNING = """
    SELECT queue.name, job.label, count(*)
    FROM queue CROSS JOIN job INDEXED BY job_running ON job.queue = queue.name
    WHERE queue.max_per_label IS NOT NULL AND job.lease IS NOT NULL AND job.label IS NOT NULL
    GROUP BY queue.name, job.label
"""
_IS_ANY_LIMITED = "SELECT 1 FROM queue WHERE max_per_label IS NOT NULL LIMIT 1"
_PARK = """
    UPDATE job SET ready = 0, parked = 1 WHERE seq IN (
        SELECT seq FROM (
            SELECT seq, label FROM job INDEXED BY job_ready WHERE ready = 1 AND queue = ?1
            ORDER BY priority DESC, seq LIMIT ?3)
        WHERE label IN (
            SELECT label FROM job INDEXED BY job_running WHERE lease IS NOT NULL AND queue = ?1
            GROUP BY label HAVING count(*) >= ?2))
"""
_OF_JOBS = """
    SELECT DISTINCT queue.name, job.label, queue.max_per_label
    FROM job JOIN queue ON queue.name = job.queue
    WHERE job.seq IN (SELECT value FROM json_each(?)) AND job.label IS NOT NULL
    AND queue.max_per_label IS NOT NULL
"""
_LET_IN = """
    UPDATE job SET ready = 1, parked = 0 WHERE seq IN (
        SELECT seq FROM job INDEXED BY job_parked WHERE parked = 1 AND queue = ? AND label = ?
        ORDER BY priority DESC, seq LIMIT ?)
"""
_LET_IN_MORE = """
    UPDATE job SET ready = 1, parked = 0 WHERE seq IN (
        SELECT seq FROM (
            SELECT seq, row_number() OVER (PARTITION BY label ORDER BY priority DESC, seq) AS place
            FROM job INDEXED BY job_parked WHERE parked = 1 AND queue = ?1)
        WHERE ?2 IS NULL OR place <= ?2)
"""
