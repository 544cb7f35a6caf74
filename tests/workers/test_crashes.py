"""kill -9 of a worker, its supervisor, both: no work is lost, nothing runs twice at a time."""

from __future__ import annotations

import os
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psutil
import pytest

from store import AttemptState, JobState, Stream, Worker
from tests.workers.rig import Rig, gated, python, runs, until

LARGE = "head -c 40000 /dev/zero | tr '\\0' x"
COUNTED = f"echo run >> runs; echo $$ > up; {gated()}"
# The first attempt waits for ever and leaves stubborn children; the second looks for them.
TWICE = (
    "import os, subprocess, sys, time, psutil\n"
    "def alive(pid):\n"
    "    try:\n"
    "        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE\n"
    "    except psutil.NoSuchProcess:\n"
    "        return False\n"
    "if os.environ['QUEUECTL_ATTEMPT'] == '1':\n"
    "    line = 'trap \"\" TERM; sleep 60; sleep 60'\n"
    "    child = subprocess.Popen(['sh', '-c', line], start_new_session=True)\n"
    "    with open('pids', 'w') as file:\n"
    "        print(os.getpid(), child.pid, file=file)\n"
    "    time.sleep(60)\n"
    "print([pid for pid in map(int, open('pids').read().split()) if alive(pid)])\n"
)


def kill(worker: Worker) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    until(lambda: not runs(worker.pid))


def runs_of(rig: Rig) -> int:
    return len((rig.folder / "runs").read_text().splitlines())


def started(rig: Rig, command: str, **fields: object) -> str:
    """A job whose command runs; it writes its pid into ``up``."""
    job_id = rig.add(command, **fields)
    rig.file("up")
    return job_id


def test_a_command_goes_on_without_its_worker(rig: Rig) -> None:
    rig.start()
    job_id = started(rig, f"echo start; {COUNTED}; {LARGE}; echo; echo end; echo error >&2")
    leader = rig.pid_in("up")

    worker = rig.runner_of(job_id)
    kill(worker)
    until(lambda: [other for other in rig.crew() if other.id != worker.id])
    assert runs(leader)
    assert rig.queue.job(job_id).state is JobState.PROCESSING
    assert rig.output(job_id) == b"start\n"
    rig.open_gate()

    job = rig.ended(job_id)
    assert (job.state, job.attempts, job.exit_code) == (JobState.COMPLETED, 1, 0)
    assert [attempt.state for attempt in rig.history(job_id)] == [AttemptState.COMPLETED]
    assert runs_of(rig) == 1
    assert rig.output(job_id) == b"start\n" + b"x" * 40000 + b"\nend\n"
    assert rig.output(job_id, Stream.STDERR) == b"error\n"
    until(lambda: worker.id not in [entry.id for entry in rig.queue.registry.registered()])


def test_the_real_exit_of_an_adopted_command_is_recorded(rig: Rig) -> None:
    rig.start()
    job_id = started(rig, f"{COUNTED}; echo cause >&2; exit 7", max_retries=0)

    kill(rig.runner_of(job_id))
    rig.open_gate()

    job = rig.ended(job_id)
    assert (job.state, job.exit_code, job.last_error) == (JobState.DEAD, 7, "exit code 7: cause")
    assert runs_of(rig) == 1


def test_a_timeout_holds_for_an_adopted_command(rig: Rig) -> None:
    rig.start()
    line = 'trap "" TERM; echo $$ > up; sleep 60 & sleep 60'
    job_id = started(rig, line, timeout=2, stop_grace=0.5, max_retries=0)

    kill(rig.runner_of(job_id))

    job = rig.ended(job_id)
    (attempt,) = rig.history(job_id)
    assert attempt.state is AttemptState.TIMED_OUT
    assert (job.finished_at or 0) - (job.started_at or 0) >= 2500
    until(lambda: not rig.tree(job_id))


def test_an_adopted_command_can_be_cancelled(rig: Rig) -> None:
    rig.start()
    job_id = started(rig, "echo $$ > up; setsid sleep 60 & exec sleep 60")

    kill(rig.runner_of(job_id))
    rig.queue.cancel([job_id])

    assert rig.ended(job_id).state is JobState.CANCELLED
    until(lambda: not rig.tree(job_id))


def test_an_adopted_command_gets_the_signal_that_was_asked_for(rig: Rig) -> None:
    rig.start()
    line = "trap 'echo int; exit 4' INT; echo $$ > up; sleep 60 & wait"
    job_id = started(rig, line, stop_grace=300)

    worker = rig.runner_of(job_id)
    os.kill(worker.pid, signal.SIGSTOP)
    rig.queue.cancel([job_id], signal=signal.SIGINT)
    kill(worker)

    job = rig.ended(job_id)
    assert (job.state, job.exit_code) == (JobState.CANCELLED, 4)
    assert rig.output(job_id) == b"int\n"


def test_an_adopted_command_is_given_back_by_stop_now(rig: Rig) -> None:
    rig.start()
    job_id = started(rig, "echo $$ > up; sleep 60 & sleep 60")

    kill(rig.runner_of(job_id))
    rig.stop(now=True)

    job = rig.queue.job(job_id)
    assert (job.state, job.attempts) == (JobState.PENDING, 0)
    assert not rig.marked()


@pytest.mark.parametrize("after", ["wait", "exit"])
def test_a_hook_is_not_taken_for_what_a_dead_worker_left(rig: Rig, after: str) -> None:
    line = f"echo $$ > hook; {gated('hook-may-end')}; echo done > done"
    hook = f"[ $QUEUECTL_LABEL = quick ] || exit 0; sh -c '{line}' & {after}"
    rig.queue.settings.set("on_finish", hook)
    rig.start()
    job_id = started(rig, COUNTED, label="long")
    worker = rig.runner_of(job_id)
    kill(worker)
    rig.run("true", label="quick")
    pid = rig.pid_in("hook")

    rig.open_gate()
    assert rig.ended(job_id).state is JobState.COMPLETED
    until(lambda: worker.id not in [entry.id for entry in rig.queue.registry.registered()])
    assert runs(pid)
    rig.open_gate("hook-may-end")
    rig.file("done")


def test_what_a_shell_started_before_it_became_the_supervisor_is_let_be(rig: Rig) -> None:
    rig.foreground(
        prefix=("sh", "-c", 'sleep 60 & echo $! > "$0"; exec "$@"', str(rig.folder / "before"))
    )
    before = rig.pid_in("before")
    job_id = started(rig, COUNTED)
    worker = rig.runner_of(job_id)
    kill(worker)

    rig.open_gate()
    assert rig.ended(job_id).state is JobState.COMPLETED
    until(lambda: worker.id not in [entry.id for entry in rig.queue.registry.registered()])
    assert runs(before)
    os.kill(before, signal.SIGKILL)


def test_a_drain_waits_for_an_adopted_command(rig: Rig) -> None:
    rig.start()
    job_id = started(rig, COUNTED)
    kill(rig.runner_of(job_id))
    until(rig.crew)

    rig.queue.registry.order("default", stop="drain")
    until(lambda: not rig.crew())
    assert rig.queue.job(job_id).state is JobState.PROCESSING
    rig.open_gate()
    rig.stop()

    assert rig.queue.job(job_id).state is JobState.COMPLETED


def test_a_worker_killed_while_it_ends_leftovers_leaves_them_to_its_supervisor(rig: Rig) -> None:
    rig.start(2)
    line = (
        "[ $QUEUECTL_ATTEMPT = 2 ] && exit 0; echo early; "
        "setsid sh -c 'trap \"\" TERM; echo $$ > up; sleep 60; sleep 60' & "
        "until [ -s up ]; do sleep 0.01; done; exit 5"
    )
    job_id = rig.add(line, max_retries=1, backoff_base=1, stop_grace=300)
    rig.reached(job_id, JobState.FAILED)
    child = rig.pid_in("up")
    assert runs(child)

    kill(rig.runner_of(job_id))
    job = rig.ended(job_id)

    assert not runs(child)
    assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
    first, _ = rig.history(job_id)
    assert (first.state, first.exit_code) == (AttemptState.FAILED, 5)
    assert rig.output(job_id, number=1) == b"early\n"


def test_a_result_is_not_lost_while_the_store_is_locked(rig: Rig) -> None:
    rig.start(2)
    adopted = started(rig, f"{COUNTED}; {LARGE}; exit 6", max_retries=0)
    own = rig.add(f"{gated()}; {LARGE}; exit 4", max_retries=0)
    rig.reached(own, JobState.PROCESSING)
    kill(rig.runner_of(adopted))
    until(lambda: len(rig.crew()) == 2)

    with closing(sqlite3.connect(rig.queue.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        rig.open_gate()
        until(lambda: "locked" in rig.queue.log_path.read_text())
        assert rig.queue.job(own).state is JobState.PROCESSING
        other.execute("ROLLBACK")

    assert rig.ended(own).exit_code == 4
    assert rig.ended(adopted).exit_code == 6
    assert rig.output(own) == rig.output(adopted) == b"x" * 40000
    assert runs_of(rig) == 1


def test_no_dead_worker_is_overlooked_while_the_store_is_locked(rig: Rig) -> None:
    supervisor = rig.start(2)
    ids = [rig.add(f"echo run >> runs; {gated(name)}") for name in ("one", "two")]
    for job_id in ids:
        rig.reached(job_id, JobState.PROCESSING)
    crew = rig.crew()
    older = next(job_id for job_id in ids if rig.queue.job(job_id).worker == crew[0].id)
    rig.open_gate(("one", "two")[ids.index(older)])
    rig.ended(older)

    os.kill(supervisor.pid, signal.SIGSTOP)
    for worker in crew:  # the idle one, whose entry can't be removed now, comes first
        os.kill(worker.pid, signal.SIGKILL)
    with closing(sqlite3.connect(rig.queue.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        os.kill(supervisor.pid, signal.SIGCONT)
        until(lambda: not any(psutil.pid_exists(worker.pid) for worker in crew))
        until(lambda: "locked" in rig.queue.log_path.read_text())
        other.execute("ROLLBACK")
    rig.open_gate("one")
    rig.open_gate("two")

    for job_id in ids:
        assert [attempt.state for attempt in rig.history(rig.ended(job_id).id)] == [
            AttemptState.COMPLETED
        ]
    assert runs_of(rig) == 2
    gone = {worker.id for worker in crew}
    until(lambda: not gone & {entry.id for entry in rig.queue.registry.registered()})


def test_workers_finish_and_leave_when_their_supervisor_is_killed(rig: Rig) -> None:
    supervisor = rig.start(2)
    job_id = started(rig, COUNTED)
    waiting = rig.add("echo second", queue="elsewhere")
    orphan = rig.runner_of(job_id)

    kill(supervisor)
    until(lambda: [worker.id for worker in rig.crew()] == [orphan.id])  # the idle one has left
    successor = rig.start(1, queues=["elsewhere"])
    assert successor.id != supervisor.id
    assert rig.ended(waiting).state is JobState.COMPLETED
    assert rig.queue.job(job_id).state is JobState.PROCESSING
    rig.open_gate()

    job = rig.ended(job_id)
    assert (job.state, job.attempts, job.worker) == (JobState.COMPLETED, 1, orphan.id)
    assert runs_of(rig) == 1
    until(lambda: [worker.supervisor for worker in rig.crew()] == [successor.id])
    until(lambda: supervisor.id not in [entry.id for entry in rig.queue.registry.registered()])


def test_a_worker_without_supervisor_stops_when_told_now(rig: Rig) -> None:
    supervisor = rig.start()
    job_id = started(rig, "echo $$ > up; sleep 60")
    kill(supervisor)

    rig.stop(now=True)

    assert rig.queue.job(job_id).state is JobState.PENDING
    until(lambda: not rig.marked())


def test_after_both_were_killed_nothing_old_is_left_when_the_job_runs_again(rig: Rig) -> None:
    supervisor = rig.start()
    job_id = rig.add(argv=python(TWICE), max_retries=1, backoff_base=1, stop_grace=300)
    pids = [int(pid) for pid in rig.file("pids").read_text().split()]
    worker = rig.runner_of(job_id)

    kill(supervisor)
    kill(worker)
    assert [runs(pid) for pid in pids] == [True, True]
    assert rig.queue.job(job_id).state is JobState.PROCESSING
    rig.start()

    job = rig.ended(job_id)
    assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
    lost, completed = rig.history(job_id)
    assert (lost.state, lost.error) == (AttemptState.LOST, "its worker and supervisor died")
    assert completed.state is AttemptState.COMPLETED
    assert rig.output(job_id) == b"[]\n"


def test_a_job_without_retries_is_dead_after_both_were_killed(rig: Rig) -> None:
    supervisor = rig.start()
    job_id = started(rig, COUNTED, max_retries=0)
    leader = rig.pid_in("up")
    worker = rig.runner_of(job_id)

    kill(supervisor)
    kill(worker)
    rig.start()

    job = rig.ended(job_id)
    assert (job.state, job.attempts) == (JobState.DEAD, 1)
    assert [attempt.state for attempt in rig.history(job_id)] == [AttemptState.LOST]
    assert not runs(leader)
    assert rig.run("true").state is JobState.COMPLETED
    assert runs_of(rig) == 1


def test_two_supervisors_do_not_rescue_the_same_job(rig: Rig) -> None:
    supervisor = rig.start()
    line = f"{LARGE}; echo run >> runs; echo $$ > up; [ $QUEUECTL_ATTEMPT = 2 ] || sleep 60"
    job_id = started(rig, line, max_retries=1, backoff_base=1)
    worker = rig.runner_of(job_id)
    kill(supervisor)
    kill(worker)

    with ThreadPoolExecutor(2) as starting:
        pools = list(starting.map(lambda pool: rig.start(pool=pool), ("one", "two")))

    assert rig.ended(job_id).state is JobState.COMPLETED
    assert [attempt.state for attempt in rig.history(job_id)] == [
        AttemptState.LOST,
        AttemptState.COMPLETED,
    ]
    assert rig.output(job_id, number=1) == b"x" * 40000
    assert all(runs(pool.pid) for pool in pools)
    assert rig.queue.log_path.read_text().count(f"worker {worker.id} is gone") == 1


@pytest.mark.parametrize("code", [0, 9])
def test_an_end_that_the_dead_worker_noted_is_believed(rig: Rig, code: int) -> None:
    supervisor = rig.start()
    job_id = started(rig, f"{COUNTED}; exit {code}", max_retries=0)
    worker = rig.runner_of(job_id)

    with closing(sqlite3.connect(rig.queue.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the worker can note the end, but not store it
        leader = rig.pid_in("up")
        rig.open_gate()
        until(lambda: not runs(leader) and not rig.tree(job_id))
        note = rig.queue.folders.journal(worker.id)
        until(lambda: not note.read_text().strip().endswith("-"))
        kill(supervisor)
        kill(worker)
        other.execute("ROLLBACK")
    rig.start()

    job = rig.ended(job_id)
    assert job.exit_code == code
    assert job.state is (JobState.DEAD if code else JobState.COMPLETED)
    assert runs_of(rig) == 1
