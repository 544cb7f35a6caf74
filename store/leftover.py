"""What is left to run in some queues, and what of it will not run by itself.

Names of queues are a JSON array; an empty one means all queues.
"""

from __future__ import annotations

import sqlite3

from store.dependencies import IS_UNMET
from store.jobs import JobState, Leftover

_ALL = "[]"
_NAMED = 3


def goes_on(connection: sqlite3.Connection, names: str, served: str) -> bool:
    """Whether a job runs, or will without anybody's doing: also one blocked behind such jobs.

    Those may be of other queues, if they are ``served``. To be called in one transaction.
    """
    if connection.execute(_GOES_ON, (names,)).fetchone()[0]:
        return True
    others = names != _ALL
    return others and bool(connection.execute(_WAITS_FOR_OTHERS, (names, served)).fetchone()[0])


def left(connection: sqlite3.Connection, names: str) -> Leftover:
    """What is left once nothing goes on."""
    paused = dict(connection.execute(_PAUSED, (names,)))
    held, blocked = connection.execute(_HELD_AND_BLOCKED, (names,)).fetchone()
    behind = connection.execute(_BEHIND, (names, _NAMED + 1)).fetchall() if blocked else []
    return Leftover(
        paused=paused,
        held=held,
        blocked=blocked,
        behind=tuple((job_id, JobState(state)) for job_id, state in behind[:_NAMED]),
        behind_more=len(behind) > _NAMED,
    )


def died(connection: sqlite3.Connection, names: str, since: int) -> int:
    """How many jobs are dead that have died since then (UTC milliseconds)."""
    (number,) = connection.execute(_DIED, (names, since)).fetchone()
    return int(number)


_SERVED = "(?1 = '[]' OR queue.name IN (SELECT value FROM json_each(?1)))"
_HELD = """
    (SELECT count(*) FROM job INDEXED BY job_on_hold
     WHERE held = 1 AND job.queue = job_count.queue AND job.state = job_count.state)
"""
# Whatever a blocked job waits for at last is not blocked: within the queues these are enough.
_GOES_ON = f"""
    SELECT EXISTS (
        SELECT 1 FROM job_count JOIN queue ON queue.name = job_count.queue
        WHERE jobs > 0 AND {_SERVED} AND (state = 'processing' OR (
            paused = 0 AND state IN ('pending', 'failed') AND jobs > {_HELD})))
"""
_WAITS_FOR_OTHERS = f"""
    WITH RECURSIVE waiting (seq) AS (
        SELECT job.seq FROM job INDEXED BY job_state JOIN queue ON queue.name = job.queue
        WHERE job.state = 'blocked' AND held = 0 AND paused = 0 AND {_SERVED}),
    chain (seq) AS (
        SELECT seq FROM waiting
        UNION
        SELECT needed.seq FROM chain
        JOIN job ON job.seq = chain.seq AND job.state = 'blocked'
        JOIN dependency ON dependency.job = job.seq
        JOIN job AS needed ON needed.seq = dependency.needs
        WHERE {IS_UNMET}),
    stuck (seq) AS (
        SELECT job.seq FROM chain
        JOIN job ON job.seq = chain.seq
        JOIN queue ON queue.name = job.queue
        WHERE job.state IN ('dead', 'cancelled') OR job.state <> 'processing' AND (
            held = 1 OR paused = 1
            OR ?2 <> '[]' AND queue.name NOT IN (SELECT value FROM json_each(?2)))
        UNION
        SELECT job.seq FROM stuck
        JOIN job AS needed ON needed.seq = stuck.seq
        JOIN dependency ON dependency.needs = needed.seq
        JOIN job ON job.seq = dependency.job AND job.state = 'blocked'
        WHERE {IS_UNMET})
    SELECT EXISTS (SELECT 1 FROM waiting WHERE seq NOT IN (SELECT seq FROM stuck))
"""
_PAUSED = f"""
    SELECT queue.name, sum(jobs) FROM job_count JOIN queue ON queue.name = job_count.queue
    WHERE paused = 1 AND {_SERVED} AND state IN ('pending', 'failed', 'blocked') AND jobs > 0
    GROUP BY queue.name ORDER BY queue.name
"""
_HELD_AND_BLOCKED = f"""
    SELECT coalesce(sum(held), 0), coalesce(sum(jobs - held) FILTER (WHERE state = 'blocked'), 0)
    FROM (SELECT state, jobs, {_HELD} AS held
          FROM job_count JOIN queue ON queue.name = job_count.queue
          WHERE paused = 0 AND {_SERVED} AND state IN ('pending', 'failed', 'blocked'))
"""
_BEHIND = f"""
    SELECT DISTINCT needed.id, needed.state
    FROM job INDEXED BY job_state
    JOIN queue ON queue.name = job.queue
    JOIN dependency ON dependency.job = job.seq
    JOIN job AS needed ON needed.seq = dependency.needs
    WHERE job.state = 'blocked' AND job.held = 0 AND paused = 0 AND {_SERVED}
    AND needed.state <> 'blocked' AND {IS_UNMET}
    LIMIT ?2
"""
_DIED = f"""
    SELECT count(*) FROM job INDEXED BY job_state JOIN queue ON queue.name = job.queue
    WHERE job.state = 'dead' AND finished_at >= ?2 AND {_SERVED}
"""
