"""What people do to jobs that are there: cancel, hold, retry, edit, undo, delete.

Everything here happens inside a transaction that the caller has open, to jobs that are named by
their ``seq``. When one of them is in the wrong state, ``WrongState`` is raised and none is changed.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from store import dependencies
from store.database import Database
from store.errors import KeyInUse, WrongState
from store.fields import COLUMNS, columns_of
from store.jobs import (
    EDITABLE,
    FINISHED,
    HOLDABLE,
    RETRYABLE,
    RUNNING,
    UNFINISHED,
    Job,
    JobFilter,
    JobState,
    NewJob,
    NotRetried,
    Pause,
    PauseProgress,
    Stream,
)
from store.late import Late
from store.leasing import Leasing
from store.output import Folders
from store.settings import Settings

if TYPE_CHECKING:
    from store import label_limits, reads
else:
    label_limits = Late("store.label_limits")
    reads = Late("store.reads")  # it knows peewee, which only an edit needs


class Steering:
    """Changes jobs as people ask for it, by the store's settings and clock."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        folders: Folders,
        leasing: Leasing,
        clock: Callable[[], int],
    ) -> None:
        self._database = database
        self._settings = settings
        self._folders = folders
        self._leasing = leasing
        self._clock = clock

    def cancel(
        self, connection: sqlite3.Connection, chosen: Sequence[int], *, signal: int | None = None
    ) -> None:
        """End what waits now, and mark what runs, to be stopped by ``signal``."""
        _require(connection, chosen, UNFINISHED, "cancelled")
        now, wanted = self._clock(), json.dumps(chosen)
        connection.execute(
            "UPDATE job SET cancel_requested = 1, cancel_signal = ?, updated_at = ?"
            " WHERE lease IS NOT NULL AND seq IN (SELECT value FROM json_each(?))",
            (signal, now, wanted),
        )
        waiting = connection.execute(
            "UPDATE job SET state = 'cancelled', ready = 0, held = 0, parked = 0, updated_at = ?"
            " WHERE state IN ('pending', 'blocked', 'failed')"
            " AND seq IN (SELECT value FROM json_each(?)) RETURNING seq",
            (now, wanted),
        ).fetchall()
        ended = [seq for (seq,) in waiting]
        label_limits.let_in(connection, label_limits.of_jobs(connection, ended))
        self._leasing.pass_on(connection, ended, now)

    def hold(self, connection: sqlite3.Connection, chosen: Sequence[int]) -> Counter[str]:
        """Start none of these waiting jobs; of which queues those are that were not held yet."""
        _require(connection, chosen, HOLDABLE, "held")
        held = connection.execute(_HOLD, (self._clock(), json.dumps(chosen))).fetchall()
        label_limits.let_in(connection, label_limits.of_jobs(connection, [seq for seq, _ in held]))
        return Counter(queue for _, queue in held)

    def unhold(self, connection: sqlite3.Connection, chosen: Sequence[int]) -> Counter[str]:
        """Let waiting jobs start; of which queues those are that were held."""
        _require(connection, chosen, HOLDABLE, "released")
        freed = connection.execute(_UNHOLD, (self._clock(), json.dumps(chosen))).fetchall()
        return Counter(queue for (queue,) in freed)

    def pause(self, connection: sqlite3.Connection, chosen: Sequence[int]) -> list[int]:
        """Ask for running jobs to be paused; their attempts."""
        _require(connection, chosen, RUNNING, "paused")
        wanted = json.dumps(chosen)
        row = connection.execute(_CANCELLED_BEFORE, (wanted,)).fetchone()
        if row is not None:
            raise WrongState(f"{row[0]} is being cancelled and cannot be paused")
        return self.pause_any(connection, chosen)

    def pause_any(self, connection: sqlite3.Connection, chosen: Sequence[int]) -> list[int]:
        """Ask for those that run to be paused, unless they are being cancelled."""
        return _attempts(connection, _PAUSE, chosen)

    def resume(self, connection: sqlite3.Connection, chosen: Sequence[int]) -> list[int]:
        """Ask for running jobs to go on; their attempts."""
        _require(connection, chosen, RUNNING, "resumed")
        return _attempts(connection, _RESUME, chosen)

    def resume_any(self, connection: sqlite3.Connection, chosen: Sequence[int]) -> list[int]:
        """Ask for those that are paused, or to be, to go on; their attempts."""
        return _attempts(connection, _RESUME_PAUSED, chosen)

    def pausing(
        self, connection: sqlite3.Connection, attempts: Sequence[int]
    ) -> list[PauseProgress]:
        """How far requests to pause or resume have come."""
        return [
            PauseProgress(job_id, worker, bool(runs), Pause(bool(asked), *pause))
            for job_id, worker, runs, asked, *pause in connection.execute(
                _PAUSING, (json.dumps(attempts),)
            )
        ]

    def retry(self, connection: sqlite3.Connection, chosen: Sequence[int]) -> None:
        """Let finished or failed jobs run (again) now. Raises ``KeyInUse``."""
        _require(connection, chosen, RETRYABLE, "retried")
        now, wanted = self._clock(), json.dumps(chosen)
        try:
            connection.execute(
                "UPDATE job SET ready = (held_by IS NULL), parked = 0,"
                " run_at = ?1, updated_at = ?1,"
                " attempts = CASE state WHEN 'failed' THEN attempts ELSE 0 END,"
                " state = CASE state WHEN 'failed' THEN state ELSE 'pending' END, held = 0"
                " WHERE seq IN (SELECT value FROM json_each(?2))",
                (now, wanted),
            )
            # Only now: what they need may be among them.
            dependencies.resettle(connection, chosen, now=now)
        except sqlite3.IntegrityError as error:
            raise _held_key(connection, chosen) or error from error

    def retry_possible(
        self, connection: sqlite3.Connection, chosen: Sequence[int]
    ) -> tuple[list[int], list[NotRetried]]:
        """Retry those whose unique keys are free, of several with one key the newest.

        Returns which these are, and the others.
        """
        possible, left = retryable(connection, chosen)
        self.retry(connection, possible)
        return possible, left

    def revert(
        self, connection: sqlite3.Connection, before: Sequence[Job], after: Sequence[Job]
    ) -> int:
        """Undo what was done to waiting or finished jobs, where nothing has happened since."""
        rows = [
            (
                *(old.state.value, old.held, old.attempts, old.run_at, old.updated_at),
                *(new.seq, new.state.value, new.updated_at, new.number),
            )
            for old, new in zip(before, after, strict=True)
            if old.number == new.number and old.state is not JobState.PROCESSING
        ]
        return self.put_back(connection, rows)

    def put_back(self, connection: sqlite3.Connection, rows: Sequence[Sequence[object]]) -> int:
        """Give jobs what they had before, where nothing has happened since; how many.

        A row is the state, hold, attempts and times to set, in the order of ``_REVERT``, then the
        job's number, and its state, time and attempt as they must still be.
        """
        reverted = [
            cast("int", row[5]) for row in rows if connection.execute(_REVERT, row).rowcount
        ]
        label_limits.let_in(connection, label_limits.of_jobs(connection, reverted))
        dependencies.resettle(connection, reverted, now=self._clock())
        return len(reverted)

    def edit(
        self,
        connection: sqlite3.Connection,
        chosen: Sequence[int],
        change: Callable[[Job], NewJob],
    ) -> None:
        """Give each the fields that ``change`` makes of it. Raises ``KeyInUse``, ``InvalidInput``.

        A time that is left open stays as it is.
        """
        _require(connection, chosen, EDITABLE, "edited")
        now = self._clock()
        left = label_limits.of_jobs(connection, chosen)
        for job in reads.jobs_at(self._database.query, chosen, JobFilter()):
            new = change(job)
            connection.execute(
                "INSERT INTO queue (name) VALUES (?) ON CONFLICT DO NOTHING", (new.queue,)
            )
            try:
                connection.execute(_EDIT, (*self._edited(new, now), now, job.seq))
            except sqlite3.IntegrityError as error:
                holder = connection.execute(_HOLDER_OF_KEY, (new.unique_key, job.seq)).fetchone()
                raise error if holder is None else KeyInUse(str(new.unique_key), *holder) from error
            dependencies.replace(connection, job.seq, new.depends_on, now=now)
        label_limits.let_in(connection, left)

    def delete(self, connection: sqlite3.Connection, chosen: Sequence[int]) -> list[Path]:
        """Remove finished jobs; the files of theirs to remove once that is committed."""
        _require(connection, chosen, FINISHED, "deleted")
        wanted = json.dumps(chosen)
        row = connection.execute(_NEEDED_BY_UNFINISHED + " LIMIT 1", (wanted,)).fetchone()
        if row is not None:
            raise WrongState(
                f"{row[0]} cannot be deleted: unfinished job {row[1]} depends on it; "
                f"cancel {row[1]} first"
            )
        files = [
            self._folders.kept(attempt, stream)
            for attempt, *in_file in connection.execute(_ATTEMPTS_IN_FILES, (wanted,))
            for stream, is_file in zip(Stream, in_file, strict=True)
            if is_file
        ]
        connection.execute(
            "DELETE FROM dependency WHERE needs IN (SELECT value FROM json_each(?))", (wanted,)
        )
        connection.execute(
            "DELETE FROM job WHERE seq IN (SELECT value FROM json_each(?))", (wanted,)
        )
        return files

    def _edited(self, new: NewJob, now: int) -> tuple[object, ...]:
        """The columns that an edit sets, in the order of ``_EDIT``."""
        row = columns_of(new, self._settings.values(), now)
        return tuple(row[COLUMNS.index(name)] for name in _EDITED)


def retryable(
    connection: sqlite3.Connection, chosen: Sequence[int]
) -> tuple[list[int], list[NotRetried]]:
    """Which jobs a retry of them all could bring back, and which others hold whose unique keys."""
    holders = dict(connection.execute(_HOLDERS_OF_KEYS, (json.dumps(chosen),)).fetchall())
    left = {}
    for seq, job_id, key in connection.execute(_FINISHED_WITH_KEYS, (json.dumps(chosen),)):
        if holders.setdefault(key, job_id) != job_id:
            left[seq] = NotRetried(job_id, key, holders[key])
    return [seq for seq in chosen if seq not in left], [*left.values()]


def _require(
    connection: sqlite3.Connection,
    chosen: Sequence[int],
    allowed: frozenset[JobState],
    done: str,
) -> None:
    marks = ", ".join("?" * len(allowed))
    row = connection.execute(
        "SELECT id, state FROM job WHERE seq IN (SELECT value FROM json_each(?))"
        f" AND state NOT IN ({marks}) LIMIT 1",
        (json.dumps(chosen), *(state.value for state in allowed)),
    ).fetchone()
    if row is not None:
        raise WrongState(f"{row[0]} is {JobState(row[1]).label} and cannot be {done}")


def _attempts(connection: sqlite3.Connection, sql: str, chosen: Sequence[int]) -> list[int]:
    return [attempt for (attempt,) in connection.execute(sql, (json.dumps(chosen),)).fetchall()]


def _held_key(connection: sqlite3.Connection, chosen: Sequence[int]) -> Exception | None:
    row = connection.execute(
        "SELECT wanted.unique_key, holder.id FROM job AS wanted JOIN job AS holder"
        " ON holder.unique_key = wanted.unique_key AND holder.seq <> wanted.seq"
        " WHERE wanted.seq IN (SELECT value FROM json_each(?1)) AND (holder.state NOT IN"
        " ('completed', 'dead', 'cancelled')"
        " OR holder.seq IN (SELECT value FROM json_each(?1))) LIMIT 1",
        (json.dumps(chosen),),
    ).fetchone()
    return None if row is None else KeyInUse(*row)


_HOLD = """
    UPDATE job SET held = 1, ready = 0, parked = 0, updated_at = ?
    WHERE held = 0 AND seq IN (SELECT value FROM json_each(?)) RETURNING seq, queue
"""
_UNHOLD = """
    UPDATE job SET held = 0, updated_at = ?1,
        ready = (state <> 'blocked' AND run_at <= ?1 AND held_by IS NULL)
    WHERE held = 1 AND seq IN (SELECT value FROM json_each(?2)) RETURNING queue
"""
_LEASES_OF = "SELECT lease FROM job WHERE seq IN (SELECT value FROM json_each(?))"
_CANCELLED_BEFORE = """
    SELECT id FROM job WHERE seq IN (SELECT value FROM json_each(?)) AND cancel_requested LIMIT 1
"""
_PAUSE = f"""
    UPDATE attempt SET pause_requested = 1, pause_problem = NULL
    WHERE id IN ({_LEASES_OF} AND NOT cancel_requested) RETURNING id
"""
_RESUME = f"""
    UPDATE attempt SET pause_requested = 0, pause_problem = NULL
    WHERE id IN ({_LEASES_OF}) RETURNING id
"""
_RESUME_PAUSED = f"""
    UPDATE attempt SET pause_requested = 0, pause_problem = NULL
    WHERE id IN ({_LEASES_OF}) AND (pause_requested OR paused_since IS NOT NULL) RETURNING id
"""
_PAUSING = """
    SELECT job.id, attempt.worker, attempt.state = 'running', pause_requested, paused_since,
        paused_seconds, pause_problem
    FROM json_each(?) AS wanted
    JOIN attempt ON attempt.id = wanted.value JOIN job ON job.seq = attempt.job
"""
_REVERT = """
    UPDATE OR IGNORE job
    SET state = ?, held = ?, attempts = ?, run_at = ?, updated_at = ?, ready = 0, parked = 0
    WHERE seq = ? AND state = ? AND updated_at = ? AND number = ? AND lease IS NULL
"""
_EDITED = tuple(name for name in COLUMNS if name not in ("id", "held"))
_KEPT_IF_OPEN = ("run_at", "cwd")
_ASSIGNED = ", ".join(
    f"{name} = coalesce(?, {name})" if name in _KEPT_IF_OPEN else f"{name} = ?" for name in _EDITED
)
_EDIT = f"UPDATE job SET {_ASSIGNED}, ready = 0, parked = 0, updated_at = ? WHERE seq = ?"
_HOLDER_OF_KEY = """
    SELECT id FROM job
    WHERE unique_key = ? AND seq <> ? AND state NOT IN ('completed', 'dead', 'cancelled')
"""
_HOLDERS_OF_KEYS = """
    SELECT holder.unique_key, holder.id FROM job AS wanted JOIN job AS holder
    ON holder.unique_key = wanted.unique_key
    WHERE wanted.seq IN (SELECT value FROM json_each(?)) AND wanted.unique_key IS NOT NULL
    AND holder.unique_key IS NOT NULL AND holder.state NOT IN ('completed', 'dead', 'cancelled')
"""
_FINISHED_WITH_KEYS = """
    SELECT seq, id, unique_key FROM job
    WHERE seq IN (SELECT value FROM json_each(?)) AND unique_key IS NOT NULL
    AND state IN ('completed', 'dead', 'cancelled') ORDER BY seq DESC
"""
_NEEDED_BY_UNFINISHED = """
    SELECT needed.id, waiting.id FROM dependency
    JOIN job AS needed ON needed.seq = dependency.needs
    JOIN job AS waiting ON waiting.seq = dependency.job
    WHERE needed.seq IN (SELECT value FROM json_each(?))
    AND waiting.state NOT IN ('completed', 'dead', 'cancelled')
    AND waiting.seq <> needed.seq
"""
_ATTEMPTS_IN_FILES = """
    SELECT id, stdout IS NULL AND stdout_bytes IS NOT NULL,
        stderr IS NULL AND stderr_bytes IS NOT NULL
    FROM attempt WHERE job IN (SELECT value FROM json_each(?))
    AND ((stdout IS NULL AND stdout_bytes IS NOT NULL)
        OR (stderr IS NULL AND stderr_bytes IS NOT NULL))
"""
"""Also those that were empty when the attempt ended: what it left running may print later."""
