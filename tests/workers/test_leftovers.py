"""What a command leaves running is ended with it, wherever it went."""

from __future__ import annotations

import sys

import pytest

from store import AttemptState, JobState, Stream
from tests.workers.rig import Rig, python, runs, until

# In these lines a process notes its pid, and the leader waits for that.
NOTED = "until [ -s {name} ]; do sleep 0.01; done"

DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open("daemon", "w") as file:
            print(os.getpid(), file=file)
        time.sleep(60)
    os._exit(0)
while not (os.path.exists("daemon") and os.path.getsize("daemon")):
    time.sleep(0.01)
"""


def test_a_command_with_a_background_child_completes_at_once(house: Rig) -> None:
    took = []
    for _ in range(3):
        job = house.run("sleep 60 & exit 0")
        assert job.state is JobState.COMPLETED
        took.append((job.finished_at or 0) - (job.started_at or 0))
        until(lambda: not house.tree(job.id))  # noqa: B023

    assert min(took) < 1000


ESCAPES = {
    "setsid": f"(setsid sh -c 'echo $$ > setsid; sleep 60; :' &); {NOTED.format(name='setsid')}",
    "nohup": f"nohup sh -c 'echo $$ > nohup; sleep 60; :' & {NOTED.format(name='nohup')}",
}


@pytest.mark.parametrize("way", ESCAPES)
def test_a_child_that_leaves_the_group_is_ended(house: Rig, way: str) -> None:
    job = house.run(f"{ESCAPES[way]}; exit 0")

    assert job.state is JobState.COMPLETED
    child = house.pid_in(way)
    until(lambda: not runs(child) and not house.tree(job.id))


def test_a_daemon_is_ended(house: Rig) -> None:
    job = house.run(argv=python(DAEMON))

    assert job.state is JobState.COMPLETED
    daemon = house.pid_in("daemon")
    until(lambda: not runs(daemon) and not house.tree(job.id))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a child subreaper")
def test_a_child_that_shed_its_environment_is_ended(house: Rig) -> None:
    line = "(setsid env -i /bin/sh -c 'echo $$ > bare; /bin/sleep 60; :' &); "

    job = house.run(line + NOTED.format(name="bare"))

    assert job.state is JobState.COMPLETED
    child = house.pid_in("bare")
    until(lambda: not runs(child))


def test_a_stubborn_leftover_is_killed_and_its_job_done_long_before(house: Rig) -> None:
    line = "sh -c 'trap \"\" TERM; echo $$ > stubborn; sleep 60; sleep 60' & "

    job = house.run(line + NOTED.format(name="stubborn"), stop_grace=1.5)

    assert job.state is JobState.COMPLETED
    child = house.pid_in("stubborn")
    assert runs(child)
    until(lambda: not runs(child) and not house.tree(job.id))
    assert house.queue.now() - (job.finished_at or 0) >= 1500


def test_no_retry_starts_before_the_tree_is_empty(rig: Rig) -> None:
    rig.start(2)
    line = (
        "if [ $QUEUECTL_ATTEMPT = 1 ]; then"
        " sh -c 'trap \"\" TERM; echo $$ > child; sleep 60; sleep 60' & "
        f"{NOTED.format(name='child')}; exit 1; fi; "
        "kill -0 $(cat child) && echo overlaps || echo alone"
    )

    job = rig.run(line, max_retries=1, backoff_base=1, stop_grace=2.5)

    assert job.state is JobState.COMPLETED
    assert rig.output(job.id) == b"alone\n"
    first, second = rig.history(job.id)
    assert second.started_at - (first.finished_at or 0) >= 2500  # due after one second


def test_a_retry_by_hand_waits_for_the_tree_too(rig: Rig) -> None:
    rig.start(2)
    line = (
        "[ $QUEUECTL_ATTEMPT = 1 ] || { kill -0 $(cat by-hand) && echo overlaps || echo alone; "
        "exit 0; }; sh -c 'trap \"\" TERM; echo $$ > by-hand; sleep 60; sleep 60' & "
        f"{NOTED.format(name='by-hand')}"
    )
    job = rig.run(line, stop_grace=2)
    assert runs(rig.pid_in("by-hand"))

    rig.queue.retry([job.id])
    until(lambda: len(rig.history(job.id)) == 2)
    rig.ended(job.id)

    assert rig.output(job.id) == b"alone\n"


def test_what_a_leftover_writes_stays_with_its_attempt(house: Rig) -> None:
    line = (
        'sh -c \'trap "" TERM; echo $$ > writer; until [ -e write ]; do sleep 0.02; done;'
        " echo late; echo late >&2' & "
        f"{NOTED.format(name='writer')}; echo early"
    )
    job_id = house.add(line, stop_grace=300)
    following = house.add("echo next")

    house.ended(job_id)
    assert house.output(job_id) == b"early\n"
    (house.folder / "write").touch()
    house.ended(following)

    assert house.output(job_id) == b"early\nlate\n"
    assert house.output(job_id, Stream.STDERR) == b"late\n"
    assert house.output(following) == b"next\n"
    (attempt,) = house.history(job_id)
    assert (attempt.state, attempt.stdout_bytes) == (AttemptState.COMPLETED, 11)
    for stream in Stream:  # small, and final: it is in the store now
        assert not house.queue.folders.kept(attempt.id, stream).exists()
