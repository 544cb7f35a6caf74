"""Processes that stand still, hide, flee, or are not who they seem to be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from store import AttemptState, JobState, WorkerState
from tests.faults.outside import (
    SABOTAGE,
    Program,
    forge,
    kill,
    lines,
    refusal,
    spare_descriptors,
)
from tests.workers.rig import Rig, gated, python, runs, until
from workers import processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")

COUNTED = f"echo run >> runs; echo $$ > up; {gated()}"


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any job."""
    with subprocess.Popen(["sleep", "120"], start_new_session=True) as process:
        yield process
        process.kill()


# -- Standing still


def test_a_stopped_worker_without_supervisor_is_ended_too(rig: Rig) -> None:
    rig.queue.settings.set("stall_timeout", "10")
    supervisor = rig.start()
    job_id = rig.add(COUNTED, max_retries=1, backoff_base=1)
    leader = rig.pid_in("up")
    os.kill(rig.runner_of(job_id).pid, signal.SIGSTOP)
    kill(supervisor)
    rig.open_gate()
    rig.start()

    job = rig.ended(job_id)
    assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
    assert not runs(leader)


def test_a_stopped_worker_without_supervisor_can_be_stopped_for_good(rig: Rig) -> None:
    supervisor = rig.start()
    job_id = rig.add(COUNTED)
    rig.file("up")
    os.kill(rig.runner_of(job_id).pid, signal.SIGSTOP)
    kill(supervisor)
    rig.stop(now=True)

    assert rig.reached(job_id, JobState.PENDING).attempts == 0
    until(lambda: rig.marked() == [])


def test_a_stopped_worker_is_stale_and_its_job_stays_its_own(rig: Rig, program: Program) -> None:
    skew = rig.folder / "skew"
    skew.write_text("0")
    program.environ = {"PYTHONPATH": SABOTAGE, "SABOTAGE_CLOCK": str(skew)}
    rig.foreground("--count", "2", environ=program.environ)
    until(lambda: len(rig.crew()) == 2)
    job_id = rig.add(COUNTED)
    rig.file("up")
    runner = rig.runner_of(job_id)

    os.kill(runner.pid, signal.SIGSTOP)
    skew.write_text("60000")

    def states() -> dict[str, str]:
        return {worker["id"]: worker["state"] for worker in program.json("worker", "list")}

    until(lambda: sorted(states().values()) == ["idle", "idle", "stale"])
    assert states()[runner.id] == WorkerState.STALE
    assert program.json("status")["workers"] == {"up": 1, "busy": 0, "stale": 1}
    assert rig.run("true").state is JobState.COMPLETED
    assert rig.queue.job(job_id).state is JobState.PROCESSING
    os.kill(runner.pid, signal.SIGCONT)
    rig.open_gate()

    job = rig.ended(job_id)
    assert (job.state, job.number, job.worker) == (JobState.COMPLETED, 1, runner.id)
    assert lines(rig.folder / "runs") == ["run"]


def test_a_stalled_worker_is_ended_where_a_limit_is_set(rig: Rig, program: Program) -> None:
    program.run("config", "set", "stall_timeout", "1s")
    foreground = rig.foreground("--count", "2")
    until(lambda: len(rig.crew()) == 2)
    job_id = rig.add(COUNTED)
    rig.file("up")
    runner = rig.runner_of(job_id)

    os.kill(runner.pid, signal.SIGSTOP)
    until(lambda: not runs(runner.pid))
    rig.open_gate()

    job = rig.ended(job_id)
    assert (job.state, job.number) == (JobState.COMPLETED, 1)
    assert lines(rig.folder / "runs") == ["run"]
    assert foreground.said().count("has been silent") == 1  # the healthy one was let be


def test_a_clock_that_jumps_costs_an_adopted_command_no_time(rig: Rig) -> None:
    skew = rig.folder / "skew"
    skew.write_text("0")
    rig.foreground(environ={"PYTHONPATH": SABOTAGE, "SABOTAGE_CLOCK": str(skew)})
    job_id = rig.add(COUNTED, timeout=600, max_retries=0)
    rig.file("up")

    skew.write_text(f"{2 * 60 * 60 * 1000}")
    worker = rig.runner_of(job_id)
    kill(worker)
    until(lambda: {other.id for other in rig.crew()} - {worker.id})
    rig.open_gate()

    assert rig.ended(job_id).state is JobState.COMPLETED
    assert lines(rig.folder / "runs") == ["run"]


# -- Fleeing

FLIGHT = """
import os, signal, subprocess, sys, time

def stay(name):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(name, "w").write(f"{os.getpid()}\\n")
    time.sleep(120)

def fork(then):
    if os.fork() == 0:
        then()
        os._exit(0)

def daemon():
    os.setsid()
    fork(lambda: stay("daemon"))

def closed():
    os.setsid()
    os.closerange(0, 256)
    stay("closed")

bare = "trap '' TERM; echo $$ > {0}; while :; do /bin/sleep 1; done"
fork(lambda: stay("child"))
fork(lambda: (os.setsid(), stay("session")))
fork(daemon)
fork(closed)
subprocess.Popen(["env", "-i", "/bin/sh", "-c", bare.format("bare")])
away = ["/bin/sh", "-c", 'setsid env -i /bin/sh -c "$0" &', bare.format("stranger")]
subprocess.Popen(away)
stay("leader")
"""
FUGITIVES = ("leader", "child", "session", "daemon", "closed", "bare", "stranger")


def cancel(rig: Rig, job_id: str) -> None:
    rig.queue.cancel([job_id])
    assert rig.ended(job_id).state is JobState.CANCELLED


def run_out_of_time(rig: Rig, job_id: str) -> None:
    assert rig.ended(job_id).state is JobState.DEAD
    assert rig.history(job_id)[0].state is AttemptState.TIMED_OUT


def stop_now(rig: Rig, job_id: str) -> None:
    rig.stop(now=True)
    assert rig.queue.job(job_id).state is JobState.PENDING


def cancel_without_its_worker(rig: Rig, job_id: str) -> None:
    kill(rig.runner_of(job_id))
    cancel(rig, job_id)


def stop_now_without_its_worker(rig: Rig, job_id: str) -> None:
    kill(rig.runner_of(job_id))
    stop_now(rig, job_id)


@pytest.mark.parametrize(
    ("end", "timeout"),
    [
        (cancel, None),
        (run_out_of_time, 1.5),
        (stop_now, None),
        (cancel_without_its_worker, None),
        (stop_now_without_its_worker, None),
    ],
)
def test_nobody_escapes(rig: Rig, end: Callable[[Rig, str], None], timeout: float | None) -> None:
    rig.start()
    job_id = rig.add(argv=python(FLIGHT), max_retries=0, timeout=timeout, stop_grace=0.3)
    pids = [rig.pid_in(name) for name in FUGITIVES]

    end(rig, job_id)

    until(lambda: not any(map(runs, pids)), patience=10)


@pytest.mark.parametrize("leader_too", [False, True])
def test_nobody_escapes_when_worker_and_supervisor_die_at_once(rig: Rig, leader_too: bool) -> None:
    supervisor = rig.start()
    job_id = rig.add(argv=python(FLIGHT), max_retries=0)
    pids = [rig.pid_in(name) for name in FUGITIVES]

    kill(supervisor, rig.runner_of(job_id))
    if leader_too:
        os.kill(pids[0], signal.SIGKILL)
    rig.start()

    assert rig.ended(job_id).state is JobState.DEAD
    assert not any(map(runs, pids))
    assert [attempt.state for attempt in rig.history(job_id)] == [AttemptState.LOST]


def test_no_retry_starts_beside_what_may_be_left_of_it(rig: Rig) -> None:
    """Two workers die, and their commands left something that nothing tells apart."""
    away = "echo $$ > away-$0; exec /bin/sleep 60 > /dev/null 2>&1"
    line = (
        "if [ $QUEUECTL_ATTEMPT = 2 ]; then"
        " case $(cut -d' ' -f3 /proc/$(cat away-{0})/stat) in ''|Z) echo alone;; *) echo beside;;"
        " esac > second-{0}; exit; fi;"  # a zombie runs no more
        f" (setsid env -i /bin/sh -c '{away}' {{0}} &);"
        " until [ -s away-{0} ]; do sleep 0.02; done;"
        " echo $$ > up-{0}; until [ -e gate-{0} ]; do sleep 0.02; done; exit 1"
    )
    rig.start(2)
    options = {"max_retries": 1, "backoff_base": 1, "stop_grace": 0.5}
    first, second = (rig.add(line.replace("{0}", name), **options) for name in "ab")
    pids = [rig.pid_in(f"{what}-{name}") for what in ("up", "away") for name in "ab"]

    kill(rig.runner_of(first), rig.runner_of(second))
    rig.open_gate("gate-a")
    due = rig.reached(first, JobState.FAILED).run_at
    until(lambda: rig.queue.now() > due + 1000)
    assert len(rig.history(first)) == 1
    assert runs(pids[2])  # it may be of the other command, which goes on
    assert runs(pids[3])
    rig.open_gate("gate-b")

    assert [rig.ended(job_id).state for job_id in (first, second)] == [JobState.COMPLETED] * 2
    assert not any(map(runs, pids))
    assert [lines(rig.folder / f"second-{name}") for name in "ab"] == [["alone"], ["alone"]]


# -- Mistaken identity


def test_another_process_with_the_worker_s_pid_is_not_the_worker(
    rig: Rig, innocent: subprocess.Popen[bytes]
) -> None:
    supervisor = rig.start()
    job_id = rig.add(COUNTED, max_retries=1, backoff_base=1)
    leader = rig.pid_in("up")
    worker = rig.runner_of(job_id)
    kill(supervisor, worker)

    forge(rig, "UPDATE worker SET pid = ? WHERE seq = ?", innocent.pid, int(worker.id[1:]))
    forge(rig, "UPDATE worker SET pid = ? WHERE seq = ?", os.getpid(), int(supervisor.id[1:]))
    rig.open_gate()
    rig.start()

    job = rig.ended(job_id)
    assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
    assert rig.history(job_id)[0].state is AttemptState.LOST
    assert not runs(leader)
    assert innocent.poll() is None
    until(lambda: worker.id not in {entry.id for entry in rig.queue.registry.registered()})


def test_another_process_with_the_command_s_pid_is_not_the_command(rig: Rig) -> None:
    supervisor = rig.start()
    job_id = rig.add(COUNTED, max_retries=1, backoff_base=1)
    leader = rig.pid_in("up")
    worker = rig.runner_of(job_id)
    kill(supervisor, worker)

    with subprocess.Popen(["sleep", "120"], start_new_session=True) as innocent:
        journal = rig.queue.folders.journal(worker.id)
        journal.write_text(journal.read_text().replace(f" {leader} ", f" {innocent.pid} "))
        rig.open_gate()
        rig.start()

        job = rig.ended(job_id)
        assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
        assert not runs(leader)
        assert innocent.poll() is None
        innocent.kill()


def test_after_a_reboot_jobs_start_over_and_nothing_is_signalled(rig: Rig) -> None:
    supervisor = rig.start()
    job_id = rig.add(COUNTED, max_retries=1, backoff_base=1)
    leader = rig.pid_in("up")
    kill(supervisor, rig.runner_of(job_id))
    marker = f"{rig.queue.store_id}/{rig.history(job_id)[-1].id}"
    forge(rig, "UPDATE worker SET boot_id = 'an earlier boot'")
    rig.open_gate()

    bystander = subprocess.Popen(
        ["sleep", "120"], env={**os.environ, processes.MARKER: marker}, start_new_session=True
    )
    try:
        rig.start()
        job = rig.ended(job_id)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
    lost, again = rig.history(job_id)
    assert (lost.state, again.state) == (AttemptState.LOST, AttemptState.COMPLETED)
    assert lost.error == "the machine was restarted"
    assert again.started_at - (lost.finished_at or 0) < 3000
    until(lambda: not runs(leader))


def test_a_machine_that_was_renamed_is_still_the_same(rig: Rig) -> None:
    supervisor = rig.start()
    job_id = rig.add(COUNTED, max_retries=1, backoff_base=1)
    leader = rig.pid_in("up")
    kill(supervisor, rig.runner_of(job_id))
    forge(rig, "UPDATE worker SET host = 'formerly'")
    rig.open_gate()
    rig.start()

    assert rig.ended(job_id).state is JobState.COMPLETED
    assert not runs(leader)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "host = 'another', boot_id = 'of another machine'",
        "boot_id = boot_id || ' pid:[1]'",
    ],
)
def test_what_ran_in_another_container_is_for_a_person_to_tell(
    rig: Rig, program: Program, elsewhere: str
) -> None:
    supervisor = rig.start()
    job_id = rig.add(COUNTED, max_retries=1)
    leader = rig.pid_in("up")
    kill(supervisor, rig.runner_of(job_id))
    forge(rig, f"UPDATE worker SET {elsewhere}, heartbeat_at = 1")
    rig.start()

    until(lambda: "needs attention" in (rig.queue.job(job_id).last_error or ""))
    assert rig.queue.job(job_id).state is JobState.PROCESSING
    assert runs(leader)
    assert "cancel the job once nothing of it runs there" in program.run("doctor").stderr
    os.killpg(leader, signal.SIGKILL)
    program.run("cancel", job_id)
    assert rig.ended(job_id).state is JobState.CANCELLED


# -- Not to be told


def restarted_in_doubt(rig: Rig, pid: int) -> Path:
    """A supervisor that takes ``pid`` for one that hides, until the file is emptied.

    At first it can't write that down.
    """
    hiding = rig.folder.parent / "hiding"
    hiding.write_text(f"{pid}\n")
    environ = {
        "PYTHONPATH": SABOTAGE,
        "SABOTAGE_HIDING": str(hiding),
        "SABOTAGE_BUSY": "note",
        "SABOTAGE_ONCE": str(rig.folder.parent / "locked"),
    }
    rig.foreground(environ=environ)
    return hiding


def needs_attention(rig: Rig, program: Program, job_id: str, pid: int) -> bool:
    said = rig.queue.job(job_id).last_error or ""
    done = program.run("doctor")
    return f"end process {pid}" in said and done.returncode == 1 and job_id in done.stderr


def test_a_job_that_nobody_can_be_sure_of_needs_attention(
    rig: Rig, program: Program, innocent: subprocess.Popen[bytes]
) -> None:
    supervisor = rig.start()
    job_id = rig.add(COUNTED, max_retries=1, backoff_base=1)
    rig.file("up")
    kill(supervisor, rig.runner_of(job_id))
    hiding = restarted_in_doubt(rig, innocent.pid)

    until(lambda: needs_attention(rig, program, job_id, innocent.pid))
    assert rig.queue.job(job_id).state is JobState.PROCESSING
    rig.open_gate()
    hiding.write_text("")

    assert rig.ended(job_id).state is JobState.COMPLETED
    assert lines(rig.folder / "runs") == ["run", "run"]
    until(lambda: program.run("doctor").returncode == 0)


def test_a_job_that_has_failed_but_may_not_be_empty_needs_attention(
    rig: Rig, program: Program, innocent: subprocess.Popen[bytes]
) -> None:
    supervisor = rig.start()
    line = "[ $QUEUECTL_ATTEMPT = 2 ] && exit 0; trap '' TERM; sleep 60 & exit 3"
    job_id = rig.add(line, max_retries=1, backoff_base=1, stop_grace=300)
    failed = rig.reached(job_id, JobState.FAILED)
    kill(supervisor, rig.runner_of(job_id))
    assert f"{job_id} waits for what" in program.run("doctor").stdout
    hiding = restarted_in_doubt(rig, innocent.pid)

    until(lambda: needs_attention(rig, program, job_id, innocent.pid))
    assert rig.queue.job(job_id).state is JobState.FAILED
    hiding.write_text("")

    until(lambda: rig.queue.job(job_id).last_error in (failed.last_error, None))
    assert rig.ended(job_id).state is JobState.COMPLETED
    until(lambda: program.run("doctor").returncode == 0)


# -- Both gone at once

LOOKS_BACK = (
    "import os, time\n"
    "if os.environ['QUEUECTL_ATTEMPT'] == '1':\n"
    "    open('old', 'w').write(f'{os.getpid()}\\n')\n"
    "    time.sleep(30)\n"
    "old = open('old').read().strip()\n"
    "try:\n"
    "    state = open(f'/proc/{old}/stat').read().rpartition(') ')[2][0]\n"
    "except OSError:\n"
    "    state = 'gone'\n"
    "print(state)\n"
)


@pytest.mark.parametrize("retries", [0, 1])
def test_both_killed_at_once(rig: Rig, program: Program, retries: int) -> None:
    supervisor = rig.start()
    job_id = rig.add(argv=python(LOOKS_BACK), max_retries=retries, backoff_base=1)
    old = rig.pid_in("old")

    kill(supervisor, rig.runner_of(job_id))
    assert runs(old)
    rig.start()

    job = rig.ended(job_id)
    assert not runs(old)
    shown = program.json("show", job_id)
    states = [attempt["state"] for attempt in shown["history"]]
    if retries:
        assert (job.state, states) == (JobState.COMPLETED, ["lost", "completed"])
        assert rig.output(job_id) in (b"gone\n", b"Z\n")
    else:
        assert (job.state, states) == (JobState.DEAD, ["lost"])
        assert shown["last_error"] == "its worker and supervisor died"


def test_five_supervisors_at_once(rig: Rig, program: Program) -> None:
    started = [program.start("worker", "start") for _ in range(5)]
    try:
        until(lambda: [process.poll() for process in started].count(1) == 4)
        (winner,) = (process for process in started if process.returncode is None)
        for process in started:
            if process is not winner:
                out, err = process.communicate()
                done = subprocess.CompletedProcess((), 1, out.decode(), err.decode())
                assert "pool default is served by" in refusal(done)
        assert rig.run("true").state is JobState.COMPLETED
        assert len(rig.crew()) == 1
        winner.send_signal(signal.SIGTERM)
        assert winner.wait(30) == 0
    finally:
        for process in started:
            process.kill()
            process.communicate()


# -- Nothing left to start processes with


def test_a_worker_that_cannot_start_processes_gives_the_job_back(rig: Rig) -> None:
    exhausted = rig.folder.parent / "exhausted"
    exhausted.touch()
    rig.foreground(
        "--count", "1", environ={"PYTHONPATH": SABOTAGE, "SABOTAGE_SPAWN": str(exhausted)}
    )
    (worker,) = rig.crew()

    job_id = rig.add("echo run >> runs", max_retries=0)
    until(lambda: rig.history(job_id))
    job = rig.reached(job_id, JobState.PENDING)
    assert job.attempts == 0
    exhausted.unlink()

    job = rig.ended(job_id)
    assert (job.state, job.worker, job.attempts) == (JobState.COMPLETED, worker.id, 1)
    *before, last = [attempt.state for attempt in rig.history(job_id)]
    assert set(before) == {AttemptState.RELEASED}
    assert last is AttemptState.COMPLETED
    assert lines(rig.folder / "runs") == ["run"]


def test_a_worker_without_any_descriptor_loses_nothing(rig: Rig) -> None:
    rig.start()
    job_id = rig.add(f"{COUNTED}; head -c 100000 /dev/zero; exit 7", max_retries=0)
    waiting = rig.add("echo run >> runs", max_retries=0)
    leader = rig.pid_in("up")
    runner = rig.runner_of(job_id)

    spare_descriptors(runner.pid, 0)
    rig.open_gate()
    until(lambda: not runs(leader))
    time.sleep(0.6)  # it tries in vain, once at least
    with suppress(ProcessLookupError, FileNotFoundError):
        spare_descriptors(runner.pid, 100)

    job = rig.ended(job_id)
    assert (job.state, job.exit_code, job.number) == (JobState.DEAD, 7, 1)
    assert len(rig.output(job_id)) == 100_000
    assert rig.ended(waiting).state is JobState.COMPLETED
    assert lines(rig.folder / "runs") == ["run", "run"]


def test_a_supervisor_without_any_descriptor_goes_on(rig: Rig) -> None:
    supervisor = rig.start()
    job_id = rig.add(COUNTED)
    rig.file("up")
    runner = rig.runner_of(job_id)

    os.kill(supervisor.pid, signal.SIGSTOP)  # or it would use what the worker's end gives back
    kill(runner)
    spare_descriptors(supervisor.pid, 0)
    os.kill(supervisor.pid, signal.SIGCONT)
    time.sleep(1.5)  # a step of its work, at least
    assert runs(supervisor.pid)
    spare_descriptors(supervisor.pid, 100)
    rig.open_gate()

    job = rig.ended(job_id)
    assert (job.state, job.number) == (JobState.COMPLETED, 1)
    assert lines(rig.folder / "runs") == ["run"]
    until(lambda: {worker.id for worker in rig.crew()} - {runner.id})
    until(lambda: runner.id not in {entry.id for entry in rig.queue.registry.registered()})


# -- Jobs that are killed


def test_a_job_that_is_killed_for_its_memory(rig: Rig) -> None:
    rig.start()

    killed = rig.run("echo much >&2; kill -9 $$", max_retries=0)
    starved = rig.run(
        f"ulimit -v 400000; exec {sys.executable} -c 'len(bytes(1 << 30))'", max_retries=0
    )

    assert (killed.state, killed.exit_code, killed.signal) == (JobState.DEAD, None, 9)
    assert killed.last_error == "killed by SIGKILL: much"
    assert (starved.state, starved.exit_code) == (JobState.DEAD, 1)
    assert starved.last_error == "exit code 1: MemoryError"
    assert rig.run("true").worker == killed.worker
