"""What the command line and the app ask of supervisors: start one, stop it, tell who is left."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from store import (
    DEFAULT_POOL,
    Attempt,
    AttemptState,
    QueueError,
    Snapshot,
    Status,
    Worker,
    WorkerKind,
    WorkerState,
)
from store.queue import Queue
from workers import processes

if TYPE_CHECKING:
    import subprocess

_START_PATIENCE = 20.0
_LOOK_EVERY = 0.02


class LeftAlready(QueueError):
    """A supervisor that was to leave once nothing goes on did so before its workers were up.

    ``exit_code`` is the supervisor's.
    """


def start_detached(
    queue: Queue,
    *,
    pool: str = DEFAULT_POOL,
    count: int = 1,
    queues: Sequence[str] = (),
    until_empty: bool = False,
) -> Worker:
    """Start a supervisor that outlives this process; returned once its workers are up.

    Raises ``QueueError`` when the pool is running already, or its workers don't come up, and
    ``LeftAlready``.
    """
    import subprocess

    from workers.until_empty import UntilEmpty

    until = UntilEmpty(queue, queues)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    log = os.open(queue.log_path, flags, 0o600)
    errors, its_errors = os.pipe()
    options = ["--until-empty"] if until_empty else []
    try:
        process = subprocess.Popen(
            process_command(
                *("supervisor", queue.url, pool, str(count)),
                *(f"--errors={its_errors}", *options, *queues),
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            pass_fds=[its_errors],
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(its_errors)
        os.close(log)
    with open(errors, encoding="utf-8", errors="replace") as heard:
        supervisor = _once_up(queue, process, heard, may_leave=until_empty)
    if supervisor is None:
        left = LeftAlready("; ".join(filter(None, (until.left(), until.deaths()))))
        left.exit_code = process.returncode
        raise left
    return supervisor


def _once_up(
    queue: Queue, process: subprocess.Popen[bytes], errors: IO[str], *, may_leave: bool
) -> Worker | None:
    """The supervisor once its workers are up; ``None`` when it has left, as it may."""
    deadline = time.monotonic() + _START_PATIENCE
    while time.monotonic() < deadline:
        supervisor = _when_up(queue, process.pid)
        if supervisor is not None:
            process.returncode = 0  # it lives on its own now
            return supervisor
        if process.poll() is not None:
            why = errors.read().strip()
            if may_leave and not why and process.returncode in (0, 1):
                return None
            raise QueueError(why or f"the supervisor ended at once; see {queue.log_path}")
        time.sleep(_LOOK_EVERY)
    patience = f"{_START_PATIENCE:g}s"
    raise QueueError(f"the workers did not come up within {patience}; see {queue.log_path}")


def process_command(*words: str) -> list[str]:
    """How to start ``workers.__main__`` with these words.

    ``-m workers`` would run what a folder on ``PYTHONPATH`` has under that name.
    """
    return [sys.executable, "-P", "-m", "queuectl_tui.process", *words]


def how_paused(pool: str) -> str:
    """What to tell of a pool that is paused, with the way on."""
    which = "" if pool == DEFAULT_POOL else f" --pool {pool}"
    return f"pool {pool} is paused: it takes no jobs; resume: queuectl-tui worker resume{which}"


def living(queue: Queue, pool: str | None = None) -> list[Worker]:
    """Supervisors and workers of ``pool`` (``None``: of all) whose processes really run."""
    return [
        worker
        for worker in queue.registry.registered()
        if pool in (None, worker.pool) and processes.is_alive(worker.identity)
    ]


def crew(queue: Queue) -> list[Worker]:
    """Supervisors and workers that are up; stale at once where the process is seen to be gone."""
    return _as_seen(queue.workers())


def up(queue: Queue) -> list[Worker]:
    """The workers, without supervisors, that are up and not stale: those that take jobs."""
    return [
        worker
        for worker in crew(queue)
        if worker.kind is WorkerKind.WORKER and worker.state is not WorkerState.STALE
    ]


def status(queue: Queue) -> Status:
    """The store at a glance, with workers counted as ``crew`` sees them."""
    return queue.status().with_workers(crew(queue))


def as_seen(snapshot: Snapshot) -> Snapshot:
    """The same, with workers as ``crew`` sees them."""
    seen = _as_seen(snapshot.workers)
    return snapshot._replace(workers=tuple(seen), status=snapshot.status.with_workers(seen))


def leaders(queue: Queue, attempts: Iterable[Attempt]) -> dict[int, int]:
    """The pids of the commands that run on this machine, by attempt."""
    running = [attempt for attempt in attempts if attempt.state is AttemptState.RUNNING]
    elsewhere = {
        worker.id
        for worker in (queue.workers() if running else ())
        if processes.is_elsewhere(worker.identity, worker.host)
    }
    here = (attempt for attempt in running if attempt.worker not in elsewhere)
    found = ((attempt.id, _leader(queue, attempt)) for attempt in here)
    return {attempt: pid for attempt, pid in found if pid is not None}


def _leader(queue: Queue, attempt: Attempt) -> int | None:
    from workers import journal

    try:
        entry = journal.read(queue.folders.journal(attempt.worker))
    except OSError:
        return None
    if entry is None or entry.attempt_id != attempt.id or entry.leader is None:
        return None
    if processes.is_reused(entry.leader, entry.started_by):
        return None
    return None if processes.identify(entry.leader) is None else entry.leader


def has_gone(known: Iterable[Worker]) -> bool:
    """Whether one that is not called stale is seen to be gone."""
    return any(worker.state is not WorkerState.STALE and _is_gone(worker) for worker in known)


def _as_seen(known: Iterable[Worker]) -> list[Worker]:
    return [
        worker._replace(state=WorkerState.STALE) if _is_gone(worker) else worker for worker in known
    ]


def _is_gone(worker: Worker) -> bool:
    elsewhere = processes.is_elsewhere(worker.identity, worker.host)
    return not (elsewhere or processes.is_alive(worker.identity))


def stop(queue: Queue, workers: Sequence[Worker], *, now: bool) -> None:
    """Tell the supervisors among ``workers`` to drain, or to stop what runs and give it back.

    Workers that outlived their supervisor drain by themselves; ``now`` reaches them by a signal.
    """
    import signal

    alive = {worker.id for worker in workers}
    for worker in workers:
        if worker.kind is WorkerKind.SUPERVISOR:
            with suppress(QueueError):  # it left just now
                queue.registry.order(worker.pool, stop="now" if now else "drain")
        elif now and worker.supervisor not in alive:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGTERM)
                os.kill(worker.pid, signal.SIGCONT)  # one that stands still can't end


def _when_up(queue: Queue, pid: int) -> Worker | None:
    workers = queue.workers()
    for worker in workers:
        if worker.kind is WorkerKind.SUPERVISOR and worker.pid == pid:
            crew = [other for other in workers if other.supervisor == worker.id]
            return worker if len(crew) >= worker.count else None
    return None
