"""Workers that leave once nothing is left to run."""

from __future__ import annotations

import signal
import sqlite3

import pytest

import workers
from store import AttemptState, JobState, NewJob, Outcome
from tests.workers.rig import Foreground, Rig, gated, until


def started(rig: Rig, *options: str) -> Foreground:
    return rig.foreground("--until-empty", *options)


def hold(rig: Rig, *ids: str) -> None:
    with sqlite3.connect(rig.queue.path) as connection:
        connection.executemany(
            "UPDATE job SET ready = 0, held = 1 WHERE id = ?", [(job_id,) for job_id in ids]
        )


def died(rig: Rig, job_id: str) -> None:
    """A job that is dead already."""
    rig.add("false", id=job_id, max_retries=0, priority=1000)
    lease = rig.queue.claim("w0")
    assert lease is not None
    rig.queue.finish(lease, Outcome(AttemptState.FAILED, exit_code=1))


def test_it_leaves_at_once_when_there_is_nothing(rig: Rig) -> None:
    rig.queue.schedules.add("hourly", NewJob(command="true"), every=3600)

    foreground = started(rig)

    assert foreground.exit_code() == 0
    assert "no job is left to run\n" in foreground.said()
    assert "worker w" not in foreground.said()  # none was started
    assert rig.queue.registry.registered() == []


def test_it_runs_what_is_ready_retrying_due_later_and_blocked_behind_those(rig: Rig) -> None:
    ready = rig.add("true")
    fails_once = rig.add('[ "$QUEUECTL_ATTEMPT" = 2 ]', max_retries=1, backoff_base=1)
    later = rig.add("true", delay=1.5)
    behind = rig.add("true", depends_on=(later,))
    further = rig.add("true", depends_on=(behind, ready))

    foreground = started(rig, "--count", "2")

    assert foreground.exit_code() == 0, foreground.said()
    for job_id in (ready, fails_once, later, behind, further):
        assert rig.queue.job(job_id).state is JobState.COMPLETED
    assert "left:" not in foreground.said()


def test_what_needs_somebody_is_named_and_left(rig: Rig) -> None:
    died(rig, "x")
    behind = [rig.add("true", depends_on=("x",))]
    behind.append(rig.add("true", depends_on=(behind[0],)))
    held = [rig.add("true"), rig.add("true", delay=3600)]
    hold(rig, *held)
    paused = [rig.add("true", queue="net") for _ in range(3)]
    hold(rig, paused[0])
    rig.queue.queues.set_paused(["net"], True)
    runs = rig.add("true")

    foreground = started(rig)

    assert foreground.exit_code() == 0  # x was dead before
    assert rig.queue.job(runs).state is JobState.COMPLETED
    assert (
        "no job is left to run; left: 2 held, 3 in paused queue net, 2 blocked behind x (DEAD)\n"
    ) in foreground.said()
    assert all(rig.queue.job(job_id).number == 0 for job_id in (*behind, *held, *paused))


def test_a_death_in_its_queues_is_told_by_the_exit_code(rig: Rig) -> None:
    rig.add("false", max_retries=0, queue="mail")

    foreground = started(rig, "--queue", "mail")

    assert foreground.exit_code() == 1
    assert foreground.said().endswith("1 of its jobs died; list them with: queuectl-tui dlq list\n")


def test_other_queues_are_not_its_business(rig: Rig) -> None:
    other = rig.add("true", queue="b")
    rig.add("true", queue="a", depends_on=(other,))

    foreground = started(rig, "--queue", "a")

    assert foreground.exit_code() == 0
    assert f"left: 1 blocked behind {other} (PENDING)\n" in foreground.said()
    assert rig.queue.job(other).number == 0


def test_it_waits_for_what_others_do_first(rig: Rig) -> None:
    rig.start(pool="other", queues=["b"])
    first = rig.add(gated(), queue="b")
    second = rig.add("true", queue="b", depends_on=(first,))
    last = rig.add("true", queue="a", depends_on=(second,))

    foreground = started(rig, "--queue", "a")
    rig.run("sleep 1.2", queue="a")  # time enough to have looked again
    assert foreground.process.poll() is None
    rig.open_gate()

    assert foreground.exit_code() == 0
    assert rig.queue.job(last).state is JobState.COMPLETED


def test_what_others_run_of_its_queues_keeps_it(rig: Rig) -> None:
    rig.start(pool="other")
    job_id = rig.add(gated())
    rig.reached(job_id, JobState.PROCESSING)

    foreground = started(rig)
    rig.run("sleep 1.2")  # time enough to have looked again
    assert foreground.process.poll() is None
    rig.open_gate()

    assert foreground.exit_code() == 0
    assert rig.queue.job(job_id).state is JobState.COMPLETED


def test_it_can_be_stopped_before(rig: Rig) -> None:
    rig.add("true", delay=3600)
    foreground = started(rig)

    foreground.hears(signal.SIGINT)

    assert foreground.exit_code() == 0
    assert "no job is left" not in foreground.said()


def test_detached_it_leaves_too(rig: Rig) -> None:
    with pytest.raises(workers.LeftAlready, match="no job is left to run"):
        workers.start_detached(rig.queue, until_empty=True)

    job_id = rig.add(gated())
    workers.start_detached(rig.queue, until_empty=True)
    rig.open_gate()

    until(lambda: not workers.living(rig.queue))
    assert rig.queue.job(job_id).state is JobState.COMPLETED
    assert rig.queue.registry.registered() == []
