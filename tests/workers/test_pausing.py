"""Pause and resume: a running job's processes stand still, whatever happens around them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from store import AttemptState, Job, JobState, Lease, Outcome, Pause, WorkerState
from store.output import Folders
from tests.workers.rig import Rig, gated, python, runs, until
from workers import processes
from workers.runner import Execution
from workers.scratch import Scratch

UP = "echo $$ > up"
SCATTERED = (
    "import os, time\n"
    "def spin():\n"
    "    while not os.path.exists('gate'):\n"
    "        if os.fork() == 0:\n"
    "            os._exit(0)\n"
    "        os.wait()\n"
    "for step in range(3):\n"
    "    if os.fork() == 0:\n"
    "        os.setsid()\n"
    "        if step == 0 and os.fork() != 0:\n"
    "            os._exit(0)\n"
    "        spin()\n"
    "        os._exit(0)\n"
    "open('up', 'w').write(f'{os.getpid()}\\n')\n"
    "spin()\n"
)
BETWEEN_VFORK_AND_EXEC = (
    "import os, sys\n"
    "os.mkfifo('fifo')\n"
    "open('up', 'w').write(f'{os.getpid()}\\n')\n"
    "reading = (os.POSIX_SPAWN_OPEN, 0, 'fifo', os.O_RDONLY, 0)\n"
    "pid = os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 3'], os.environ, file_actions=[reading])\n"
    "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
)


def pause(rig: Rig, job_id: str) -> Job:
    rig.queue.pause([job_id])
    until(lambda: rig.queue.job(job_id).paused)
    return rig.queue.job(job_id)


def resume(rig: Rig, job_id: str) -> None:
    rig.queue.resume([job_id])
    until(lambda: not rig.queue.job(job_id).paused)


def paused_job(rig: Rig, command: str, **fields: object) -> str:
    """A job whose command writes its pid into ``up``, paused."""
    job_id = rig.add(command, **fields)
    rig.file("up")
    pause(rig, job_id)
    return job_id


def stand_still(pids: list[int]) -> bool:
    """Whether all are stopped, or wait for a child that was between vfork and exec."""
    still = {psutil.STATUS_STOPPED, psutil.STATUS_DISK_SLEEP}
    return {psutil.Process(pid).status() for pid in pids} <= still


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: not runs(pid))


def until_older_than(seconds: float, pid: int) -> None:
    until(lambda: processes.age(pid) > seconds)


def test_a_paused_job_stands_still_and_so_does_its_timeout(rig: Rig) -> None:
    rig.start()
    job_id = paused_job(rig, f"{UP}; {gated()}; exit 0", timeout=2.0)
    leader = rig.pid_in("up")

    rig.open_gate()
    until_older_than(2.3, leader)
    assert rig.queue.job(job_id).state is JobState.PROCESSING
    assert stand_still(rig.tree(job_id))

    resume(rig, job_id)
    job = rig.ended(job_id)
    assert (job.state, job.exit_code, job.attempts) == (JobState.COMPLETED, 0, 1)


def test_the_whole_tree_stands_still_whatever_it_forks(rig: Rig) -> None:
    rig.start()
    job_id = paused_job(rig, argv=python(SCATTERED), command=None)

    tree = rig.tree(job_id)
    assert len([pid for pid in tree if os.getsid(pid) == pid]) == 3
    assert stand_still(tree)
    rig.open_gate()
    assert sorted(rig.tree(job_id)) == sorted(tree)

    resume(rig, job_id)
    assert rig.ended(job_id).state is JobState.COMPLETED


def test_a_parent_that_waits_for_its_stopped_child_to_exec_is_paused(rig: Rig) -> None:
    rig.start()
    job_id = rig.add(argv=python(BETWEEN_VFORK_AND_EXEC), max_retries=0)
    leader = rig.pid_in("up")
    until(lambda: psutil.Process(leader).status() == psutil.STATUS_DISK_SLEEP)

    pause(rig, job_id)
    resume(rig, job_id)
    with (rig.folder / "fifo").open("w"):
        assert rig.ended(job_id).exit_code == 3


def test_a_paused_job_keeps_its_worker_and_its_place(rig: Rig) -> None:
    rig.queue.settings.set("max_running", "1")
    rig.start(2)
    job_id = paused_job(rig, f"{UP}; {gated()}")
    rig.add("true", id="next")

    (busy,) = [worker for worker in rig.crew() if worker.job is not None]
    assert (busy.state, busy.is_job_paused) == (WorkerState.BUSY, True)
    assert rig.queue.claim("w99") is None

    rig.open_gate()
    resume(rig, job_id)
    assert rig.ended("next").state is JobState.COMPLETED


def test_cancelling_lets_it_end_as_its_handlers_wish(rig: Rig) -> None:
    handler = "trap 'echo bye >> said; exit' TERM"
    child = f"{handler}; echo > child; while :; do sleep 0.02; done"
    rig.start()
    job_id = paused_job(
        rig,
        f'{handler}; setsid sh -c "{child.replace("$", chr(92) + "$")}" &'
        f" until [ -e child ]; do sleep 0.02; done; {UP}; while :; do sleep 0.02; done",
    )

    rig.queue.cancel([job_id])

    assert rig.ended(job_id).state is JobState.CANCELLED
    until(lambda: (rig.folder / "said").read_text() == "bye\nbye\n")
    assert not rig.queue.job(job_id).paused


@pytest.mark.parametrize("adopted", [False, True])
def test_stop_now_gives_it_back(rig: Rig, adopted: bool) -> None:
    rig.start()
    job_id = paused_job(rig, f"{UP}; sleep 60")
    if adopted:
        kill(rig.runner_of(job_id).pid)

    rig.stop(now=True)

    job = rig.queue.job(job_id)
    assert (job.state, job.attempts, job.paused) == (JobState.PENDING, 0, False)
    assert not rig.marked()


def test_a_drain_waits_for_it_and_says_so(rig: Rig) -> None:
    foreground = rig.foreground()
    job_id = paused_job(rig, f"{UP}; {gated()}")
    worker = rig.runner_of(job_id)

    foreground.hears(signal.SIGTERM)
    until(lambda: f"waiting for {worker.id}, which runs {job_id} (paused)" in foreground.said())
    resume(rig, job_id)
    rig.open_gate()

    assert foreground.exit_code() == 0
    assert rig.queue.job(job_id).state is JobState.COMPLETED
    said = foreground.said()
    assert said.index(f"{job_id} is paused") < said.index(f"{job_id} goes on")


@pytest.mark.parametrize("adopted", [False, True])
def test_worker_stop_names_what_it_waits_for(rig: Rig, adopted: bool) -> None:
    rig.start()
    job_id = paused_job(rig, f"{UP}; {gated()}")
    worker = rig.runner_of(job_id)
    if adopted:
        kill(worker.pid)

    command = [sys.executable, "-P", "-m", "queuectl_tui", "--db", rig.queue.url]
    done = subprocess.run(
        [*command, "worker", "stop", "--timeout", "0.5"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 124
    assert done.stderr.splitlines() == [
        f"Waiting for {worker.id}, which runs {job_id} (paused)",
        f"Still draining after 0.5s: {worker.id} runs {job_id} (paused)",
    ]
    rig.open_gate()
    resume(rig, job_id)
    assert rig.ended(job_id).state is JobState.COMPLETED


def test_without_its_worker_it_stays_paused_and_ends_with_its_own_exit_code(rig: Rig) -> None:
    rig.start()
    job_id = paused_job(rig, f"{UP}; {gated()}; exit 3", timeout=2.0, max_retries=0)
    leader = rig.pid_in("up")
    worker = rig.runner_of(job_id)

    until_older_than(2.3, leader)
    kill(worker.pid)
    until(lambda: worker.id not in {other.id for other in rig.crew()} and rig.crew())
    rig.open_gate()
    assert stand_still([leader])
    assert rig.queue.job(job_id).paused

    resume(rig, job_id)
    job = rig.ended(job_id)
    assert (job.state, job.exit_code, job.last_error) == (JobState.DEAD, 3, "exit code 3")


def test_it_can_be_paused_without_its_worker(rig: Rig) -> None:
    rig.start()
    job_id = rig.add(f"{UP}; {gated()}; exit 3", max_retries=0)
    leader = rig.pid_in("up")
    kill(rig.runner_of(job_id).pid)

    pause(rig, job_id)
    assert stand_still([leader])
    rig.open_gate()
    resume(rig, job_id)

    assert rig.ended(job_id).exit_code == 3


def test_without_worker_and_supervisor_its_processes_are_ended(rig: Rig) -> None:
    supervisor = rig.start()
    job_id = paused_job(
        rig, f"{UP}; echo >> runs; [ $QUEUECTL_ATTEMPT != 1 ] || sleep 60", backoff_base=1.0
    )
    leader, worker = rig.pid_in("up"), rig.runner_of(job_id)

    os.kill(supervisor.pid, signal.SIGSTOP)  # or it would adopt
    kill(worker.pid)
    kill(supervisor.pid)
    rig.start()

    job = rig.ended(job_id)
    assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
    assert [one.state for one in rig.history(job_id)] == [AttemptState.LOST, AttemptState.COMPLETED]
    assert not runs(leader)


def test_killed_from_outside_it_is_recorded_and_runs_again_unpaused(rig: Rig) -> None:
    rig.start()
    job_id = paused_job(
        rig, f"{UP}; [ $QUEUECTL_ATTEMPT != 1 ] || {{ sleep 60 & {gated()}; }}", backoff_base=1.0
    )

    os.kill(rig.pid_in("up"), signal.SIGKILL)

    assert rig.ended(job_id).state is JobState.COMPLETED
    first, second = rig.history(job_id)
    assert (first.state, first.signal) == (AttemptState.FAILED, signal.SIGKILL)
    assert second.state is AttemptState.COMPLETED
    assert not rig.marked(str(first.id))


def test_paused_and_resumed_while_the_worker_looked_elsewhere(rig: Rig) -> None:
    rig.start()
    job_id = rig.add(f"{UP}; {gated()}")
    rig.file("up")
    worker = rig.runner_of(job_id)

    os.kill(worker.pid, signal.SIGSTOP)
    rig.queue.pause([job_id])
    rig.queue.resume([job_id])
    os.kill(worker.pid, signal.SIGCONT)
    rig.open_gate()

    assert rig.ended(job_id).state is JobState.COMPLETED


# -- one execution, by a clock that the test moves


@pytest.fixture
def folders(rig: Rig) -> Folders:
    return rig.queue.folders


@contextmanager
def executed(folders: Folders, lease: Lease, now: float) -> Iterator[Execution]:
    scratch = Scratch(folders, "w99")
    execution = Execution(
        lease, scratch, family=lambda _: processes.descendants(os.getpid()), now=now
    )
    execution.start({"PATH": os.environ["PATH"]})
    assert execution.leader is not None
    try:
        yield execution
    finally:
        os.kill(execution.leader, signal.SIGKILL)
        os.waitpid(execution.leader, 0)
        scratch.close()


def settle(execution: Execution, now: float) -> float:
    """Look until all processes are stopped; when that was."""

    def look() -> bool:
        nonlocal now
        now += 0.01
        execution.advance(now, empty=False)
        return execution.pausing.is_done

    until(look)
    return now


@pytest.fixture
def lease(rig: Rig) -> Iterator[Lease]:
    """Its command may run for 60 s."""
    rig.add("sleep 60", timeout=60)
    claimed = rig.queue.claim("w99")
    assert claimed is not None
    yield claimed._replace(output_limit=0)
    rig.queue.release(claimed, Outcome(AttemptState.RELEASED))


def test_what_is_left_of_the_timeout_is_left_afterwards(folders: Folders, lease: Lease) -> None:
    with executed(folders, lease, now=100.0) as execution:
        assert execution.deadline == 160.0
        execution.heed(True, 110.0)
        paused_at = settle(execution, 110.0)
        execution.advance(500.0, empty=False)
        assert execution.deadline is None
        execution.heed(False, 500.0)
        assert execution.deadline == pytest.approx(160.0 + 500.0 - paused_at)


def test_whoever_adopts_reckons_with_the_time_it_stood(folders: Folders, lease: Lease) -> None:
    with executed(folders, lease, now=0.0) as first:
        assert first.leader is not None
        since = processes.start_clock() - 100 * os.sysconf("SC_CLK_TCK")
        adopter = Execution(lease, first._scratch, family=first._family, now=1000.0)
        adopter.adopt(first.leader, 200.0, Pause(asked=True, since=since, seconds=50.0))

        assert adopter.deadline is None
        adopter.heed(False, 5000.0)  # it ran for 200 - 100 - 50 seconds
        assert adopter.deadline == pytest.approx(5010.0, abs=1.0)
        assert adopter.pausing.record.seconds == pytest.approx(50.0 + 100.0 + 4000.0, abs=1.0)
