"""From enqueued to ended: attempts, retries, order."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise

from store import AttemptState, JobState, NewJob
from tests.workers.rig import Rig, gated, until

FAILING = 'echo first >&2; echo "no luck in attempt $QUEUECTL_ATTEMPT" >&2; exit 3'


def waits(rig: Rig, job_id: str) -> list[int]:
    """Milliseconds between the end of an attempt and the start of the next."""
    history = rig.history(job_id)
    return [after.started_at - (before.finished_at or 0) for before, after in pairwise(history)]


def test_a_command_that_exits_0_completes_its_job(rig: Rig) -> None:
    supervisor = rig.start()

    job = rig.run("echo hello")

    assert (job.state, job.attempts, job.exit_code, job.last_error) == (
        JobState.COMPLETED,
        1,
        0,
        None,
    )
    (attempt,) = rig.history(job.id)
    assert attempt.state is AttemptState.COMPLETED
    assert attempt.finished_at is not None
    assert job.created_at <= attempt.started_at <= attempt.finished_at
    (worker,) = rig.crew()
    assert (attempt.worker, worker.supervisor) == (worker.id, supervisor.id)
    assert rig.output(job.id) == b"hello\n"


def test_a_failing_job_is_retried_then_dead_and_starts_over_when_told(rig: Rig) -> None:
    rig.start()

    job = rig.run(FAILING, max_retries=2, backoff_base=1.2)

    assert (job.state, job.attempts, job.exit_code) == (JobState.DEAD, 3, 3)
    assert job.last_error == "exit code 3: no luck in attempt 3"
    history = rig.history(job.id)
    assert [attempt.number for attempt in history] == [1, 2, 3]
    assert [attempt.state for attempt in history] == [AttemptState.FAILED] * 3
    assert [attempt.exit_code for attempt in history] == [3, 3, 3]
    assert [attempt.error for attempt in history] == [
        f"exit code 3: no luck in attempt {number}" for number in (1, 2, 3)
    ]
    first, second = waits(rig, job.id)
    assert first >= 1200
    assert second >= 1440

    rig.stop()
    (again,) = rig.queue.retry([job.id])
    assert (again.state, again.attempts) == (JobState.PENDING, 0)
    assert rig.history(job.id) == history

    rig.start()
    until(lambda: len(rig.history(job.id)) == 4)
    job = rig.reached(job.id, JobState.FAILED)
    assert (job.attempts, job.number) == (1, 4)
    assert job.last_error == "exit code 3: no luck in attempt 4"
    assert rig.history(job.id)[:3] == history


def test_by_default_retries_wait_2_and_4_seconds(rig: Rig) -> None:
    rig.start()

    job_id = rig.add("exit 3", max_retries=2)
    failed = rig.reached(job_id, JobState.FAILED)
    assert failed.run_at >= (failed.finished_at or 0) + 2000
    rig.ended(job_id)

    first, second = waits(rig, job_id)
    assert 2000 <= first < 4000
    assert 4000 <= second < 8000


def test_a_command_killed_by_a_signal_says_so(house: Rig) -> None:
    job = house.run("echo before >&2; kill -KILL $$", max_retries=0)

    assert (job.state, job.exit_code, job.signal) == (JobState.DEAD, None, 9)
    assert job.last_error == "killed by SIGKILL: before"


def test_the_history_tells_what_an_attempt_used(house: Rig) -> None:
    job = house.run("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo out; echo error >&2")

    (attempt,) = house.history(job.id)
    assert (attempt.stdout_bytes, attempt.stderr_bytes) == (4, 6)
    assert attempt.cpu_seconds is not None
    assert 0 < attempt.cpu_seconds < 20
    assert attempt.max_rss_bytes is None or attempt.max_rss_bytes > 100_000


def test_four_workers_run_300_jobs_once_each(rig: Rig) -> None:
    ids = rig.queue.enqueue(
        NewJob(command="echo $QUEUECTL_JOB_ID >> done", cwd=str(rig.folder)) for _ in range(300)
    )
    rig.start(4)

    until(lambda: rig.queue.status().counts[JobState.COMPLETED] == len(ids))

    ran = (rig.folder / "done").read_text().split()
    assert sorted(ran) == sorted(ids)
    assert sum(worker.done for worker in rig.crew()) == len(ids)
    rig.stop()
    rig.start(1)
    assert rig.queue.status().counts[JobState.COMPLETED] == len(ids)


def test_a_delayed_job_starts_when_it_is_due(rig: Rig) -> None:
    rig.start()

    delayed = rig.add("echo delayed >> order", delay=1.2)
    rig.run("echo at once >> order")
    job = rig.ended(delayed)

    assert (job.started_at or 0) >= job.run_at
    assert job.run_at >= job.created_at + 1200
    assert (rig.folder / "order").read_text() == "at once\ndelayed\n"


def test_higher_priority_goes_first_then_the_oldest(rig: Rig) -> None:
    ids = [
        rig.add(f"echo {name} >> order", priority=priority)
        for name, priority in (("c", 0), ("a", 5), ("e", -3), ("b", 5), ("d", 0))
    ]

    rig.start(1)
    for job_id in ids:
        rig.ended(job_id)

    assert (rig.folder / "order").read_text().split() == ["a", "b", "c", "d", "e"]


def test_a_job_runs_only_when_those_it_depends_on_have_completed(rig: Rig) -> None:
    line = "sleep 0.05; echo $QUEUECTL_JOB_ID >> order"
    where = str(rig.folder)
    rig.queue.enqueue(
        [
            NewJob(command=line, cwd=where, id="last", depends_on=("left", "right"), priority=9),
            NewJob(
                command=f"sleep 0.4; {line}",
                cwd=where,
                id="right",
                depends_on=("first",),
                priority=8,
            ),
            NewJob(command=line, cwd=where, id="left", depends_on=("first",), priority=7),
            NewJob(command=line, cwd=where, id="first"),
            NewJob(command="exit 1", cwd=where, id="broken", max_retries=0, priority=-9),
            NewJob(command=line, cwd=where, id="never", depends_on=("broken",), priority=9),
        ]
    )

    rig.start(3)
    rig.ended("last")
    rig.ended("broken")

    order = (rig.folder / "order").read_text().split()
    assert order == ["first", "left", "right", "last"]
    assert rig.queue.job("never").state is JobState.BLOCKED


def test_what_a_worker_has_done_is_counted_while_it_goes_on(rig: Rig) -> None:
    rig.queue.enqueue(NewJob(command="true", cwd=str(rig.folder)) for _ in range(3))
    last = rig.add(gated())
    rig.start()

    until(lambda: [worker.done for worker in rig.crew()] == [3])
    assert rig.queue.status().completed_per_minute == 3
    assert rig.queue.job(last).state is JobState.PROCESSING


def test_a_worker_that_cannot_claim_tries_again_in_a_while(rig: Rig) -> None:
    rig.add("true")
    with closing(sqlite3.connect(rig.queue.path)) as connection:
        connection.execute(
            "CREATE TRIGGER deny BEFORE INSERT ON attempt BEGIN SELECT RAISE(ABORT, 'denied'); END"
        )
    program = rig.foreground()

    until(lambda: program.said().count("denied") >= 2)
    assert program.said().count("denied") < 10
