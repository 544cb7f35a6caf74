"""Who waits for whom, and what an ending means to those who wait."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from store.errors import InvalidInput
from store.late import Late

if TYPE_CHECKING:
    from store import label_limits
else:
    label_limits = Late("store.label_limits")  # few queues have such a limit

IS_UNMET = """
    needed.state <> 'completed'
    AND NOT (job.on_dependency_failure = 'run' AND needed.state IN ('dead', 'cancelled'))
"""
"""Whether a row of ``job`` still waits for that of ``needed``."""
UNMET = f"""
    SELECT 1 FROM dependency JOIN job AS needed ON needed.seq = dependency.needs
    WHERE dependency.job = job.seq AND {IS_UNMET}
"""
"""Of a row of ``job``: something it still waits for."""

_CANCEL_DEPENDENTS = """
    UPDATE job SET state = 'cancelled', held = 0, updated_at = ?
    WHERE state = 'blocked' AND on_dependency_failure = 'cancel' AND seq IN (
        SELECT dependency.job FROM dependency JOIN job AS needed ON needed.seq = dependency.needs
        WHERE needed.state IN ('dead', 'cancelled')
        AND needed.seq IN (SELECT value FROM json_each(?)))
    RETURNING seq
"""
_TELL_OF = """
    INSERT INTO ended SELECT value FROM json_each(?)
    WHERE EXISTS (SELECT 1 FROM setting WHERE name = 'on_finish' AND value <> '')
    ON CONFLICT DO NOTHING
"""
_FREE_DEPENDENTS = f"""
    UPDATE job SET state = 'pending', updated_at = ?1,
        ready = (run_at <= ?1 AND held_by IS NULL AND NOT held)
    WHERE state = 'blocked' AND seq IN (
        SELECT job FROM dependency WHERE needs IN (SELECT value FROM json_each(?2)))
    AND NOT EXISTS ({UNMET})
"""
_IN_A_CYCLE = """
    WITH RECURSIVE behind (job) AS (
        SELECT needs FROM dependency WHERE job = ?1
        UNION SELECT needs FROM dependency JOIN behind ON dependency.job = behind.job)
    SELECT 1 FROM behind WHERE job = ?1 LIMIT 1
"""
_WAITED_FOR = "SELECT 1 FROM dependency WHERE needs = ? LIMIT 1"
_BLOCK = f"""
    UPDATE job SET state = 'blocked', ready = 0, parked = 0
    WHERE state = 'pending' AND seq IN (SELECT value FROM json_each(?)) AND EXISTS ({UNMET})
    RETURNING seq
"""
_FREE = f"""
    UPDATE job SET state = 'pending', ready = (run_at <= ?1 AND held_by IS NULL AND NOT held)
    WHERE state = 'blocked' AND seq IN (SELECT value FROM json_each(?2)) AND NOT EXISTS ({UNMET})
"""


def require(connection: sqlite3.Connection, seq: int, needed: Sequence[str], *, field: str) -> None:
    """Enter what a job depends on. Raises ``InvalidInput``, naming ``field``."""
    for place, job_id in enumerate(dict.fromkeys(needed)):
        row = connection.execute("SELECT seq FROM job WHERE id = ?", (job_id,)).fetchone()
        where = f"{field}[{place}]"
        if row is None:
            raise InvalidInput(f"{where}: no job {job_id!r} in the store or this batch")
        connection.execute("INSERT INTO dependency VALUES (?, ?)", (seq, row[0]))
    if needed and connection.execute(_IN_A_CYCLE, (seq,)).fetchone() is not None:
        raise InvalidInput(f"{field}: the job would wait for itself")


def replace(connection: sqlite3.Connection, seq: int, needed: Sequence[str], *, now: int) -> None:
    """Let a job depend on other jobs than before. Raises ``InvalidInput``."""
    connection.execute("DELETE FROM dependency WHERE job = ?", (seq,))
    require(connection, seq, needed, field="depends_on")
    settle(connection, [seq], now=now)


def settle(connection: sqlite3.Connection, seqs: Sequence[int], *, now: int) -> None:
    """Block, free or cancel waiting jobs by what they depend on."""
    wanted = json.dumps(seqs)
    blocked = [seq for (seq,) in connection.execute(_BLOCK, (wanted,))]
    if blocked:
        label_limits.let_in(connection, label_limits.of_jobs(connection, blocked))
    connection.execute(_FREE, (now, wanted))
    failed = [
        needed
        for (needed,) in connection.execute(
            "SELECT DISTINCT needs FROM dependency JOIN job AS needed ON needed.seq = needs"
            " WHERE needed.state IN ('dead', 'cancelled')"
            " AND dependency.job IN (SELECT value FROM json_each(?))",
            (wanted,),
        )
    ]
    if failed and (cancelled := _cancel_behind(connection, failed, now=now)):
        connection.execute(_FREE_DEPENDENTS, (now, json.dumps(cancelled)))


def resettle(connection: sqlite3.Connection, seqs: Sequence[int], *, now: int) -> None:
    """These jobs have finished no more, or again: settle them, and what has yet to start."""
    dependents = connection.execute(
        "SELECT job FROM dependency WHERE needs IN (SELECT value FROM json_each(?))",
        (json.dumps(seqs),),
    )
    settle(connection, [*seqs, *(job for (job,) in dependents)], now=now)


def spread(connection: sqlite3.Connection, ended: Sequence[int], *, now: int) -> bool:
    """Pass the ending of jobs on to who waits; True when that frees one."""
    if not any(connection.execute(_WAITED_FOR, (seq,)).fetchone() for seq in ended):
        return False
    cancelled = _cancel_behind(connection, ended, now=now)
    freed = connection.execute(_FREE_DEPENDENTS, (now, json.dumps([*ended, *cancelled])))
    return freed.rowcount > 0


def _cancel_behind(connection: sqlite3.Connection, ended: Sequence[int], *, now: int) -> list[int]:
    """Cancel who waits for what has failed, and who waits for them; a hook will be told."""
    cancelled: list[int] = []
    todo = list(ended)
    while todo:
        rows = connection.execute(_CANCEL_DEPENDENTS, (now, json.dumps(todo))).fetchall()
        todo = [seq for (seq,) in rows]
        cancelled += todo
    if cancelled:
        connection.execute(_TELL_OF, (json.dumps(cancelled),))
    return cancelled
