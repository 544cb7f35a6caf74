"""What runs: the supervisor, its workers, one command's life."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from store import DEFAULT_POOL, QueueError, Worker, WorkerKind, open_store
from store.queue import Queue

_START_PATIENCE = 20.0
_LOOK_EVERY = 0.02


def run_supervisor(
    url: str,
    *,
    pool: str = DEFAULT_POOL,
    count: int = 1,
    queues: Sequence[str] = (),
    narrate: Callable[[str], None],
    report: bool = False,
) -> int:
    """Supervise in this process until told to stop; the exit code.

    ``narrate`` gets one line an event, with ``report`` also one for each job's start and end; what
    jobs printed may be in it, unescaped. Raises ``PoolRunning``.
    """
    from workers.supervisor import Supervisor

    queue = open_store(url, durable=False, patience=2.0)
    return Supervisor(
        queue, pool=pool, count=count, queues=queues, narrate=narrate, report=report
    ).run()


def start_detached(
    queue: Queue, *, pool: str = DEFAULT_POOL, count: int = 1, queues: Sequence[str] = ()
) -> Worker:
    """Start a supervisor that outlives this process; returned once its workers are up.

    Raises ``QueueError`` when the pool is running already, or its workers don't come up.
    """
    log_path = queue.log_path
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    log = os.open(log_path, flags, 0o600)
    try:
        said_before = os.fstat(log).st_size
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "workers",
                "supervisor",
                queue.url,
                pool,
                str(count),
                *queues,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(log)
    deadline = time.monotonic() + _START_PATIENCE
    while time.monotonic() < deadline:
        supervisor = _when_up(queue, process.pid)
        if supervisor is not None:
            process.returncode = 0  # it lives on its own now
            return supervisor
        if process.poll() is not None:
            raise QueueError(_last_words(log_path, said_before))
        time.sleep(_LOOK_EVERY)
    raise QueueError(f"the workers did not come up within {_START_PATIENCE:g}s; see {log_path}")


def _when_up(queue: Queue, pid: int) -> Worker | None:
    workers = queue.workers()
    for worker in workers:
        if worker.kind is WorkerKind.SUPERVISOR and worker.pid == pid:
            crew = [other for other in workers if other.supervisor == worker.id]
            return worker if len(crew) >= worker.count else None
    return None


def _last_words(log_path: Path, offset: int) -> str:
    with log_path.open("rb") as file:
        file.seek(offset)
        lines = file.read().decode(errors="replace").split("\n")
    said = [line for line in lines if line.strip()]
    return said[-1].partition("Error: ")[2] or said[-1] if said else "the supervisor ended at once"
