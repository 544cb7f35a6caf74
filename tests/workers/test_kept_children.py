"""What a command leaves running is left alone where it says so, and is nobody else's business."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from store import AttemptState, JobState
from tests.workers.rig import Rig, gated, runs, until
from tests.workers.test_leftovers import NOTED

LEAVES = "(setsid sh -c 'echo $$ > {name}; echo early; {then}; exec sleep 60' &); " + NOTED
BARE = "(setsid env -i /bin/sh -c 'echo $$ > {name}; exec /bin/sleep 60' &); " + NOTED

Leaves = Callable[[str], int]


@pytest.fixture
def leaves(rig: Rig) -> Iterator[Leaves]:
    """Runs a job that leaves a process, which is ended after the test; its pid."""
    left: list[int] = []

    def run(line: str, name: str = "left") -> int:
        job = rig.run(line.format(name=name, then=":"), keep_children=True)
        assert job.state is JobState.COMPLETED
        left.append(rig.pid_in(name))
        return left[-1]

    yield run
    rig.stop(now=True)
    for pid in {*left, *rig.marked()}:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_it_outlives_its_command_its_worker_and_later_jobs(rig: Rig, leaves: Leaves) -> None:
    rig.start(1)
    pid = leaves(LEAVES)
    assert rig.run("sleep 60", timeout=0.2, max_retries=0, stop_grace=1).state is JobState.DEAD
    assert rig.run("sleep 60 & exit 0").state is JobState.COMPLETED
    assert runs(pid)
    rig.stop()
    assert runs(pid)


def test_a_retry_does_not_wait_for_it(rig: Rig, leaves: Leaves) -> None:
    rig.queue.settings.set("backoff_delay", "0")
    rig.start(1)
    again = LEAVES + '; [ "$QUEUECTL_ATTEMPT" = 2 ]'
    pid = leaves(again)
    job = rig.queue.jobs()[0]
    assert (job.attempts, runs(pid)) == (2, True)


def test_what_it_prints_later_goes_to_its_own_log(rig: Rig) -> None:
    rig.start(1)
    line = LEAVES.format(name="left", then="until [ -e gate ]; do sleep 0.01; done; echo late")
    job = rig.run(line, keep_children=True)
    pid = rig.pid_in("left")
    try:
        other = rig.run("echo mine")
        rig.open_gate()
        until(lambda: rig.output(job.id) == b"early\nlate\n")
        assert rig.output(other.id) == b"mine\n"
    finally:
        os.kill(pid, signal.SIGKILL)
    files = rig.queue.folders.outputs
    rig.queue.delete([job.id])
    assert not list(files.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="needs a child subreaper")
def test_one_that_shed_its_environment_is_left_alone_too(rig: Rig, leaves: Leaves) -> None:
    rig.start(1)
    pid = leaves(BARE)
    assert rig.run("sleep 60", timeout=0.2, max_retries=0, stop_grace=1).state is JobState.DEAD
    assert runs(pid)


def test_a_job_that_is_cancelled_is_ended_whole(rig: Rig) -> None:
    rig.start(1)
    line = LEAVES.format(name="left", then=":") + f"; {gated()}"
    job_id = rig.add(line, keep_children=True)
    pid = rig.pid_in("left")
    rig.queue.cancel([job_id])
    assert rig.ended(job_id).state is JobState.CANCELLED
    until(lambda: not runs(pid))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a child subreaper")
def test_an_adopted_command_leaves_it_and_the_next_adoption_too(rig: Rig, leaves: Leaves) -> None:
    rig.start(1)
    earlier = leaves(LEAVES)
    line = LEAVES.format(name="second", then=":") + f"; {gated()}; exit 4"
    job_id = rig.add(line, keep_children=True, max_retries=0)
    later = rig.pid_in("second")
    os.kill(rig.runner_of(job_id).pid, signal.SIGKILL)
    rig.open_gate()
    try:
        job = rig.ended(job_id)
        assert (job.state, job.exit_code) == (JobState.DEAD, 4)
        assert [attempt.state for attempt in rig.history(job_id)] == [AttemptState.FAILED]
        until(lambda: not rig.queue.held_jobs())
        assert runs(earlier)
        assert runs(later)
    finally:
        os.kill(later, signal.SIGKILL)


def test_how_many_were_ended_is_in_the_history(rig: Rig) -> None:
    rig.start(1)
    job = rig.run("sleep 60 & sleep 60 & exit 0")
    until(lambda: rig.history(job.id)[0].children_ended == 2)
    assert rig.run("true").state is JobState.COMPLETED
    assert rig.history(rig.queue.jobs()[0].id)[0].children_ended == 0
