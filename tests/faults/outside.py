"""Faults as they come from outside: dead processes, a wrong clock, no descriptors, other users."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any

from store import Worker
from tests.workers.rig import Rig, runs, until

SABOTAGE = os.pathsep.join(
    [str(Path(__file__).with_name("sabotage")), *filter(None, [os.environ.get("PYTHONPATH")])]
)
NOBODY = 65534
# Another user, who may still read the Python under test, wherever it is.
AS_NOBODY = (
    "setpriv",
    f"--reuid={NOBODY}",
    f"--regid={NOBODY}",
    "--clear-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
    "--",
)


@dataclass
class Program:
    """The command line as processes of their own, on one store."""

    db: str
    environ: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        given = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "cwd": "/",
            **options,
        }
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [*self.prefix, sys.executable, "-P", "-m", "queuectl_tui", "--db", self.db, *words],
            env={**os.environ, **self.environ},
            **given,
        )
        return process

    def run(self, *words: str, patience: float = 30) -> subprocess.CompletedProcess[str]:
        with self.start(*words) as process:
            try:
                out, err = process.communicate(timeout=patience)
            finally:
                process.kill()
        return subprocess.CompletedProcess(words, process.returncode, out.decode(), err.decode())

    def json(self, *words: str) -> Any:
        """What a command that must succeed prints with ``--json``."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def examined(self) -> Any:
        """Every finding of ``doctor``."""
        return json.loads(self.run("doctor", "--json").stdout)["checks"]


def refusal(done: subprocess.CompletedProcess[str], exit_code: int = 1) -> str:
    """The one line that a refused command says."""
    assert done.returncode == exit_code, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")


def kill(*workers: Worker) -> None:
    """SIGKILL them all before the first can be missed."""
    for worker in workers:
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
    until(lambda: not any(runs(worker.pid) for worker in workers))


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@contextmanager
def locked(rig: Rig) -> Iterator[None]:
    """Another program writes, and does not come to an end."""
    with closing(sqlite3.connect(rig.queue.path, isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


def forge(rig: Rig, sql: str, *values: object) -> None:
    """Change what the store holds behind its back."""
    with closing(sqlite3.connect(rig.queue.path, isolation_level=None, timeout=20)) as other:
        other.execute(sql, values)


def spare_descriptors(pid: int, number: int) -> None:
    """Let a running process open ``number`` more files, and no more."""
    taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    free = (at for at in count() if at not in taken)
    most = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (next(islice(free, number, None)), most))


@contextmanager
def gate_held(rig: Rig) -> Iterator[Callable[[], None]]:
    """Somebody writes for ever; gives what returns once another writer has waited and given up.

    That writer has then tried again, so that it has done what it does between two tries.
    """
    folder = rig.queue.path.with_name(f"{rig.queue.path.name}.d")
    with (folder / "gate").open() as gate, (folder / "turnstile").open() as turnstile:

        def is_waited_at() -> bool:
            try:
                fcntl.flock(turnstile, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            fcntl.flock(turnstile, fcntl.LOCK_UN)
            return False

        def given_up() -> None:
            for waited in (True, False, True):
                until(lambda wanted=waited: is_waited_at() is wanted)  # type: ignore[misc]

        fcntl.flock(gate, fcntl.LOCK_EX)
        yield given_up
        fcntl.flock(gate, fcntl.LOCK_UN)
