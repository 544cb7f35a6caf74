"""The command of setting ``on_finish``: run when a job has ended, and never the job's business.

It runs at most once a job, below the supervisor, and is ended when it takes too long.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from store import Job
from store.queue import Queue
from workers import processes

_AT_ONCE = 4
_LONGEST = 30.0


@dataclass(frozen=True, slots=True)
class _Running:
    job_id: str
    since: float


class Hooks:
    """Runs the hook for jobs that ended, a few at a time."""

    def __init__(self, queue: Queue, narrate: Callable[[str], None]) -> None:
        self._queue = queue
        self._narrate = narrate
        self._running: dict[int, _Running] = {}
        self._marker = f"{queue.store_id}/hook"

    def __contains__(self, pid: int) -> bool:
        return pid in self._running

    def tree(self) -> list[int]:
        """Live processes of hooks, also what those left that have ended."""
        left = processes.marked([self._marker])
        return processes.with_descendants([*self._running, *left])

    @property
    def busy(self) -> bool:
        return bool(self._running)

    def reaped(self, pid: int, status: int) -> None:
        hook = self._running.pop(pid)
        code = os.waitstatus_to_exitcode(status)
        if code:
            self._narrate(f"on_finish for {hook.job_id} failed ({code})")

    def advance(self) -> None:
        """End what takes too long, and start what is waiting."""
        now = time.monotonic()
        for pid, hook in self._running.items():
            if now - hook.since > _LONGEST:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
        room = _AT_ONCE - len(self._running)
        if room > 0:
            for job in self._queue.take_ended(room):
                self._start(job, now)

    def _start(self, job: Job, now: float) -> None:
        values = self._queue.settings.values()
        line = str(values["on_finish"])
        if not line:
            return
        try:
            process = subprocess.Popen(
                [*shlex.split(str(values["shell"])), line],
                cwd=job.cwd if os.path.isdir(job.cwd) else "/",
                env=os.environ | self._facts(job),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            self._narrate(f"on_finish for {job.id} cannot be started: {error.strerror}")
            return
        process.returncode = 0  # it is reaped by the supervisor
        self._running[process.pid] = _Running(job.id, now)

    def _facts(self, job: Job) -> dict[str, str]:
        return {
            processes.MARKER: self._marker,
            "QUEUECTL_DB": self._queue.url,
            "QUEUECTL_JOB_ID": job.id,
            "QUEUECTL_STATE": job.state.value,
            "QUEUECTL_EXIT_CODE": "" if job.exit_code is None else str(job.exit_code),
            "QUEUECTL_LABEL": job.label or "",
            "QUEUECTL_QUEUE": job.queue,
            "QUEUECTL_ATTEMPTS": str(job.attempts),
        }
