"""The store at a glance: counts, workers, throughput. Plain SQL, since every command may ask."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from store.errors import NoSuchJob
from store.integrity import unpacked
from store.jobs import (
    JobState,
    ProcessIdentity,
    QueueInfo,
    Rate,
    Status,
    Worker,
    WorkerKind,
    WorkerState,
)

STALE_AFTER = 15.0  # seconds without a heartbeat
BUCKET_MS = 5_000
MINUTES_KEPT = 60


def status(connection: sqlite3.Connection, now: int) -> Status:
    counts = dict.fromkeys(JobState, 0)
    for (queue, state), number in queue_counts(connection).items():
        counts[unpacked(JobState, state, "the count of queue", queue, "state")] += number
    completed, per_minute = _throughput(connection, now)
    status = Status(
        counts=counts,
        workers_up=0,
        workers_busy=0,
        workers_stale=0,
        queues=tuple(queues(connection, now)),
        oldest_pending_seconds=oldest_pending(connection, now),
        completed_per_minute=completed,
        per_minute=per_minute,
    )
    return status.with_workers(workers(connection, now))


def workers(connection: sqlite3.Connection, now: int, *, up: bool = True) -> list[Worker]:
    """Supervisors, each followed by its workers; workers without one come last.

    ``up``: only those that have had a heartbeat.
    """
    values = [_worker(row, now) for row in connection.execute(_WORKERS) if row[12] or not up]
    supervisors = [worker for worker in values if worker.kind is WorkerKind.SUPERVISOR]
    ordered: list[Worker] = []
    for supervisor in supervisors:
        ordered.append(supervisor)
        ordered += [worker for worker in values if worker.supervisor == supervisor.id]
    known = {worker.id for worker in ordered}
    return ordered + [worker for worker in values if worker.id not in known]


def queues(connection: sqlite3.Connection, now: int) -> list[QueueInfo]:
    """Every queue, by name."""
    counts = queue_counts(connection)
    openings = rate_openings(connection, now)
    return [
        QueueInfo(
            name,
            bool(paused),
            max_running,
            counts.get((name, JobState.PENDING.value), 0),
            counts.get((name, JobState.PROCESSING.value), 0),
            slot_name,
            unpacked(_words, slot_values, "queue", name, "slot_values") if slot_values else (),
            sum(counts.get((name, state.value), 0) for state in _STARTABLE),
            max_per_label,
            None if starts is None else Rate(starts, seconds),
            openings.get(name),
        )
        for name, paused, max_running, slot_name, slot_values, max_per_label, starts, seconds in (
            connection.execute(_QUEUES)
        )
    ]


def rate_openings(connection: sqlite3.Connection, now: int) -> dict[str, int]:
    """For each queue that has begun as many attempts as its rate allows: when it may go on."""
    openings = {}
    for name, starts, window in connection.execute(_RATES).fetchall():
        in_the_way = (name, now - window, now + window, starts - 1)
        row = connection.execute(_LAST_STARTS, in_the_way).fetchone()
        if row is not None:
            openings[name] = row[0] + window + 1
    return openings


def queue_counts(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """How many jobs there are, by queue and state."""
    rows = connection.execute("SELECT queue, state, jobs FROM job_count")
    return {(queue, state): number for queue, state, number in rows}


def queue_throughput(connection: sqlite3.Connection, now: int) -> dict[str, float]:
    """Completed attempts of the last minute, by queue."""
    first = now // BUCKET_MS - 60_000 // BUCKET_MS + 1
    rows = connection.execute(
        "SELECT queue, sum(completed) FROM throughput WHERE bucket >= ? GROUP BY queue", (first,)
    )
    return {queue: float(number) for queue, number in rows}


def oldest_pending(
    connection: sqlite3.Connection, now: int, *, queue: str | None = None
) -> float | None:
    """For how many seconds the oldest job that could run has been waiting.

    That is one that is ready, or waits and is due: the next claim will make it ready. Or that is
    parked, since others with its label run.
    """
    (ready,) = connection.execute(_OLDEST_READY, (queue,)).fetchone()
    before = now if ready is None else min(now, ready - 1)
    due = connection.execute(_OLDEST_DUE, (queue, before)).fetchone()
    (parked,) = connection.execute(_OLDEST_PARKED, (queue,)).fetchone()
    run_at = ready if due is None else due[0]
    if parked is not None:
        run_at = parked if run_at is None else min(run_at, parked)
    return None if run_at is None else max(0, now - run_at) / 1000


def seqs(connection: sqlite3.Connection, ids: Iterable[str]) -> list[int]:
    """Row numbers of the named jobs, each once. Raises ``NoSuchJob`` for the first unknown."""
    wanted = [*dict.fromkeys(ids)]
    rows = connection.execute(
        "SELECT job.id, job.seq FROM json_each(?) AS wanted JOIN job ON job.id = wanted.value",
        (json.dumps(wanted),),
    )
    found: dict[str, int] = dict(rows.fetchall())
    for job_id in wanted:
        if job_id not in found:
            raise NoSuchJob(job_id)
    return [found[job_id] for job_id in wanted]


def worker_id(kind: str, seq: int) -> str:
    return f"{'s' if kind == WorkerKind.SUPERVISOR else 'w'}{seq}"


def worker_seq(worker: str) -> int:
    """The row number in an id."""
    return int(worker[1:])


def _words(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _worker(row: Sequence[Any], now: int) -> Worker:
    seq, kind, pool, pid, host, stop, paused, supervisor, queues, done, failed, *row = row
    started_at, heartbeat_at, cpu, rss, wanted, start, boot_id, job, number, *more = row
    boss_stop, job_paused = more
    age = max(0, now - (heartbeat_at or started_at)) / 1000
    if age > STALE_AFTER:
        state = WorkerState.STALE
    elif stop or boss_stop:
        state = WorkerState.DRAINING
    elif job is not None:
        state = WorkerState.BUSY
    elif paused:
        state = WorkerState.PAUSED
    else:
        state = WorkerState.IDLE
    return Worker(
        id=worker_id(kind, seq),
        kind=unpacked(WorkerKind, kind, "worker", seq, "kind"),
        pool=pool,
        pid=pid,
        host=host,
        state=state,
        job=job,
        attempt=number,
        done=done,
        failed=failed,
        started_at=started_at,
        heartbeat_age=age,
        cpu_percent=cpu,
        rss_bytes=rss,
        queues=unpacked(_words, queues, "worker", seq, "queues"),
        supervisor=None if supervisor is None else worker_id("supervisor", supervisor),
        count=wanted,
        identity=ProcessIdentity(pid, start, boot_id),
        is_job_paused=bool(job_paused),
    )


def _throughput(
    connection: sqlite3.Connection, now: int
) -> tuple[float, tuple[tuple[int, int], ...]]:
    last = now // BUCKET_MS
    buckets_a_minute = 60_000 // BUCKET_MS
    minutes = [(0, 0)] * MINUTES_KEPT
    recent = 0
    for bucket, completed, failed in connection.execute(
        "SELECT bucket, completed, failed FROM throughput WHERE bucket > ? AND bucket <= ?",
        (last - buckets_a_minute * MINUTES_KEPT, last),
    ):
        minute = MINUTES_KEPT - 1 - (last - bucket) // buckets_a_minute
        done, bad = minutes[minute]
        minutes[minute] = (done + completed, bad + failed)
        if bucket > last - buckets_a_minute:
            recent += completed
    return float(recent), tuple(minutes)


_STARTABLE = (JobState.PENDING, JobState.FAILED)
_WORKERS = """
    SELECT worker.seq, worker.kind, worker.pool, worker.pid, worker.host, worker.stop,
           pool.paused, worker.supervisor, worker.queues, worker.done, worker.failed,
           worker.started_at, worker.heartbeat_at, worker.cpu_percent, worker.rss_bytes,
           worker.count, worker.start, worker.boot_id, job.id, job.number,
           boss.stop,
           (SELECT paused_since IS NOT NULL FROM attempt WHERE attempt.id = job.lease)
    FROM worker
    LEFT JOIN pool ON pool.name = worker.pool
    LEFT JOIN worker AS boss ON boss.seq = worker.supervisor
    LEFT JOIN job INDEXED BY job_running
        ON job.lease IS NOT NULL AND job.worker = 'w' || worker.seq
    ORDER BY worker.seq
"""
_QUEUES = """
    SELECT name, paused, max_running, slot_name, slot_values, max_per_label, rate_starts,
        rate_seconds
    FROM queue ORDER BY name
"""
RATE_WINDOW = "CAST(queue.rate_seconds * 1000 AS INTEGER)"
"""The length of a queue's window, in milliseconds."""
_RATES = f"SELECT name, rate_starts, {RATE_WINDOW} FROM queue WHERE rate_starts IS NOT NULL"
_LAST_STARTS = """
    SELECT started_at FROM queue_start WHERE queue = ? AND started_at BETWEEN ? AND ?
    ORDER BY started_at DESC LIMIT 1 OFFSET ?
"""
_OLDEST_READY = """
    WITH RECURSIVE level (queue, priority) AS (
        SELECT ?1, 1001 WHERE ?1 IS NOT NULL
        UNION ALL
        SELECT name, 1001 FROM queue WHERE ?1 IS NULL
        UNION ALL
        SELECT queue, (SELECT max(job.priority) FROM job INDEXED BY job_ready
                       WHERE ready = 1 AND job.queue = level.queue
                       AND job.priority < level.priority)
        FROM level WHERE priority IS NOT NULL)
    SELECT min((SELECT run_at FROM job INDEXED BY job_ready
                WHERE ready = 1 AND job.queue = level.queue AND job.priority = level.priority
                AND state = 'pending' ORDER BY seq LIMIT 1))
    FROM level
"""
"""Of the first job of each queue and priority, which its index finds without passing others."""
_OLDEST_DUE = """
    SELECT run_at FROM job INDEXED BY job_due
    WHERE ready = 0 AND held_by IS NULL AND held = 0 AND parked = 0
    AND state IN ('pending', 'failed') AND state = 'pending'
    AND (?1 IS NULL OR queue = ?1) AND run_at <= ?2 ORDER BY run_at LIMIT 1
"""
_OLDEST_PARKED = """
    SELECT min((SELECT run_at FROM job INDEXED BY job_parked_pending
                WHERE parked = 1 AND state = 'pending' AND job.queue = queue.name
                ORDER BY run_at LIMIT 1))
    FROM queue WHERE max_per_label IS NOT NULL AND (?1 IS NULL OR name = ?1)
"""
