"""Stopping is graceful, then certain: by order, and by signals in a terminal."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

import workers
from store import AttemptState, JobState, NewJob, WorkerState
from tests.workers.rig import Rig, gated, until


def test_a_drain_lets_the_running_job_end_and_takes_no_more(rig: Rig) -> None:
    rig.start()
    job_id = rig.add("echo up > up; sleep 2 && touch done")
    rig.file("up")

    workers.stop(rig.queue, workers.living(rig.queue), now=False)
    until(lambda: [worker.state for worker in rig.crew()] == [WorkerState.DRAINING])
    later = rig.add("true")
    assert rig.queue.job(job_id).state is JobState.PROCESSING
    until(lambda: not workers.living(rig.queue))

    assert rig.queue.job(job_id).state is JobState.COMPLETED
    assert (rig.folder / "done").exists()
    assert rig.queue.job(later).state is JobState.PENDING
    assert rig.history(later) == []
    assert not rig.marked()
    assert rig.queue.registry.registered() == []


def test_a_drain_ends_between_jobs_that_fail_to_start(rig: Rig) -> None:
    ids = rig.queue.enqueue(
        NewJob(argv=("/no/such/program",), cwd=str(rig.folder), max_retries=0) for _ in range(3000)
    )
    rig.start()
    until(lambda: rig.queue.status().counts[JobState.DEAD] > 20)

    rig.stop()

    assert rig.queue.status().counts[JobState.DEAD] < len(ids)


def test_stop_now_gives_the_job_back_and_the_next_start_runs_it(rig: Rig) -> None:
    rig.start()
    line = (
        "[ $QUEUECTL_ATTEMPT = 1 ] && exit 1; [ -e again ] && exit 0; "
        "echo up > up; sleep 60 & sleep 60"
    )
    job_id = rig.add(line, backoff_base=1)
    rig.file("up")
    assert rig.queue.job(job_id).attempts == 2

    rig.stop(now=True)

    job = rig.queue.job(job_id)
    assert (job.state, job.attempts) == (JobState.PENDING, 1)
    assert [attempt.state for attempt in rig.history(job_id)] == [
        AttemptState.FAILED,
        AttemptState.RELEASED,
    ]
    assert not rig.marked()

    (rig.folder / "again").touch()
    rig.start()
    job = rig.ended(job_id)
    assert (job.state, job.attempts, job.number) == (JobState.COMPLETED, 2, 3)


def test_stop_now_kills_what_ignores_sigterm_after_the_grace(rig: Rig) -> None:
    rig.start()
    job_id = rig.add('trap "" TERM; echo up > up; sleep 60 & sleep 60', stop_grace=0.5)
    rig.file("up")

    rig.stop(now=True)

    assert rig.queue.job(job_id).state is JobState.PENDING
    assert not rig.marked()


def test_stop_now_after_a_drain_stops_what_the_drain_waits_for(rig: Rig) -> None:
    rig.start()
    job_id = rig.add("echo up > up; sleep 60")
    rig.file("up")
    workers.stop(rig.queue, workers.living(rig.queue), now=False)
    until(lambda: [worker.state for worker in rig.crew()] == [WorkerState.DRAINING])

    rig.stop(now=True)

    assert rig.queue.job(job_id).state is JobState.PENDING


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_first_signal_drains_and_says_what_it_waits_for(
    rig: Rig, number: signal.Signals
) -> None:
    foreground = rig.foreground()
    job_id = rig.add(f"echo up > up; {gated()}")
    rig.file("up")

    foreground.hears(number)
    worker = rig.runner_of(job_id)
    until(lambda: f"waiting for {worker.id}, which runs {job_id}" in foreground.said())
    assert f"{number.name}: draining" in foreground.said()
    assert foreground.process.poll() is None
    rig.open_gate()

    assert foreground.exit_code() == 0
    assert rig.queue.job(job_id).state is JobState.COMPLETED
    assert not rig.marked()


def test_a_second_signal_a_second_later_stops_hard(rig: Rig) -> None:
    foreground = rig.foreground()
    job_id = rig.add("echo up > up; sleep 60")
    rig.file("up")

    foreground.hears(signal.SIGINT)
    until(lambda: "draining" in foreground.said())
    noted_at = time.monotonic()
    until(lambda: time.monotonic() > noted_at + 1.1)
    assert rig.queue.job(job_id).state is JobState.PROCESSING
    foreground.hears(signal.SIGINT)

    foreground.exit_code()
    job = rig.queue.job(job_id)
    assert (job.state, job.attempts) == (JobState.PENDING, 0)
    assert f"{job_id} given back" in foreground.said()
    assert not rig.marked()


def test_two_signals_at_once_are_one_wish(rig: Rig) -> None:
    foreground = rig.foreground()
    job_id = rig.add(f"echo up > up; {gated()}")
    rig.file("up")

    foreground.hears(signal.SIGTERM)
    foreground.hears(signal.SIGINT)
    until(lambda: "draining" in foreground.said())
    rig.open_gate()

    assert foreground.exit_code() == 0
    assert rig.queue.job(job_id).state is JobState.COMPLETED


def test_a_first_signal_during_an_ordered_drain_stops_nothing(rig: Rig) -> None:
    foreground = rig.foreground()
    job_id = rig.add(f"echo up > up; {gated()}")
    rig.file("up")
    workers.stop(rig.queue, workers.living(rig.queue), now=False)
    until(lambda: "waiting for" in foreground.said())

    foreground.hears(signal.SIGTERM)
    until(lambda: "SIGTERM" in foreground.said())
    rig.open_gate()

    assert foreground.exit_code() == 0
    assert rig.queue.job(job_id).state is JobState.COMPLETED


def test_the_foreground_tells_one_line_an_event(rig: Rig) -> None:
    foreground = rig.foreground("--count", "2")
    good = rig.run("true")
    bad = rig.run("echo '\033[2J cause' >&2; exit 3", max_retries=0)
    foreground.hears(signal.SIGTERM)
    foreground.exit_code()

    said = foreground.said()
    lines = [line.split(" ", 1)[1] for line in said.splitlines()]
    ran_by = f"{good.worker} {good.id}"
    assert [line for line in lines if good.id in line] == [
        f"{ran_by} started, attempt 1",
        f"{ran_by} completed",
    ]
    (failure,) = [line for line in lines if f"{bad.id} failed" in line]
    assert failure.startswith(f"{bad.worker} {bad.id} failed: exit code 3: ")
    assert failure.endswith("cause")
    assert "\033" not in said
    assert lines[-1] == "stopped: no worker is left"


def test_a_second_start_in_the_foreground_is_refused(rig: Rig) -> None:
    supervisor = rig.start()

    second = subprocess.run(
        [sys.executable, "-P", "-m", "queuectl_tui", "--db", rig.queue.url, "worker", "start"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert line.startswith("Error: ")
    for part in (supervisor.id, str(supervisor.pid), "worker scale", "--pool"):
        assert part in line
    assert rig.run("true").state is JobState.COMPLETED
