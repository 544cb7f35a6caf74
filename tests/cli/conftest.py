"""The command line over a real store: in this process where that is enough, else as a program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from typing import IO

import pytest
from click.testing import CliRunner, Result

from queuectl_tui.cli import root
from store import AttemptState, Lease, Outcome, Output, open_store
from store.queue import Queue

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "queue.db"
    open_store(str(path), durable=False).close()
    return path


@pytest.fixture
def db(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store without a job."""
    path = tmp_path / "store" / "queue.db"
    path.parent.mkdir(mode=0o700)
    shutil.copy2(empty_store, path)
    monkeypatch.setenv("QUEUECTL_DB", str(path))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return path


@pytest.fixture
def queue(db: Path) -> Iterator[Queue]:
    opened = open_store(str(db), durable=False)
    yield opened
    opened.close()


Cli = Callable[..., Result]


@pytest.fixture
def cli(db: Path) -> Cli:
    """Runs the command line in this process."""

    def run(*words: str, stdin: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(root, words, input=stdin, prog_name="queuectl-tui")
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


@pytest.fixture
def ok(cli: Cli) -> Callable[..., str]:
    """Runs the command line, which has to succeed; its stdout."""

    def run(*words: str, stdin: str | bytes | None = None) -> str:
        result = cli(*words, stdin=stdin)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    return run


@dataclass
class Program:
    """The command line as a process of its own."""

    environ: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(
        self,
        *words: str,
        stdin: int = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "queuectl_tui", *words],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=self.environ,
            cwd=PROJECT,
            bufsize=0,
        )
        self.started.append(process)
        return process

    def run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        process = self.start(*words, stdin=subprocess.PIPE)
        out, err = process.communicate(stdin, timeout=30)
        return subprocess.CompletedProcess(words, process.returncode, out, err)


@pytest.fixture
def program(db: Path) -> Iterator[Program]:
    program = Program(dict(os.environ))
    yield program
    for process in program.started:
        process.kill()
        with process:  # closes its pipes, and waits
            pass


def next_line(process: subprocess.Popen[bytes], seconds: float = 10.0) -> bytes:
    """The next line of a process's unbuffered stdout, or what came of it until too late."""
    assert process.stdout is not None
    deadline = time.monotonic() + seconds
    line = b""
    while not line.endswith(b"\n"):
        if not select([process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
            break
        if not (byte := process.stdout.read(1)):
            break
        line += byte
    return line


def one_error(result: Result) -> str:
    """The error of a command, which has to be one line, without its ``Error: ``."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert result.stderr.splitlines()[-1] == lines[0]
    return lines[0].removeprefix("Error: ")


def ran(
    queue: Queue,
    *,
    state: AttemptState = AttemptState.COMPLETED,
    exit_code: int | None = 0,
    error: str | None = None,
    stdout: bytes = b"",
    stderr: bytes = b"",
) -> Lease:
    """Claims the next job and ends it at once."""
    lease = claimed(queue)
    ended(queue, lease, state=state, exit_code=exit_code, error=error, stdout=stdout, stderr=stderr)
    return lease


def claimed(queue: Queue, worker: str = "w1") -> Lease:
    lease = queue.claim(worker)
    assert lease is not None
    return lease


def ended(
    queue: Queue,
    lease: Lease,
    *,
    state: AttemptState = AttemptState.COMPLETED,
    exit_code: int | None = 0,
    error: str | None = None,
    stdout: bytes = b"",
    stderr: bytes = b"",
) -> None:
    queue.finish(
        lease,
        Outcome(
            state,
            exit_code=exit_code,
            error=error,
            cpu_seconds=0.5,
            max_rss_bytes=1024,
            stdout=Output(len(stdout), stdout),
            stderr=Output(len(stderr), stderr),
        ),
    )


def died(queue: Queue, *, error: str = "exit code 3", stderr: bytes = b"") -> Lease:
    """Claims the next job, which must have no retries, and lets it fail."""
    return ran(queue, state=AttemptState.FAILED, exit_code=3, error=error, stderr=stderr)


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "too late"
        time.sleep(0.01)
