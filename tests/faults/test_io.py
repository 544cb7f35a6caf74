"""Disks that fail, and folders that somebody removes, while workers use them."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from store import AttemptState, JobState, Stream
from tests.faults.outside import SABOTAGE, kill, lines
from tests.workers.rig import Foreground, Rig, gated, runs, until

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux's /proc")

SMALL = "echo said; echo complained >&2"
LARGE = "head -c 40000 /dev/zero | tr '\\0' x; echo; echo the end"
COUNTED = f"echo run >> runs; echo $$ > up; {gated()}"


class Disk:
    """What fails on it is written into a file."""

    def __init__(self, rig: Rig) -> None:
        self._faults = rig.folder / "faults"
        self.environ = {"PYTHONPATH": SABOTAGE, "SABOTAGE_IO": str(self._faults)}

    def fail(self, *faults: str) -> None:
        self._faults.write_text("\n".join(faults))

    def mend(self) -> None:
        self._faults.unlink()


@pytest.fixture
def disk(rig: Rig) -> Disk:
    return Disk(rig)


@pytest.fixture
def foreground(rig: Rig, disk: Disk) -> Foreground:
    return rig.foreground(environ=disk.environ)


def only_worker(rig: Rig) -> int:
    (worker,) = rig.crew()
    return worker.pid


# -- Before a command


@pytest.mark.parametrize("fault", ["pwrite .journal EIO", "fsync queue.db-wal EIO"])
def test_a_job_whose_start_cannot_be_noted_is_not_started(
    rig: Rig, disk: Disk, foreground: Foreground, fault: str
) -> None:
    worker = only_worker(rig)
    disk.fail(fault)

    job_id = rig.add(f"echo run >> runs; {SMALL}", max_retries=0)
    until(lambda: "cannot be started now: " in foreground.said())
    given_back = rig.reached(job_id, JobState.PENDING)
    assert (given_back.attempts, lines(rig.folder / "runs")) == (0, [])
    disk.mend()

    assert rig.ended(job_id).state is JobState.COMPLETED
    assert lines(rig.folder / "runs") == ["run"]
    assert only_worker(rig) == worker
    assert "Traceback" not in foreground.said()


def test_what_was_printed_before_is_not_taken_for_a_job_s_own(
    rig: Rig, disk: Disk, foreground: Foreground
) -> None:
    worker = only_worker(rig)
    disk.fail("ftruncate scratch/ EIO")
    assert rig.output(rig.run("echo first").id) == b"first\n"

    job_id = rig.add("echo second")
    until(lambda: "cannot be started now: " in foreground.said())
    disk.mend()

    assert rig.ended(job_id).attempts == 1
    assert rig.output(job_id) == b"second\n"
    assert only_worker(rig) == worker


# -- While it runs


def test_a_command_goes_on_though_its_worker_cannot_take_notes(
    rig: Rig, disk: Disk, foreground: Foreground
) -> None:
    worker = only_worker(rig)
    job_id = rig.add(f"{COUNTED}; exit 3", max_retries=0)
    rig.file("up")
    disk.fail("pwrite .journal EIO", "utime .journal EIO")
    rig.open_gate()

    job = rig.ended(job_id)

    assert (job.state, job.exit_code, job.last_error) == (JobState.DEAD, 3, "exit code 3")
    assert "cannot keep its journal: Input/output error" in foreground.said()
    disk.mend()
    assert rig.run("true").state is JobState.COMPLETED
    assert only_worker(rig) == worker


@pytest.mark.parametrize("fault", ["pread .stdout EIO", "fstat .stdout EIO"])
def test_output_that_cannot_be_read_costs_no_result(
    rig: Rig, disk: Disk, foreground: Foreground, fault: str
) -> None:
    worker = only_worker(rig)
    disk.fail(fault)

    good, bad = rig.run(SMALL), rig.run(f"{SMALL}; exit 4", max_retries=0)

    lost = "its stdout is lost: Input/output error"
    assert (good.state, good.exit_code, good.last_error) == (JobState.COMPLETED, 0, lost)
    assert (bad.state, bad.exit_code) == (JobState.DEAD, 4)
    assert bad.last_error == f"exit code 4; {lost}: complained"
    assert rig.output(good.id) == b""
    assert rig.output(good.id, Stream.STDERR) == b"complained\n"
    assert f"{good.id}: {lost}" in foreground.said()
    assert only_worker(rig) == worker


@pytest.mark.parametrize("left", ["", "; (trap '' TERM; sleep 0.5) &"])
def test_of_output_that_cannot_be_moved_the_end_is_kept(
    rig: Rig, disk: Disk, foreground: Foreground, left: str
) -> None:
    worker = only_worker(rig)
    disk.fail("rename scratch/ ENOSPC")

    job = rig.run(f"{LARGE}{left}", max_retries=0, stop_grace=1)

    note = "only the end of its stdout could be kept: No space left on device"
    assert (job.state, job.exit_code) == (JobState.COMPLETED, 0)
    assert note in (job.last_error or "")
    until(lambda: not rig.queue.held_jobs())
    assert rig.output(job.id).endswith(b"xxx\nthe end\n")
    assert len(rig.output(job.id)) == 32 << 10
    assert rig.output(rig.run(SMALL).id) == b"said\n"
    assert only_worker(rig) == worker


# -- The folder goes


@pytest.mark.parametrize("folder", ["scratch", "output", ""])
def test_a_folder_that_is_removed_costs_no_result(
    rig: Rig, foreground: Foreground, folder: str
) -> None:
    worker = only_worker(rig)
    job_id = rig.add(f"{COUNTED}; {LARGE}; exit 5", max_retries=0)
    rig.file("up")
    shutil.rmtree(rig.queue.path.with_name("queue.db.d") / folder)
    rig.open_gate()

    job = rig.ended(job_id)

    assert (job.state, job.exit_code) == (JobState.DEAD, 5)
    assert rig.output(job_id).endswith(b"the end\n")
    after = rig.run(SMALL)
    assert (after.state, rig.output(after.id)) == (JobState.COMPLETED, b"said\n")
    assert only_worker(rig) == worker
    assert "Traceback" not in foreground.said()


def test_a_worker_may_die_though_its_files_are_gone(rig: Rig, foreground: Foreground) -> None:
    job_id = rig.add(f"{COUNTED}; exit 6", max_retries=0)
    leader = rig.pid_in("up")
    shutil.rmtree(rig.queue.path.with_name("queue.db.d") / "scratch")

    kill(rig.runner_of(job_id))
    until(lambda: "goes on without its worker" in foreground.said())
    assert runs(leader)
    rig.open_gate()

    job = rig.ended(job_id)
    assert (job.state, job.exit_code, job.attempts) == (JobState.DEAD, 6, 1)
    assert "its stdout is lost: No such file or directory" in (job.last_error or "")
    assert lines(rig.folder / "runs") == ["run"]


def test_a_command_that_ended_unseen_is_not_said_never_to_have_started(
    rig: Rig, foreground: Foreground
) -> None:
    """Its worker could note nothing of it, and died before it could record anything."""
    job_id = rig.add(COUNTED, max_retries=0)
    leader = rig.pid_in("up")
    worker = rig.runner_of(job_id)
    rig.queue.folders.journal(worker.id).unlink()

    foreground.hears(signal.SIGSTOP)  # it is to see both at once
    kill(worker)
    rig.open_gate()
    until(lambda: not runs(leader))
    foreground.hears(signal.SIGCONT)

    rig.ended(job_id)
    assert lines(rig.folder / "runs") == ["run"]
    assert rig.history(job_id)[0].state is not AttemptState.RELEASED


# -- Those who take over


@pytest.mark.parametrize("fault", ["open .stdout EIO", "fstat .stdout EIO", "pread .stdout EIO"])
def test_an_adopted_command_s_result_needs_no_output(
    rig: Rig, disk: Disk, foreground: Foreground, fault: str
) -> None:
    job_id = rig.add(f"{COUNTED}; {SMALL}; exit 7", max_retries=0)
    rig.file("up")
    disk.fail(fault)
    kill(rig.runner_of(job_id))
    until(lambda: "goes on without its worker" in foreground.said())
    rig.open_gate()

    job = rig.ended(job_id)

    assert (job.state, job.exit_code) == (JobState.DEAD, 7)
    assert "its stdout is lost: Input/output error" in (job.last_error or "")
    assert rig.output(job_id, Stream.STDERR) == b"complained\n"
    disk.mend()
    assert rig.run("true").state is JobState.COMPLETED


def test_a_log_that_cannot_be_written_keeps_nobody_from_working(rig: Rig, disk: Disk) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in disk.environ.items():
            patch.setenv(name, value)
        rig.start()
    job_id = rig.add(f"{COUNTED}; exit 8", max_retries=0)
    rig.file("up")
    disk.fail("write supervisor.log ENOSPC")
    kill(rig.runner_of(job_id))
    until(rig.crew)
    rig.open_gate()

    job = rig.ended(job_id)
    assert (job.exit_code, job.attempts) == (8, 1)
    assert lines(rig.folder / "runs") == ["run"]
