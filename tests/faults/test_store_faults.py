"""A store that is locked, full, damaged, somebody else's, or not to be written."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from store import JobState, NewJob, open_store
from store.database import file_system, is_network
from store.migrations import LATEST
from store.queue import Queue
from tests.faults.outside import SABOTAGE, Program, kill, lines, locked, refusal
from tests.workers.rig import Rig, gated, runs, until

COUNTED = f"echo run >> runs; echo $$ > up; {gated()}"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- Locked


def test_a_store_locked_for_ten_seconds(rig: Rig, program: Program) -> None:
    rig.foreground("--count", "3")
    until(lambda: len(rig.crew()) == 3)
    job_id = rig.add(f"{COUNTED}; exit 5", max_retries=0)
    rig.file("up")
    runner = rig.runner_of(job_id)
    idle, other = (worker for worker in rig.crew() if worker.id != runner.id)

    with locked(rig):
        locked_at = time.monotonic()
        late = program.start("enqueue", "--id", "late", "true")
        rig.open_gate()
        os.kill(idle.pid, signal.SIGTERM)
        until(lambda: not runs(idle.pid), patience=1.5)
        os.kill(other.pid, signal.SIGKILL)  # and a death to be noticed meanwhile
        until(lambda: time.monotonic() - locked_at > 10.5)

    out, err = late.communicate(timeout=20)
    if late.returncode:
        done = subprocess.CompletedProcess((), 1, out.decode(), err.decode())
        assert "locked by another process; nothing was changed" in refusal(done)
        program.run("enqueue", "--id", "late", "true")
    else:
        assert out == b"late\n"
    assert rig.ended(job_id).exit_code == 5
    assert rig.ended("late").state is JobState.COMPLETED
    assert lines(rig.folder / "runs") == ["run"]
    until(lambda: len(rig.crew()) == 3)
    until(lambda: not {idle.id, other.id} & {entry.id for entry in rig.queue.registry.registered()})


def test_a_supervisor_hears_signals_while_the_store_is_locked(rig: Rig) -> None:
    foreground = rig.foreground("--count", "2")
    until(lambda: len(rig.crew()) == 2)
    crew = rig.crew()

    with locked(rig):
        foreground.hears(signal.SIGTERM)
        until(lambda: "draining" in foreground.said(), patience=4)
        until(lambda: not any(runs(worker.pid) for worker in crew), patience=8)
    assert foreground.exit_code() == 0
    assert rig.queue.registry.registered() == []


def test_several_workers_that_die_while_the_store_is_locked_are_all_succeeded(rig: Rig) -> None:
    supervisor = rig.start(4)
    job_ids = [rig.add(f"{COUNTED}; exit 6", max_retries=0) for _ in range(2)]
    until(lambda: len(lines(rig.folder / "runs")) == 2)
    crew = rig.crew()

    with locked(rig):
        os.kill(supervisor.pid, signal.SIGSTOP)
        kill(*crew)
        os.kill(supervisor.pid, signal.SIGCONT)
        rig.open_gate()
        until(lambda: "locked by another process" in rig.queue.log_path.read_text())

    for job_id in job_ids:
        job = rig.ended(job_id)
        assert (job.exit_code, job.number) == (6, 1)
    assert lines(rig.folder / "runs") == ["run"] * 2
    gone = {worker.id for worker in crew}
    until(lambda: not gone & {entry.id for entry in rig.queue.registry.registered()})
    until(lambda: len(rig.crew()) == 4)


# -- Full


class Filled:
    """A disk with not a block left, until ``release``."""

    def __init__(self, disk: Path) -> None:
        self._ballast = disk / "ballast"
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

    def release(self) -> None:
        self._ballast.unlink()


def test_a_disk_that_fills_up_costs_no_job(small_disk: Path, tmp_path: Path) -> None:
    rig = Rig(small_disk)
    rig.folder = tmp_path / "elsewhere"
    rig.folder.mkdir()
    program = Program(rig.queue.url)
    try:
        fill_up_and_go_on(rig, program, small_disk)
    finally:
        (small_disk / "ballast").unlink(missing_ok=True)
        rig.close()


def fill_up_and_go_on(rig: Rig, program: Program, disk: Path) -> None:
    rig.queue.settings.set("min_free_space", "0")
    foreground = rig.foreground("--count", "2")
    line = f"echo $QUEUECTL_JOB_ID | tee -a runs; {gated()}"
    acknowledged = [rig.add(line, max_retries=0) for _ in range(20)]
    until(lambda: len(lines(rig.folder / "runs")) == 2)

    filled = Filled(disk)
    refused = None
    while refused is None:  # what the log has room for is accepted
        done = program.run("enqueue", "--cwd", "/", "--label", "x" * 200, "true")
        if done.returncode == 0:
            acknowledged.append(done.stdout.strip())
        else:
            refused = refusal(done)
    assert refused.startswith("disk full: no room for ")
    assert "nothing was changed" in refused
    rig.open_gate()
    listed = program.json("list")
    assert {job["id"] for job in listed} == set(acknowledged)
    refusal(program.run("enqueue", "true"))
    assert foreground.process.poll() is None

    filled.release()
    for job_id in acknowledged:
        assert rig.ended(job_id).state is JobState.COMPLETED
        assert rig.queue.job(job_id).number == 1
    assert sorted(lines(rig.folder / "runs")) == sorted(acknowledged[:20])
    for job_id in acknowledged[:20]:
        assert rig.output(job_id) == f"{job_id}\n".encode()
    assert program.run("doctor").returncode == 0
    assert "Traceback" not in foreground.said()


def test_a_store_on_a_full_disk_opens_or_says_full(small_disk: Path) -> None:
    path = small_disk / "queue.db"
    first = open_store(str(path))
    first.enqueue([NewJob(command="true", id="a")])
    first.close()

    filled = Filled(small_disk)
    done = Program(str(path)).run("enqueue", "true")
    assert refusal(done).startswith("disk full: ")
    fresh = Program(str(small_disk / "fresh.db")).run("enqueue", "true")
    assert refusal(fresh).startswith("disk full: ")
    filled.release()

    assert [job["id"] for job in Program(str(path)).json("list")] == ["a"]
    assert Program(str(small_disk / "fresh.db")).run("enqueue", "true").returncode == 0


def test_nothing_new_starts_on_a_nearly_full_disk(rig: Rig, program: Program) -> None:
    foreground = rig.foreground()
    running = rig.add(COUNTED)
    rig.file("up")
    waiting = rig.add("echo run >> runs")

    program.run("config", "set", "min_free_space", f"{2 * rig.queue.free_space()}")
    until(lambda: "disk nearly full" in foreground.said())
    rig.open_gate()
    assert rig.ended(running).state is JobState.COMPLETED
    asked_at = time.monotonic()
    until(lambda: time.monotonic() - asked_at > 1.5)  # an idle worker has looked, at least once
    assert rig.queue.job(waiting).state is JobState.PENDING
    program.run("config", "unset", "min_free_space")

    assert rig.ended(waiting).state is JobState.COMPLETED
    until(lambda: "disk has room again" in foreground.said())
    assert lines(rig.folder / "runs") == ["run"] * 2


# -- The clock


def test_a_clock_that_jumps_two_hours_either_way(rig: Rig, program: Program) -> None:
    skew = rig.folder / "skew"
    skew.write_text("0")
    environ = {"PYTHONPATH": SABOTAGE, "SABOTAGE_CLOCK": str(skew)}
    program = replace(program, environ=environ)
    rig.foreground("--count", "2", environ=environ)
    until(lambda: len(rig.crew()) == 2)
    hours = 2 * 60 * 60 * 1000
    running = rig.add(COUNTED, timeout=600)
    rig.file("up")
    later = rig.add("echo later >> runs", delay=3600)

    skew.write_text(f"{-hours}")
    back = rig.add("echo back >> runs")
    assert program.run("enqueue", "--cwd", str(rig.folder), "echo past >> runs").returncode == 0
    until(lambda: "past" in lines(rig.folder / "runs"))
    skew.write_text("0")
    assert rig.ended(back).state is JobState.COMPLETED
    assert rig.queue.job(later).state is JobState.PENDING
    assert rig.queue.job(running).state is JobState.PROCESSING

    skew.write_text(f"{hours}")
    assert rig.ended(later).state is JobState.COMPLETED
    assert rig.queue.job(running).state is JobState.PROCESSING
    skew.write_text("0")
    rig.open_gate()

    assert rig.ended(running).number == 1
    until(lambda: rig.queue.count() == 4)
    assert {job.state for job in rig.queue.jobs()} == {JobState.COMPLETED}
    assert sorted(lines(rig.folder / "runs")) == ["back", "later", "past", "run"]
    assert all(job.number == 1 for job in rig.queue.jobs())


# -- Damaged, or somebody else's


def zero_page_5(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4 * 4096)
        file.write(bytes(4096))


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_in_the_header(path: Path) -> None:
    os.truncate(path, 60)


def garble(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(20_000))


def another_programs(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.commit()
    path.chmod(0o600)


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(f"PRAGMA user_version = {LATEST + 1}")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (zero_page_5, "is damaged"),
        (cut_short, "is damaged"),
        (cut_in_the_header, "is damaged|not a queuectl-tui store"),
        (garble, "is damaged|not a queuectl-tui store"),
        (another_programs, "another program's database"),
        (newer, "newer queuectl-tui"),
    ],
)
def test_a_store_that_is_not_sound_is_refused_untouched(
    tmp_path: Path, harm: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "queue.db"
    queue = open_store(str(path))
    queue.enqueue([NewJob(command="x" * 3000) for _ in range(50)])
    queue.close()
    assert not Path(f"{path}-wal").exists()
    harm(path)
    before = digest(path)
    program = Program(str(path))

    for words in (("worker", "start"), ("worker", "start", "--detach")):
        said = refusal(program.run(*words))
        assert any(part in said for part in message.split("|")), said
        assert "it was not touched" in said
    examined = program.run("doctor", "--json")
    assert examined.returncode == 1
    assert any(part in examined.stdout for part in message.split("|")), examined.stdout
    assert digest(path) == before
    assert not Path(f"{path}-journal").exists()


def test_nothing_is_made_beside_what_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    path.touch()
    another_programs(path)
    assert "another program" in refusal(Program(str(path)).run("list"))
    assert not path.with_name("other.db.d").exists()


# -- Over a network

MOUNTINFO = "{id} 1 {device} / {path} rw,relatime shared:1 - {kind} {source} rw\n"


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        ("nfs4", True),
        ("nfs", True),
        ("cifs", True),
        ("smb3", True),
        ("fuse.sshfs", True),
        ("9p", True),
        ("ext4", False),
        ("tmpfs", False),
        ("overlay", False),
        ("fuse.gocryptfs", False),
    ],
)
def test_network_file_systems_are_told_apart(tmp_path: Path, kind: str, refused: bool) -> None:
    device = os.stat(tmp_path).st_dev
    mine = f"{os.major(device)}:{os.minor(device)}"
    fake = tmp_path / "mountinfo"
    fake.write_text(
        MOUNTINFO.format(id=1, device="0:999", path="/", kind="xfs", source="/dev/sda")
        + MOUNTINFO.format(id=2, device=mine, path=r"/a\040b", kind=kind, source="host:/x - y")
    )

    assert file_system(tmp_path, fake) == kind
    assert is_network(kind) is refused


def test_an_unknown_file_system_is_taken_for_local(tmp_path: Path) -> None:
    assert file_system(tmp_path, tmp_path / "no such file") is None
    assert not is_network(None)


# -- Copied


def test_a_backup_while_jobs_run_is_a_store_of_its_own(rig: Rig, program: Program) -> None:
    rig.start(2)
    running = rig.add(COUNTED)
    rig.file("up")
    done = rig.run("echo kept")
    busy = [rig.add("sleep 0.01", priority=-1) for _ in range(30)]
    target = rig.folder / "copy.db"

    assert program.run("backup", str(target)).returncode == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    before = digest(target)
    assert "exists already" in refusal(program.run("backup", str(target)))
    assert digest(target) == before
    with closing(sqlite3.connect(target)) as raw:
        assert raw.execute("PRAGMA quick_check").fetchall() == [("ok",)]

    copy = open_store(str(target), create=False)
    with closing(sqlite3.connect(target)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert copy.store_id != rig.queue.store_id
    assert copy.registry.registered() == []
    assert copy.count() == len(busy) + 2
    assert copy.job(done.id).state is JobState.COMPLETED
    assert copy.job(running).state is JobState.PROCESSING
    start_over(copy, running, rig)
    assert rig.queue.job(running).state is JobState.PROCESSING  # there it goes on
    rig.open_gate()
    assert rig.ended(running).number == 1


def start_over(copy: Queue, job_id: str, rig: Rig) -> None:
    """The copy's workers run the job again; it doesn't wait, for its command is changed."""
    with closing(sqlite3.connect(copy.path)) as raw:
        raw.execute("UPDATE job SET command = 'echo again', backoff_base = 1")
        raw.commit()
    with Program(copy.url).start("worker", "start") as supervisor:
        try:
            until(lambda: copy.job(job_id).state is JobState.COMPLETED)
        finally:
            supervisor.send_signal(signal.SIGTERM)
            supervisor.communicate(timeout=30)
    assert [attempt.state.value for attempt in copy.history(job_id)] == ["lost", "completed"]
    copy.close()
