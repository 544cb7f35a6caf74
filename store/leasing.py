"""Leases: which job runs next, and what follows from how it ended.

Everything here happens inside a transaction that the caller has open.
"""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from store import dependencies, overview
from store.errors import LeaseLost
from store.fields import read_column
from store.integrity import unpacked
from store.jobs import (
    Asked,
    AttemptState,
    JobState,
    Lease,
    Outcome,
    Output,
    Pause,
    Stream,
)
from store.kinds import exit_codes_of
from store.late import Late
from store.retry import backoff_seconds, exhausted
from store.settings import Settings
from store.tally import Score

if TYPE_CHECKING:
    from store import label_limits
else:
    label_limits = Late("store.label_limits")  # few queues have such a limit

_PROMOTED_AT_ONCE = 500


class Ended(NamedTuple):
    """What follows from the end of an attempt; a cancelled one has no ``score``."""

    score: Score | None
    others_can_start: bool


class Leasing:
    """Gives leases out and ends them, by the store's settings and clock."""

    def __init__(
        self, settings: Settings, clock: Callable[[], int], chance: Callable[[], float]
    ) -> None:
        """``chance`` gives a number from 0 to 1, for the jitter of waits."""
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._environments: dict[int, Mapping[str, str]] = {}
        self._made: dict[int, tuple[str, str]] = {}

    def has_work(self, connection: sqlite3.Connection, queues: Sequence[str]) -> bool:
        """Whether a claim could find something, asked without locking anything."""
        now = self._clock()
        due = self._next_due(connection)
        if due is not None and due <= now:
            return True
        if self._is_full(connection):
            return False
        best, _ = self._statements(len(queues))
        return connection.execute(best, (now, *queues)).fetchone() is not None

    def claim(
        self, connection: sqlite3.Connection, worker: str, queues: Sequence[str]
    ) -> Lease | None:
        """Lease the best ready job to ``worker``."""
        now = self._clock()
        due = self._next_due(connection)
        if due is not None and due <= now:
            connection.execute(_PROMOTE, (now, _PROMOTED_AT_ONCE))
        if self._is_full(connection):
            return None
        row = self._start_best(connection, worker, queues, now)
        if row is None:
            return None
        attempt_id, seq = row
        slot = self._free_slot(connection, seq)
        take = (attempt_id, slot, worker, now, now, seq)
        taken = connection.execute(_TAKE, take).fetchone()
        lease = self._lease(connection, taken)
        *_, rate_starts = _of_queue(taken[-1])
        if rate_starts is not None:
            connection.execute(_COUNT_START, (lease.queue, now))
            connection.execute(_FORGET_STARTS, (lease.queue, rate_starts))
        return lease

    def _start_best(
        self, connection: sqlite3.Connection, worker: str, queues: Sequence[str], now: int
    ) -> tuple[int, int] | None:
        """Begin an attempt of the best ready job, after parking those whose label is full."""
        _, claim = self._statements(len(queues))
        values = (now, *queues, worker)
        row: tuple[int, int] | None = connection.execute(claim, values).fetchone()
        while row is None and label_limits.park(connection, queues):
            row = connection.execute(claim, values).fetchone()
        return row

    def _statements(self, queues: int) -> tuple[str, str]:
        """What finds the best job of so many named queues, and what claims it; made once."""
        if queues not in self._made:
            self._made[queues] = _best_job(queues), _claim_best(queues)
        return self._made[queues]

    def finish(self, connection: sqlite3.Connection, lease: Lease, outcome: Outcome) -> Ended:
        """Record the end of an attempt."""
        job = self._leased(connection, lease)
        now = self._clock()
        cancelled = job["cancel_requested"] or outcome.state is AttemptState.CANCELLED
        attempt_state = AttemptState.CANCELLED if cancelled else outcome.state
        state, run_at = self._after(job, attempt_state, outcome, now)
        connection.execute(_END_ATTEMPT, _ended(lease, outcome, now, attempt_state))
        connection.execute(
            _END_JOB,
            (
                state.value,
                run_at,
                None if outcome.tree_empty else lease.attempt_id,
                now,
                now,
                outcome.exit_code,
                outcome.signal,
                outcome.error,
                lease.job_seq,
            ),
        )
        score = None
        if not cancelled:
            completed = state is JobState.COMPLETED
            score = Score(now // overview.BUCKET_MS, lease.queue, job["worker"], completed)
        concerns_others = state.finished and self.pass_on(connection, [lease.job_seq], now)
        _make_room(connection, lease, job)
        limited = job["limited"] or self._settings.values()["max_running"]
        return Ended(score, concerns_others or bool(limited))

    def release(self, connection: sqlite3.Connection, lease: Lease, outcome: Outcome) -> None:
        """Take a lease back as if it had not been given; a job to be cancelled is cancelled."""
        job = self._leased(connection, lease)
        if job["cancel_requested"]:
            self.finish(connection, lease, outcome._replace(state=AttemptState.CANCELLED))
            return
        now = self._clock()
        connection.execute(_END_ATTEMPT, _ended(lease, outcome, now, AttemptState.RELEASED))
        connection.execute(
            _RELEASE, (now, now, outcome.exit_code, outcome.signal, now, lease.job_seq)
        )
        _make_room(connection, lease, job)

    def settle(
        self,
        connection: sqlite3.Connection,
        lease: Lease,
        outputs: Mapping[Stream, Output],
        children_ended: int,
    ) -> None:
        """The attempt has no process left: its output is final, its job may be run again.

        A stream that isn't in ``outputs`` stays as it was recorded.
        """
        for stream, output in outputs.items():
            connection.execute(
                f"UPDATE attempt SET {stream.value}_bytes = ?, {stream.value} = ? WHERE id = ?",
                (output.size, output.data, lease.attempt_id),
            )
        connection.execute(
            "UPDATE attempt SET children_ended = ? WHERE id = ?",
            (children_ended, lease.attempt_id),
        )
        connection.execute(
            "UPDATE job SET held_by = NULL, last_error = attempt.error FROM attempt"
            " WHERE job.seq = ? AND held_by = ? AND attempt.id = held_by",
            (lease.job_seq, lease.attempt_id),
        )

    def asked(self, connection: sqlite3.Connection, lease: Lease) -> Asked:
        """What is wanted of an attempt; one that was ended elsewhere is to be stopped."""
        row = connection.execute(_ASKED, (lease.job_seq, lease.attempt_id)).fetchone()
        if row is None:
            return Asked(stop=True, pause=Pause())
        cancelled, number, asked, since, seconds = row
        return Asked(bool(cancelled), Pause(bool(asked), since, seconds), number)

    def note_pause(self, connection: sqlite3.Connection, lease: Lease, pause: Pause) -> None:
        """Record how an attempt stands; the request is withdrawn unless it is still ``asked``."""
        asked, since, seconds, problem = pause
        connection.execute(_NOTE_PAUSE, (asked, since, seconds, problem, lease.attempt_id))
        connection.execute(
            "UPDATE job SET updated_at = ? WHERE seq = ? AND lease = ?",
            (self._clock(), lease.job_seq, lease.attempt_id),
        )

    def pass_on(self, connection: sqlite3.Connection, ended: Sequence[int], now: int) -> bool:
        """Jobs have ended for good: pass it on; True when others have something to do now."""
        freed = dependencies.spread(connection, ended, now=now)
        hooked = bool(self._settings.values()["on_finish"])
        if hooked:
            connection.executemany(
                "INSERT INTO ended VALUES (?) ON CONFLICT DO NOTHING", [(seq,) for seq in ended]
            )
        return freed or hooked

    def _lease(self, connection: sqlite3.Connection, row: Sequence[Any]) -> Lease:
        """The lease that a row of ``_LEASE_COLUMNS`` tells of."""
        seq, attempt_id, job_id, number, queue, command, argv, cwd, env, environment, *more = row
        timeout, grace, retries, nice, keep_children, success, slot, of_queue = more
        slot_name, slot_values, _ = _of_queue(of_queue)
        slot_env = {} if slot_name is None else _slot_env(slot_name, slot_values, slot)
        values = self._settings.values()
        return Lease(
            attempt_id=attempt_id,
            job_id=job_id,
            job_seq=seq,
            number=number,
            queue=queue,
            command=command,
            argv=unpacked(partial(read_column, "argv"), argv, "job", job_id, "argv"),
            cwd=cwd,
            env={
                **self._environment(connection, environment),
                **unpacked(partial(read_column, "env"), env, "job", job_id, "env"),
                **slot_env,
            },
            timeout=timeout,
            stop_grace=float(values["stop_grace"]) if grace is None else grace,
            shell=_words(str(values["shell"])),
            max_retries=retries,
            output_limit=int(values["output_limit"]),
            slot=slot or 0,
            nice=nice,
            keep_children=bool(keep_children),
            success_exit_codes=unpacked(
                partial(read_column, "success_exit_codes"),
                success,
                "job",
                job_id,
                "success_exit_codes",
            ),
        )

    def leases(self, connection: sqlite3.Connection, worker: str, *, held: bool) -> list[Lease]:
        """What ``worker`` runs; ``held``: what has ended, but whose processes have yet to be."""
        rows = connection.execute(_HELD if held else _LEASED, (worker,)).fetchall()
        return [self._lease(connection, row) for row in rows]

    def next_chance(self, connection: sqlite3.Connection) -> int | None:
        """When time alone may let a job start: it becomes due, or its queue's rate allows it."""
        due = self._next_due(connection)
        opening = overview.rate_openings(connection, self._clock())
        awaited = [
            opens_at
            for queue, opens_at in opening.items()
            if connection.execute(_IS_AWAITED, (queue,)).fetchone() is not None
        ]
        return min(awaited if due is None else [due, *awaited], default=None)

    def _next_due(self, connection: sqlite3.Connection) -> int | None:
        row = connection.execute(_NEXT_DUE).fetchone()
        return None if row is None else int(row[0])

    def _is_full(self, connection: sqlite3.Connection) -> bool:
        """Whether as many jobs run as setting ``max_running`` allows."""
        most = int(self._settings.values()["max_running"])
        return bool(most) and connection.execute(_RUNNING).fetchone()[0] >= most

    def _free_slot(self, connection: sqlite3.Connection, seq: int) -> int:
        """The lowest number that no running job of the same queue has."""
        taken = {slot for (slot,) in connection.execute(_TAKEN_SLOTS, (seq,))}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    def _environment(
        self, connection: sqlite3.Connection, environment: int | None
    ) -> Mapping[str, str]:
        if environment is None:
            return {}
        if environment not in self._environments:
            row = connection.execute(
                "SELECT data FROM environment WHERE id = ?", (environment,)
            ).fetchone()
            read = unpacked(json.loads, row[0], "environment", environment, "data")
            self._environments = {environment: read}
        return self._environments[environment]

    def _leased(self, connection: sqlite3.Connection, lease: Lease) -> dict[str, Any]:
        row = connection.execute(_OF_LEASE, (lease.job_seq, lease.attempt_id)).fetchone()
        if row is None:
            raise LeaseLost(f"attempt {lease.number} of job {lease.job_id} was ended elsewhere")
        return dict(zip(_OF_LEASE_COLUMNS, row, strict=True))

    def _after(
        self, job: Mapping[str, Any], ended: AttemptState, outcome: Outcome, now: int
    ) -> tuple[JobState, int | None]:
        """The state that follows an attempt, and when the next one is due."""
        if ended is AttemptState.CANCELLED:
            return JobState.CANCELLED, None
        if ended is AttemptState.COMPLETED:
            return JobState.COMPLETED, None
        if exhausted(job["attempts"], job["max_retries"]) or _is_final(job["fail_on"], outcome):
            return JobState.DEAD, None
        return JobState.FAILED, now + int(self._wait(job) * 1000)

    def _wait(self, job: Mapping[str, Any]) -> float:
        """Seconds until a job that has just failed is due again."""
        values = self._settings.values()
        given = {
            name: float(values[name] if job[name] is None else job[name])
            for name in ("backoff_base", "backoff_delay", "backoff_max", "backoff_jitter")
        }
        return backoff_seconds(
            job["attempts"],
            base=given["backoff_base"],
            delay=given["backoff_delay"],
            longest=given["backoff_max"],
            jitter=given["backoff_jitter"],
            chance=self._chance,
        )


def _is_final(fail_on: str | None, outcome: Outcome) -> bool:
    """Whether the job has said that it is not to be tried again after such an end."""
    if fail_on is None:
        return False
    failures = read_column("fail_on", fail_on)
    words = {
        "timeout": outcome.state is AttemptState.TIMED_OUT,
        "lost": outcome.state is AttemptState.LOST,
        "signal": outcome.state is AttemptState.FAILED and outcome.signal is not None,
    }
    by_code = outcome.state is AttemptState.FAILED and outcome.exit_code in exit_codes_of(failures)
    return by_code or any(words.get(str(item), False) for item in failures)


def _make_room(connection: sqlite3.Connection, lease: Lease, job: Mapping[str, Any]) -> None:
    """An attempt has ended: if its label is limited, another job may have its place."""
    if job["limited_label"] is not None:
        label_limits.let_in_one(connection, lease.queue, job["limited_label"])


def _ended(lease: Lease, outcome: Outcome, now: int, state: AttemptState) -> tuple[Any, ...]:
    return (
        state.value,
        now,
        outcome.exit_code,
        outcome.signal,
        outcome.error,
        outcome.cpu_seconds,
        outcome.max_rss_bytes,
        outcome.stdout.size,
        outcome.stderr.size,
        outcome.stdout.data,
        outcome.stderr.data,
        lease.attempt_id,
    )


def _slot_env(name: str, values: str, slot: int | None) -> dict[str, str]:
    """The slot's value; none when the values were made fewer under running jobs."""
    given = json.loads(values)
    return {name: given[slot]} if slot is not None and slot < len(given) else {}


@lru_cache(maxsize=8)
def _words(line: str) -> tuple[str, ...]:
    return tuple(shlex.split(line))


def _best_job(queues: int) -> str:
    """The best ready job: of each open queue its first by index, of those the best.

    The first parameter is the time. ``queues`` is how many are named by those that follow; 0 means
    any. A rate counts what is begun after now, too: the clock has been set back since.
    """
    names = ", ".join(f"?{place}" for place in range(2, 2 + queues))
    chosen = f"AND queue.name IN ({names})" if queues else ""
    return f"""
        SELECT best.seq FROM queue CROSS JOIN job AS best
        WHERE queue.paused = 0 {chosen}
        AND (queue.max_running IS NULL AND queue.slot_values IS NULL
            OR min(coalesce(queue.max_running, 1000000),
                   coalesce(json_array_length(queue.slot_values), 1000000)) > (
                SELECT count(*) FROM job AS other INDEXED BY job_running
                WHERE other.queue = queue.name AND other.lease IS NOT NULL))
        AND (queue.rate_starts IS NULL OR queue.rate_starts > (
                SELECT count(*) FROM queue_start WHERE queue_start.queue = queue.name
                AND started_at BETWEEN ?1 - {overview.RATE_WINDOW} AND ?1 + {overview.RATE_WINDOW}))
        AND best.seq = (
            SELECT seq FROM job INDEXED BY job_ready
            WHERE ready = 1 AND job.queue = queue.name ORDER BY priority DESC, seq LIMIT 1)
        ORDER BY best.priority DESC, best.seq LIMIT 1
    """


def _claim_best(queues: int) -> str:
    return f"""
        INSERT INTO attempt (job, number, state, worker, started_at)
        SELECT seq, number + 1, 'running', ?{queues + 2}, ?1 FROM job
        WHERE seq = ({_best_job(queues)}) AND NOT (label IS NOT NULL AND EXISTS ({_LABEL_IS_FULL}))
        RETURNING id, job
    """


_LABEL_IS_FULL = """
    SELECT 1 FROM queue WHERE name = job.queue
    AND max_per_label IS NOT NULL AND max_per_label <= (
        SELECT count(*) FROM job AS other INDEXED BY job_running
        WHERE other.queue = job.queue AND other.lease IS NOT NULL AND other.label = job.label)
"""
_WAITING = (
    "ready = 0 AND held_by IS NULL AND held = 0 AND parked = 0 AND state IN ('pending', 'failed')"
)
_NEXT_DUE = f"SELECT run_at FROM job INDEXED BY job_due WHERE {_WAITING} ORDER BY run_at LIMIT 1"
_PROMOTE = f"""
    UPDATE job SET ready = 1 WHERE seq IN (
        SELECT seq FROM job INDEXED BY job_due WHERE {_WAITING} AND run_at <= ?
        ORDER BY run_at LIMIT ?)
"""
_RUNNING = "SELECT count(*) FROM job INDEXED BY job_running WHERE lease IS NOT NULL"
_TAKEN_SLOTS = """
    SELECT other.slot FROM job AS other INDEXED BY job_running
    WHERE other.lease IS NOT NULL AND other.queue = (SELECT queue FROM job WHERE seq = ?)
"""


def _lease_columns(attempt: str) -> str:
    """What ``_lease`` reads of a job; ``attempt`` is the column that names the attempt."""
    return f"""
        seq, {attempt}, id, number, queue, command, argv, cwd, env, environment, timeout,
        stop_grace, max_retries, nice, keep_children, success_exit_codes, slot,
        (SELECT CASE WHEN slot_name IS NOT NULL OR rate_starts IS NOT NULL
            THEN json_array(slot_name, slot_values, rate_starts) END
         FROM queue WHERE name = job.queue)
    """


def _of_queue(text: str | None) -> tuple[str | None, str, int | None]:
    """Name and values of the slots, and the attempts that a window has, where there are any."""
    return (None, "", None) if text is None else json.loads(text)


_TAKE = f"""
    UPDATE job SET state = 'processing', ready = 0, lease = ?, slot = ?, attempts = attempts + 1,
        number = number + 1, worker = ?, started_at = ?, finished_at = NULL, exit_code = NULL,
        signal = NULL, updated_at = ?
    WHERE seq = ? RETURNING {_lease_columns("lease")}
"""
_COUNT_START = """
    INSERT INTO queue_start SELECT ?1, coalesce(max(number), 0) + 1, ?2
    FROM queue_start WHERE queue = ?1
"""
_FORGET_STARTS = """
    DELETE FROM queue_start WHERE queue = ?1
    AND number <= (SELECT max(number) FROM queue_start WHERE queue = ?1) - 2 * ?2
"""
"""Twice as many as a window has are kept: a clock that went astray, and back, has its own."""
_IS_AWAITED = """
    SELECT 1 FROM queue WHERE name = ?1 AND paused = 0 AND EXISTS (
        SELECT 1 FROM job INDEXED BY job_ready WHERE ready = 1 AND job.queue = ?1)
"""
_LEASED = f"""
    SELECT {_lease_columns("lease")} FROM job INDEXED BY job_running
    WHERE lease IS NOT NULL AND worker = ?
"""
_HELD = f"""
    SELECT {_lease_columns("held_by")} FROM job INDEXED BY job_held
    WHERE held_by IS NOT NULL AND worker = ?
"""
_END_ATTEMPT = """
    UPDATE attempt SET state = ?, finished_at = ?, exit_code = ?, signal = ?, error = ?,
        cpu_seconds = ?, max_rss_bytes = ?, stdout_bytes = ?, stderr_bytes = ?, stdout = ?,
        stderr = ?, pause_requested = 0, paused_since = NULL
    WHERE id = ?
"""
_ASKED = """
    SELECT cancel_requested, cancel_signal, pause_requested, paused_since, paused_seconds
    FROM job JOIN attempt ON attempt.id = job.lease WHERE job.seq = ? AND job.lease = ?
"""
_NOTE_PAUSE = """
    UPDATE attempt SET pause_requested = pause_requested AND ?, paused_since = ?,
        paused_seconds = ?, pause_problem = ?
    WHERE id = ? AND state = 'running'
"""
_OF_LEASE_COLUMNS = (
    "attempts",
    "max_retries",
    "cancel_requested",
    "backoff_base",
    "backoff_delay",
    "backoff_max",
    "backoff_jitter",
    "fail_on",
    "worker",
    "limited",  # whether its end lets another job of the queue start that waited before
    "limited_label",
)
_OF_LEASE = """
    SELECT attempts, max_retries, cancel_requested, backoff_base, backoff_delay, backoff_max,
        backoff_jitter, fail_on, worker,
        queue.max_running IS NOT NULL OR queue.slot_values IS NOT NULL
            OR queue.max_per_label IS NOT NULL,
        CASE WHEN queue.max_per_label IS NOT NULL THEN label END
    FROM job LEFT JOIN queue ON queue.name = job.queue WHERE seq = ? AND lease = ?
"""
_RELEASE = """
    UPDATE job SET state = 'pending', ready = 1, lease = NULL, run_at = min(run_at, ?),
        attempts = attempts - 1, finished_at = ?, exit_code = ?, signal = ?, updated_at = ?
    WHERE seq = ?
"""
_END_JOB = """
    UPDATE job SET state = ?, run_at = coalesce(?, run_at), lease = NULL, cancel_requested = 0,
        cancel_signal = NULL, held_by = ?, finished_at = ?, updated_at = ?, exit_code = ?,
        signal = ?, last_error = ?
    WHERE seq = ?
"""
