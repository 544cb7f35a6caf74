"""The registry: which supervisors and workers there are, and what people asked of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence

from store import doorbell, overview
from store.database import Database
from store.errors import QueueError
from store.jobs import Orders, ProcessIdentity, Worker, WorkerKind
from store.output import remove
from store.overview import worker_id, worker_seq


class Registry:
    """Entries of this store's supervisors and workers, by the ids that it gave them."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    def register(
        self,
        kind: WorkerKind,
        *,
        pool: str,
        host: str,
        identity: ProcessIdentity | None = None,
        supervisor: str | None = None,
        queues: Sequence[str] = (),
        count: int = 0,
    ) -> str:
        """Enter a supervisor or a worker; its id. It counts as up after its first heartbeat."""
        known = identity or ProcessIdentity(0, 0, "")
        with self._database.write() as connection:
            cursor = connection.execute(
                "INSERT INTO worker (kind, pool, supervisor, host, pid, start, boot_id, queues,"
                " count, started_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    kind.value,
                    pool,
                    None if supervisor is None else worker_seq(supervisor),
                    host,
                    known.pid,
                    known.start,
                    known.boot_id,
                    json.dumps(list(queues)),
                    count,
                    self._clock(),
                ),
            )
            return worker_id(kind.value, cursor.lastrowid or 0)

    def identify(self, worker: str, identity: ProcessIdentity) -> bool:
        """Say which process a registered worker is; False when it has been given up."""
        with self._database.write() as connection:
            cursor = connection.execute(
                "UPDATE worker SET pid = ?1, start = ?2, boot_id = ?3"
                " WHERE seq = ?4 AND pid IN (0, ?1)",
                (identity.pid, identity.start, identity.boot_id, worker_seq(worker)),
            )
            return cursor.rowcount == 1

    def inherit(self, worker: Worker, supervisor: str) -> bool:
        """Make a dead worker ``supervisor``'s own; False when another was faster.

        One that nobody has identified by now is given up: should it come to life, it is to leave.
        """
        former = None if worker.supervisor is None else worker_seq(worker.supervisor)
        with self._database.write() as connection:
            cursor = connection.execute(
                "UPDATE worker SET supervisor = ?, pid = CASE pid WHEN 0 THEN -1 ELSE pid END"
                " WHERE seq = ? AND supervisor IS ? AND pid = ?",
                (worker_seq(supervisor), worker_seq(worker.id), former, worker.pid),
            )
            return cursor.rowcount == 1

    def heartbeat(self, worker: str) -> None:
        """Say that ``worker`` lives."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE worker SET heartbeat_at = ? WHERE seq = ?",
                (self._clock(), worker_seq(worker)),
            )

    def report(
        self, samples: Mapping[str, tuple[float, int]], *, silence: Mapping[str, float]
    ) -> None:
        """Store CPU percent and resident bytes, and for how many seconds each was not heard.

        Both are by id; one that has not been up yet does not come up by it.
        """
        now = self._clock()
        with self._database.write() as connection:
            connection.executemany(
                "UPDATE worker SET cpu_percent = ?, rss_bytes = ? WHERE seq = ?",
                [(cpu, rss, worker_seq(worker)) for worker, (cpu, rss) in samples.items()],
            )
            connection.executemany(
                "UPDATE worker SET heartbeat_at = ?"
                " WHERE seq = ? AND (heartbeat_at IS NOT NULL OR kind = 'supervisor')",
                [
                    (now - int(seconds * 1000), worker_seq(worker))
                    for worker, seconds in silence.items()
                ],
            )

    def unregister(self, worker: str) -> None:
        """Forget a supervisor or worker that is gone."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM worker WHERE seq = ?", (worker_seq(worker),))
        remove([self._database.bells / worker])

    def came_up(self, supervisor: str) -> set[str]:
        """Those workers of ``supervisor`` that have been heard at all."""
        with self._database.look() as connection:
            rows = connection.execute(
                "SELECT seq FROM worker WHERE supervisor = ? AND heartbeat_at IS NOT NULL",
                (worker_seq(supervisor),),
            )
            return {worker_id(WorkerKind.WORKER, seq) for (seq,) in rows}

    def registered(self) -> list[Worker]:
        """Every entry, also those not yet up."""
        with self._database.read() as connection:
            return overview.workers(connection, self._clock(), up=False)

    def order(
        self,
        pool: str,
        *,
        count: int | None = None,
        stop: str | None = None,
    ) -> Worker:
        """Ask the pool's supervisor to keep ``count`` workers, or to stop.

        ``stop`` is ``"drain"`` or ``"now"``. Raises ``QueueError`` when no supervisor is up.
        """
        with self._database.write() as connection:
            supervisor = self._supervisor(connection, pool)
            connection.execute(
                "UPDATE worker SET count = coalesce(?, count),"
                " stop = CASE WHEN stop = 'now' THEN stop ELSE coalesce(?, stop) END WHERE seq = ?",
                (count, stop, worker_seq(supervisor.id)),
            )
            ordered = self._supervisor(connection, pool)
        doorbell.ring(self._database.bells)
        return ordered

    def set_paused(self, pool: str, paused: bool) -> None:
        """Let the pool's workers take no jobs, or again; so it stays, also while none runs."""
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO pool (name, paused) VALUES (?1, ?2)"
                " ON CONFLICT DO UPDATE SET paused = ?2",
                (pool, paused),
            )
        doorbell.ring(self._database.bells)

    def paused_pools(self) -> list[str]:
        """The pools that are paused, by name, whether they run or not."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT name FROM pool WHERE paused ORDER BY name")
            return [name for (name,) in rows]

    def supervisor(self, pool: str) -> Worker:
        """The pool's supervisor, of several the last heard. Raises ``QueueError`` if none is up."""
        with self._database.read() as connection:
            return self._supervisor(connection, pool)

    def _supervisor(self, connection: sqlite3.Connection, pool: str) -> Worker:
        workers = overview.workers(connection, self._clock())
        supervisors = [
            worker
            for worker in workers
            if worker.kind is WorkerKind.SUPERVISOR and worker.pool == pool
        ]
        if not supervisors:
            raise QueueError(
                f"no supervisor runs pool {pool}; start one with: queuectl-tui worker start"
            )
        return min(supervisors, key=lambda worker: worker.heartbeat_age)

    def orders(self, supervisor: str) -> Orders:
        """What a supervisor has been asked to do."""
        with self._database.look() as connection:
            row = connection.execute(
                "SELECT count, pool.paused, stop FROM worker"
                " LEFT JOIN pool ON pool.name = worker.pool WHERE seq = ?",
                (worker_seq(supervisor),),
            ).fetchone()
        if row is None:
            return Orders(count=0, paused=False, stop="drain")
        return Orders(count=row[0], paused=bool(row[1]), stop=row[2])

    def inherit_orphans(self, supervisor: str, *, pool: str, host: str) -> list[str]:
        """Workers that nobody knows, yet that have attempts (after a restore, for example).

        They are entered as dead workers of ``supervisor``; no other one gets them.
        """
        with self._database.look() as connection:
            if connection.execute(_ORPHANED).fetchone() is None:
                return []
        with self._database.write() as connection:
            orphans = [worker for (worker,) in connection.execute(_ORPHANED)]
            connection.executemany(
                "INSERT INTO worker (seq, kind, pool, supervisor, host, pid, start, boot_id,"
                " queues, started_at) VALUES (?, 'worker', ?, ?, ?, 0, 0, '', '[]', ?)",
                [
                    (
                        worker_seq(worker),
                        pool,
                        worker_seq(supervisor),
                        host,
                        self._clock(),
                    )
                    for worker in orphans
                ],
            )
            return orphans


_ORPHANED = """
    SELECT worker FROM job INDEXED BY job_running WHERE lease IS NOT NULL
    AND worker NOT IN (SELECT 'w' || seq FROM worker)
    UNION
    SELECT worker FROM job INDEXED BY job_held WHERE held_by IS NOT NULL
    AND worker NOT IN (SELECT 'w' || seq FROM worker)
"""
