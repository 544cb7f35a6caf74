"""Kill workers and supervisors at random while jobs run; then count what the jobs wrote.

The checker reads nothing but the jobs' own log, the command line's JSON and its exit codes, and its
own record of whom it killed when: the reasons that the program gives are not believed. Each job
takes a lock of its own before it writes, without waiting: where the lock is held, two executions of
one job ran at a time, and the job says so.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from store import Worker, WorkerKind, open_store
from workers import living, processes

JOB = """
exec 9>"$LOCKS/$QUEUECTL_JOB_ID"
flock -n 9 || echo "OVERLAP $QUEUECTL_JOB_ID" >> "$LOG"
echo "START $QUEUECTL_JOB_ID $QUEUECTL_ATTEMPT" >> "$LOG"
sleep {seconds}
echo "END $QUEUECTL_JOB_ID $QUEUECTL_ATTEMPT" >> "$LOG"
"""
_PATIENCE = 120.0
_WORKERS = 4


@dataclass
class Tally:
    """What happened in one run."""

    jobs: int = 0
    worker_kills: int = 0
    supervisor_kills: int = 0
    both_kills: int = 0
    executions: int = 0
    unfinished: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.jobs} jobs, {self.worker_kills} workers and {self.supervisor_kills} supervisors"
            f" killed ({self.both_kills} times both at once), {self.executions} executions"
            f" ({self.executions - self.jobs} more than jobs), {len(self.lost)} lost,"
            f" {len(self.overlapping)} overlapping, {len(self.unexplained)} unexplained"
        )


class Chaos:
    """One store, one seed."""

    def __init__(
        self, folder: Path, seed: int, *, jobs: int, seconds: tuple[float, float] = (0.02, 0.3)
    ) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.db = folder / "queue.db"
        self.log = folder / "log"
        self.log.touch()
        (folder / "locks").mkdir()
        self.seconds = seconds
        self.tally = Tally(jobs=jobs)
        self.queue = open_store(str(self.db))
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.started_by: dict[str, int] = {}  # worker to supervisor, where that was seen alive
        self.killed_workers: set[str] = set()
        self.killed_supervisors: dict[int, int] = {}  # and when, in UTC milliseconds

    def run(self, *, for_kills: int) -> Tally:
        """Kill until ``for_kills`` workers have been, and a fifth as many supervisors.

        Then go on until every job has ended.
        """
        self.cli("config", "set", "backoff_base", "1")
        self.cli("config", "set", "backoff_max", "0.05")
        self.enqueue()
        self.start()
        try:
            tally = self.tally
            while tally.worker_kills < for_kills or tally.supervisor_kills < for_kills // 5:
                time.sleep(self.random.uniform(0.05, 0.35))
                self.strike()
            self.ensure_supervisor()
            self.wait()
        finally:
            self.stop()
        return self.check()

    def enqueue(self) -> None:
        batch = [
            {
                "id": f"job{number}",
                "command": JOB.format(seconds=f"{self.random.uniform(*self.seconds):.3f}"),
                "max_retries": 1000,
                "env": {"LOG": str(self.log), "LOCKS": str(self.folder / "locks")},
            }
            for number in range(self.tally.jobs)
        ]
        (self.folder / "jobs.json").write_text(json.dumps(batch))
        self.cli("--enqueue", str(self.folder / "jobs.json"))

    def strike(self) -> None:
        """Kill one worker or two, or a supervisor, or both at once."""
        self.ensure_supervisor()
        crew = self.crew()
        victims = self.random.sample(crew, min(len(crew), self.random.choice((1, 2, 2, 3))))
        fate = self.random.random()
        if fate < 0.75:
            self.kill(victims)
        elif fate < 0.9:
            self.kill_supervisor()
        else:
            self.tally.both_kills += 1
            if self.random.random() < 0.5:
                self.kill_supervisor()
                self.kill(victims)
            else:
                self.kill(victims)
                self.kill_supervisor()

    def kill(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
                self.killed_workers.add(worker.id)
                self.tally.worker_kills += 1

    def kill_supervisor(self) -> None:
        assert self.supervisor is not None
        self.killed_supervisors[self.supervisor.pid] = self.queue.now()
        self.supervisor.kill()
        self.supervisor.wait()
        self.tally.supervisor_kills += 1

    def ensure_supervisor(self) -> None:
        if self.supervisor is None or self.supervisor.poll() is not None:
            self.start()

    def start(self) -> None:
        with (self.folder / "supervisor.log").open("ab") as log:
            self.supervisor = subprocess.Popen(
                self.command("worker", "start", "--count", str(_WORKERS)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            counts = json.loads(self.cli("status", "--json"))["counts"]
            if counts["completed"] == self.tally.jobs:
                return
            time.sleep(0.1)

    def stop(self) -> None:
        if self.supervisor is not None and self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGTERM)
            self.supervisor.wait(60)

    def check(self) -> Tally:
        """Read the jobs' log and the command line's JSON."""
        tally = self.tally
        lines = [line.split() for line in self.log.read_text().splitlines()]
        starts = Counter(words[1] for words in lines if words[0] == "START")
        ends = {words[1] for words in lines if words[0] == "END"}
        tally.executions = sum(starts.values())
        tally.overlapping = [words[1] for words in lines if words[0] == "OVERLAP"]
        jobs = {job["id"]: job for job in json.loads(self.cli("list", "--json"))}
        tally.unfinished = [name for name, job in jobs.items() if job["state"] != "completed"]
        tally.lost = [
            f"job{n}" for n in range(tally.jobs) if f"job{n}" not in jobs or f"job{n}" not in ends
        ]
        for name, job in jobs.items():
            if starts[name] != 1 or job["attempts"] != 1:
                self.explain(name, starts[name])
        return tally

    def explain(self, name: str, executions: int) -> None:
        """More than one execution only where worker and supervisor were both killed."""
        history = json.loads(self.cli("show", name, "--json"))["history"]
        lost = [attempt for attempt in history if attempt["state"] == "lost"]
        both = [a for a in lost if self.were_both_killed(a["worker"], a["finished_at"])]
        if executions > 1 + len(both) or len(both) != len(lost):
            self.tally.unexplained.append(f"{name}: {executions} executions, {history}")

    def were_both_killed(self, worker: str, by: str) -> bool:
        """Whether this harness had killed a worker and its supervisor by then."""
        supervisor = self.started_by.get(worker)
        killed_at = 0 if supervisor is None else self.killed_supervisors.get(supervisor)
        until = datetime.fromisoformat(by).timestamp() * 1000
        return worker in self.killed_workers and killed_at is not None and killed_at <= until

    def crew(self) -> list[Worker]:
        """The workers that run a job, also those whose supervisor is dead."""
        assert self.supervisor is not None
        found = [one for one in living(self.queue) if one.kind is WorkerKind.WORKER]
        for worker in found:
            if processes.parent(worker.pid) == self.supervisor.pid:
                self.started_by[worker.id] = self.supervisor.pid
        return [worker for worker in found if worker.job is not None]

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "queuectl_tui", "--db", str(self.db), *arguments]

    def cli(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"{arguments} exited {done.returncode}: {done.stderr.decode()}")
        return done.stdout.decode()
