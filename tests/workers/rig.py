"""A store with real workers on it, and what is needed to look at them from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

import workers
from store import (
    DEFAULT_POOL,
    Attempt,
    Job,
    JobState,
    NewJob,
    ProcessIdentity,
    Stream,
    Worker,
    WorkerKind,
    open_store,
)
from workers import processes

Found = TypeVar("Found")

PATIENCE = 40.0  # seconds; nothing is expected to take that long, unless the machine is loaded
_LOOK_EVERY = 0.01


def until(condition: Callable[[], Found], *, patience: float = PATIENCE) -> Found:
    """What ``condition`` gives once it holds."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {patience:g}s in vain"
        time.sleep(_LOOK_EVERY)
    return found


def runs(pid: int) -> bool:
    """Whether the process is there, and more than a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class Foreground:
    """``worker start`` without ``--detach``: as a person has it in a terminal."""

    process: subprocess.Popen[bytes]
    narration: Path

    def said(self) -> str:
        return self.narration.read_text(errors="replace")

    def hears(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE)


class Rig:
    """Enqueues, starts and looks. ``folder`` is where jobs run, for the files they make."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.queue = open_store(str(folder / "store" / "queue.db"))
        self._supervisors: list[ProcessIdentity] = []
        self._foregrounds: list[Foreground] = []

    # Doing

    def start(
        self, count: int = 1, *, pool: str = DEFAULT_POOL, queues: Sequence[str] = ()
    ) -> Worker:
        """Workers that run detached; their supervisor."""
        supervisor = workers.start_detached(self.queue, pool=pool, count=count, queues=queues)
        self._supervisors.append(supervisor.identity)
        return supervisor

    def foreground(
        self,
        *options: str,
        environ: Mapping[str, str] | None = None,
        umask: int = -1,
        prefix: Sequence[str] = (),
    ) -> Foreground:
        """``worker start`` as a child of the test, its workers up."""
        narration = self.folder.parent / f"narration-{len(self._foregrounds)}"
        with narration.open("wb") as stderr:
            process = subprocess.Popen(
                [
                    *prefix,
                    *(sys.executable, "-P", "-m", "queuectl_tui", "--db", self.queue.url),
                    *("worker", "start", *options),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=None if environ is None else {**os.environ, **environ},
                umask=umask,
                start_new_session=True,
            )
        foreground = Foreground(process, narration)
        self._foregrounds.append(foreground)
        until(lambda: process.poll() is not None or self.crew())
        return foreground

    def add(self, command: str | None = None, **fields: object) -> str:
        """Enqueue one job; its id."""
        captured = fields.pop("captured_env", None)
        fields.setdefault("cwd", str(self.folder))
        job = NewJob(command=command, **fields)  # type: ignore[arg-type]
        (job_id,) = self.queue.enqueue([job], captured_env=captured)  # type: ignore[arg-type]
        return job_id

    def run(self, command: str | None = None, **fields: object) -> Job:
        """Enqueue one job and wait for its end."""
        return self.ended(self.add(command, **fields))

    def stop(self, *, now: bool = False, pool: str | None = None) -> None:
        """Stop the workers, and wait until they are gone."""
        chosen = workers.living(self.queue, pool)
        workers.stop(self.queue, chosen, now=now)
        gone = {worker.id for worker in chosen}
        until(lambda: not gone & {worker.id for worker in workers.living(self.queue)})

    def open_gate(self, name: str = "gate") -> None:
        """Let jobs go on that wait for ``gated(name)``."""
        (self.folder / name).touch()

    # Looking

    def reached(self, job_id: str, state: JobState) -> Job:
        until(lambda: self.queue.job(job_id).state is state)
        return self.queue.job(job_id)

    def ended(self, job_id: str) -> Job:
        until(lambda: self.queue.job(job_id).state.finished)
        return self.queue.job(job_id)

    def history(self, job_id: str) -> list[Attempt]:
        return self.queue.history(job_id)

    def output(
        self, job_id: str, stream: Stream = Stream.STDOUT, number: int | None = None
    ) -> bytes:
        view = self.queue.output(job_id, number, stream)
        return view.read(0, view.size())

    def file(self, name: str) -> Path:
        """A file that a job makes, once it is there and not empty."""
        path = self.folder / name
        until(lambda: path.exists() and path.stat().st_size > 0)
        return path

    def pid_in(self, name: str) -> int:
        """The process that wrote its id and a line's end into a file."""
        path = self.file(name)
        until(lambda: path.read_text().endswith("\n"))
        return int(path.read_text())

    def crew(self, pool: str | None = None) -> list[Worker]:
        """The workers that are up and alive, without their supervisors."""
        up = {worker.id for worker in self.queue.workers()}
        return [
            worker
            for worker in workers.living(self.queue, pool)
            if worker.kind is WorkerKind.WORKER and worker.id in up
        ]

    def runner_of(self, job_id: str) -> Worker:
        """The worker that runs the job."""
        name = self.queue.job(job_id).worker
        return next(worker for worker in self.crew() if worker.id == name)

    def marked(self, owner: str = "") -> list[int]:
        """Processes that carry the store's marker, or that of one attempt (its row id)."""
        wanted = f"{self.queue.store_id}/{owner}"
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                marker = process.environ().get(processes.MARKER, "")
                if (marker == wanted if owner else marker.startswith(wanted)) and runs(process.pid):
                    found.append(process.pid)
        return found

    def tree(self, job_id: str) -> list[int]:
        """The live processes of the job's last attempt."""
        return self.marked(str(self.history(job_id)[-1].id))

    # Ending

    def close(self) -> None:
        """Stop everything. Fails, after killing them, when processes are left that should not."""
        for foreground in self._foregrounds:
            if foreground.process.poll() is None and not workers.living(self.queue):
                foreground.process.kill()
        left: list[str] = []
        try:
            self.stop(now=True)
            until(lambda: not self._leftover(), patience=10)
        except AssertionError:
            left = [self._describe(pid) for pid in self._leftover()]
            self._kill()
        for foreground in self._foregrounds:
            foreground.process.wait(PATIENCE)
        for supervisor in self._supervisors:
            with suppress(ChildProcessError):  # start_detached left them to us
                os.waitpid(supervisor.pid, 0)
        self.queue.close()
        assert not left, f"left running: {left}"

    def _leftover(self) -> list[int]:
        supervisors = [known.pid for known in self._supervisors if processes.is_alive(known)]
        supervisors += [f.process.pid for f in self._foregrounds if f.process.poll() is None]
        return supervisors + self.marked()

    def _kill(self) -> None:
        def nothing_left() -> bool:
            for pid in self._leftover():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not self._leftover()

        until(nothing_left)

    @staticmethod
    def _describe(pid: int) -> str:
        try:
            return f"{pid} {psutil.Process(pid).cmdline()}"
        except psutil.Error:
            return str(pid)


def gated(name: str = "gate") -> str:
    """A shell line that waits until the test opens the gate."""
    return f"until [ -e {name} ]; do sleep 0.02; done"


def python(code: str) -> tuple[str, ...]:
    """An argument vector that runs ``code`` with this Python."""
    return (sys.executable, "-c", code)
