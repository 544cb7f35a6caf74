"""The terminal goes away under the app, or under what started the workers."""

from __future__ import annotations

import os
import sys
import time

import pexpect
import pytest

from store import JobState
from tests.workers.rig import Rig, gated, runs, until

SHOWN = 30.0
GONE_WITHIN = 5.0


def spawn(rig: Rig, *words: str) -> pexpect.spawn[bytes]:
    return pexpect.spawn(
        sys.executable,
        ["-P", "-m", "queuectl_tui", "--db", rig.queue.url, *words],
        dimensions=(24, 80),
        encoding=None,
        cwd="/",
        env={**os.environ, "TERM": "xterm-256color"},
    )


def hang_up(child: pexpect.spawn[bytes]) -> None:
    os.close(child.child_fd)
    child.closed = True


def ends(child: pexpect.spawn[bytes]) -> bool:
    return os.waitpid(child.pid, os.WNOHANG) != (0, 0)


@pytest.mark.parametrize("busy", [False, True])
def test_the_app_ends_with_its_terminal_and_the_workers_do_not(rig: Rig, busy: bool) -> None:
    rig.start()
    job_id = rig.add(f"echo up > up; {gated()}", id="job1")
    rig.file("up")
    child = spawn(rig)
    child.expect(b"job1", timeout=SHOWN)
    if busy:  # in the midst of what it paints, with keys to come
        for _ in range(50):
            rig.add("true", priority=-1)
        child.send(b"jjjj/abc")

    hang_up(child)
    began_at = time.monotonic()
    until(lambda: ends(child), patience=GONE_WITHIN)
    assert time.monotonic() - began_at < GONE_WITHIN

    assert rig.queue.job(job_id).state is JobState.PROCESSING
    rig.open_gate()
    assert rig.ended(job_id).number == 1
    assert rig.crew()


def test_detached_workers_outlive_the_terminal_that_started_them(rig: Rig) -> None:
    child = spawn(rig, "worker", "start", "--detach", "--count", "2")
    child.expect(b"stop with", timeout=SHOWN)
    crew = until(rig.crew)
    hang_up(child)
    until(lambda: ends(child))

    assert rig.run("true").state is JobState.COMPLETED
    assert all(runs(worker.pid) for worker in crew)


def test_workers_in_the_foreground_drain_when_their_terminal_goes(rig: Rig) -> None:
    child = spawn(rig, "worker", "start")
    until(rig.crew)
    job_id = rig.add(f"echo up > up; {gated()}")
    rig.file("up")

    hang_up(child)
    until(lambda: {worker.state for worker in rig.queue.workers()} >= {"draining"})
    assert not ends(child)
    rig.open_gate()

    assert rig.ended(job_id).state is JobState.COMPLETED
    until(lambda: ends(child))
    assert rig.queue.registry.registered() == []
