"""The store is removed or replaced while its workers run jobs."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from store import AttemptState, JobState, NewJob, open_store
from store.queue import Queue
from tests.faults.outside import SABOTAGE, Program, kill, lines, refusal
from tests.workers.rig import Foreground, Rig, gated, runs, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")

SOON = {"PYTHONPATH": SABOTAGE, "SABOTAGE_SURE": "0.2"}
DEAF = "trap '' TERM; "
COUNTED = (
    'grep -qs "^State:.[^Z]" /proc/$(cat leader)/status && echo overlap >> runs; '
    f"echo $$ > leader; echo run >> runs; echo $$ > up; {gated()}"
)


def remove_all(rig: Rig) -> None:
    folder = rig.queue.path.parent

    def is_gone() -> bool:  # not at once where somebody makes a file in it meanwhile
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    until(is_gone)


def remove_files(rig: Rig) -> None:
    for name in os.listdir(rig.queue.path.parent):
        if not name.endswith(".d"):
            (rig.queue.path.parent / name).unlink()


def move_aside(rig: Rig) -> None:
    folder = rig.queue.path.parent
    folder.rename(folder.with_name("elsewhere"))


def contents(path: Path) -> list[str]:
    with closing(sqlite3.connect(path, timeout=20)) as raw:
        return list(raw.iterdump())


def put_backup_back(rig: Rig, backup: Path) -> Queue:
    """The store as it was at an earlier time takes its own place."""
    remove_files(rig)
    backup.rename(rig.queue.path)
    return open_store(str(rig.queue.path), create=False)


@pytest.mark.parametrize("remove", [remove_all, remove_files, move_aside])
def test_what_a_removed_store_ran_is_ended_and_its_supervisor_leaves(
    rig: Rig, remove: Callable[[Rig], None]
) -> None:
    foreground = rig.foreground("--count", "2", environ=SOON)
    rig.add(COUNTED)
    leader = rig.pid_in("up")
    crew = [worker.pid for worker in rig.crew()]

    remove(rig)

    assert foreground.exit_code() == 1
    assert not any(map(runs, (leader, *crew)))
    assert rig.marked() == []
    said = foreground.said()
    assert f"the store at {rig.queue.path} was removed: ending what runs" in said
    assert said.splitlines()[-1].endswith(" left: the store was removed")
    assert "Traceback" not in said
    assert not rig.queue.path.exists()


def test_nothing_is_written_to_the_store_in_its_place(rig: Rig, program: Program) -> None:
    foreground = rig.foreground(environ=SOON)
    rig.add(f"{DEAF}{COUNTED}", stop_grace=60)
    leader = rig.pid_in("up")

    remove_files(rig)
    program.run("enqueue", "--id", "new", "true")
    before = contents(rig.queue.path)
    refused = refusal(program.run("worker", "start", "--pool", "another"))
    assert f"under process {foreground.process.pid}, which ends what it runs" in refused

    os.kill(leader, signal.SIGKILL)  # sooner than its grace ends
    assert foreground.exit_code() == 1
    assert not runs(leader)
    assert "the store was replaced" in foreground.said()
    assert contents(rig.queue.path) == before
    rig.queue = open_store(str(rig.queue.path))
    rig.start()
    assert rig.ended("new").state is JobState.COMPLETED


@pytest.mark.parametrize("exact", [False, True])
def test_a_job_that_the_replacement_says_is_running_is_lost_and_run_again(
    rig: Rig, exact: bool
) -> None:
    foreground = rig.foreground(environ=SOON)
    job_id = rig.add(f"{DEAF}{COUNTED}", max_retries=1, backoff_base=1, stop_grace=1)
    leader = rig.pid_in("up")
    backup = rig.folder / "backup.db"
    rig.queue.backup(backup)
    if exact:  # as a plain copy would have it
        with closing(sqlite3.connect(backup, isolation_level=None)) as raw:
            raw.execute("UPDATE meta SET value = ? WHERE name = 'store_id'", (rig.queue.store_id,))

    new = put_backup_back(rig, backup)
    assert new.job(job_id).state is JobState.PROCESSING
    assert foreground.exit_code() == 1
    assert not runs(leader)
    rig.open_gate()
    rig.queue = new
    rig.start()

    assert rig.ended(job_id).state is JobState.COMPLETED
    states = [attempt.state for attempt in new.history(job_id)]
    assert states == [AttemptState.LOST, AttemptState.COMPLETED]
    assert lines(rig.folder / "runs") == ["run"] * 2


def test_a_worker_that_outlived_its_supervisor_keeps_the_new_store_waiting(
    rig: Rig, program: Program
) -> None:
    supervisor = rig.start()
    rig.add(COUNTED)
    rig.file("up")
    (worker,) = rig.crew()
    kill(supervisor)

    remove_files(rig)
    program.run("enqueue", "--id", "new", "true")
    before = contents(rig.queue.path)
    refused = refusal(program.run("worker", "start", "--detach"))
    assert f"under process {worker.pid}, which ends what it runs" in refused
    rig.open_gate()
    until(lambda: not runs(worker.pid))

    assert contents(rig.queue.path) == before
    rig.queue = open_store(str(rig.queue.path))
    rig.start()
    assert rig.ended("new").state is JobState.COMPLETED


def test_commands_taken_over_from_dead_workers_are_ended_too(rig: Rig) -> None:
    foreground = rig.foreground(environ=SOON)
    rig.add(COUNTED)
    leader = rig.pid_in("up")
    kill(*rig.crew())
    until(lambda: "goes on without its worker" in foreground.said())

    remove_all(rig)

    assert foreground.exit_code() == 1
    assert not runs(leader)


def test_a_worker_that_stands_still_is_ended_too(rig: Rig) -> None:
    foreground = rig.foreground(environ=SOON)
    rig.add(COUNTED, stop_grace=0.1)
    leader = rig.pid_in("up")
    (worker,) = rig.crew()
    os.kill(worker.pid, signal.SIGSTOP)

    remove_all(rig)

    assert foreground.exit_code() == 1
    assert not any(map(runs, (leader, worker.pid)))


def test_a_new_job_is_not_run_beside_what_the_old_store_runs(rig: Rig, program: Program) -> None:
    """Both stores know the job: the old one runs it, in the new one it waits."""
    job = NewJob(command=f"{DEAF}{COUNTED}", id="twice", cwd=str(rig.folder), stop_grace=1)
    rig.queue.enqueue([job])
    backup = rig.folder / "backup.db"
    rig.queue.backup(backup)
    foreground: Foreground = rig.foreground(environ=SOON)
    rig.file("up")

    new = put_backup_back(rig, backup)
    refusal(program.run("worker", "start", "--detach"))
    assert foreground.exit_code() == 1
    rig.open_gate()
    rig.queue = new
    rig.start()

    assert rig.ended("twice").state is JobState.COMPLETED
    assert lines(rig.folder / "runs") == ["run"] * 2
