"""Pools of workers: kept up, scaled, paused, side by side."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

import workers
from store import JobState, QueueError, WorkerState
from tests.workers.rig import Rig, gated, until


def test_start_returns_once_the_workers_are_up(rig: Rig) -> None:
    supervisor = rig.start(3)

    assert supervisor.count == 3
    assert [worker.supervisor for worker in rig.crew()] == [supervisor.id] * 3
    assert len({worker.pid for worker in rig.crew()}) == 3


def test_a_worker_that_dies_is_replaced(rig: Rig) -> None:
    rig.start(2)
    first, second = rig.crew()

    os.kill(first.pid, signal.SIGKILL)

    until(lambda: len(rig.crew()) == 2 and first.id not in {worker.id for worker in rig.crew()})
    assert second.id in {worker.id for worker in rig.crew()}
    until(lambda: first.id not in {entry.id for entry in rig.queue.registry.registered()})
    assert rig.run("true").state is JobState.COMPLETED


def test_scaling_up_adds_and_scaling_down_drains(rig: Rig) -> None:
    rig.start(1)
    rig.queue.registry.order("default", count=3)
    until(lambda: len(rig.crew()) == 3)
    ids = [rig.add(f"echo run >> runs; {gated()}") for _ in range(3)]
    for job_id in ids:
        rig.reached(job_id, JobState.PROCESSING)

    rig.queue.registry.order("default", count=1)
    waiting = rig.add("true", priority=-1)
    until(
        lambda: (
            sorted(worker.state for worker in rig.queue.workers() if worker.supervisor)
            == [WorkerState.BUSY] * 3
        )
    )
    rig.open_gate()

    for job_id in (*ids, waiting):
        job = rig.ended(job_id)
        assert (job.state, job.number) == (JobState.COMPLETED, 1)
    until(lambda: len(rig.crew()) == 1)
    assert (rig.folder / "runs").read_text() == "run\n" * 3


def test_scaling_down_takes_the_idle_ones_first(rig: Rig) -> None:
    rig.start(3)
    job_id = rig.add(gated())
    rig.reached(job_id, JobState.PROCESSING)
    busy = rig.runner_of(job_id)

    rig.queue.registry.order("default", count=1)

    until(lambda: [worker.id for worker in rig.crew()] == [busy.id])
    assert rig.queue.job(job_id).state is JobState.PROCESSING
    rig.open_gate()
    assert rig.ended(job_id).state is JobState.COMPLETED
    second = rig.run("true")
    assert second.worker == busy.id


def test_scaling_to_none_keeps_the_supervisor(rig: Rig) -> None:
    supervisor = rig.start(1)

    rig.queue.registry.order("default", count=0)
    until(lambda: not rig.crew())
    assert [worker.id for worker in workers.living(rig.queue)] == [supervisor.id]
    rig.queue.registry.order("default", count=1)

    assert rig.run("true").state is JobState.COMPLETED


def test_a_paused_pool_finishes_what_runs_and_takes_no_more(rig: Rig) -> None:
    rig.start(1)
    rig.start(1, pool="witness", queues=["witness"])
    running = rig.add(gated())
    rig.reached(running, JobState.PROCESSING)

    rig.queue.registry.set_paused("default", True)
    rig.run("sleep 0.5", queue="witness")  # time enough to have heard of it
    first = rig.add("true")
    rig.open_gate()
    assert rig.ended(running).state is JobState.COMPLETED
    until(lambda: [worker.state for worker in rig.crew("default")] == [WorkerState.PAUSED])
    second = rig.add("true")
    rig.run("sleep 0.5", queue="witness")  # time enough to have taken them
    assert [rig.queue.job(job_id).number for job_id in (first, second)] == [0, 0]

    rig.queue.registry.set_paused("default", False)
    for job_id in (first, second):
        assert rig.ended(job_id).state is JobState.COMPLETED


def test_a_worker_that_starts_in_a_paused_pool_is_paused(rig: Rig) -> None:
    rig.start(1)
    rig.start(1, pool="witness", queues=["witness"])
    rig.queue.registry.set_paused("default", True)
    until(lambda: [worker.state for worker in rig.crew("default")] == [WorkerState.PAUSED])

    rig.queue.registry.order("default", count=2)
    until(lambda: len(rig.crew("default")) == 2)
    waiting = rig.add("true")
    rig.run("sleep 0.5", queue="witness")

    assert rig.queue.job(waiting).state is JobState.PENDING


def test_a_pool_that_was_paused_starts_paused_and_says_how_to_go_on(rig: Rig) -> None:
    rig.queue.registry.set_paused("night", True)
    waiting = rig.add("true")
    foreground = rig.foreground("--pool", "night")
    rig.start(1, pool="witness", queues=["witness"])

    until(lambda: [worker.state for worker in rig.crew("night")] == [WorkerState.PAUSED])
    rig.run("sleep 0.5", queue="witness")  # time enough to have taken it
    assert rig.queue.job(waiting).number == 0
    assert "pool night is paused" in foreground.said()
    assert "queuectl-tui worker resume --pool night" in foreground.said()

    rig.queue.registry.set_paused("night", False)
    assert rig.ended(waiting).state is JobState.COMPLETED
    assert "pool night takes jobs again" in foreground.said()


@pytest.mark.parametrize("why", ["paused", "disk nearly full"])
def test_a_worker_that_may_take_nothing_sleeps_even_when_a_job_is_due(rig: Rig, why: str) -> None:
    rig.start(1)
    if why == "paused":
        rig.queue.registry.set_paused("default", True)
        until(lambda: [worker.state for worker in rig.crew()] == [WorkerState.PAUSED])
    else:
        rig.queue.settings.set("min_free_space", f"{2 * rig.queue.free_space()}")
    job = rig.queue.job(rig.add("true", delay=0.1))
    until(lambda: rig.queue.now() > job.run_at)
    (worker,) = rig.crew()
    process = psutil.Process(worker.pid)

    before, began_at = process.cpu_times(), rig.queue.now()
    until(lambda: rig.queue.now() - began_at > 1500)
    after = process.cpu_times()

    assert after.user + after.system - before.user - before.system < 0.3


def test_a_second_supervisor_of_a_pool_is_refused(rig: Rig) -> None:
    supervisor = rig.start(1)

    with pytest.raises(QueueError) as caught:
        rig.start(2)

    for part in (supervisor.id, str(supervisor.pid), "worker scale", "--pool"):
        assert part in str(caught.value)
    assert len(rig.crew()) == 1


def test_pools_live_side_by_side(rig: Rig) -> None:
    one = rig.start(1)
    two = rig.start(2, pool="two")
    assert {worker.supervisor for worker in rig.crew("two")} == {two.id}

    rig.stop(pool="two")

    assert [worker.supervisor for worker in rig.crew()] == [one.id]
    assert rig.run("true").state is JobState.COMPLETED


def test_a_pool_takes_jobs_of_its_queues_only(rig: Rig) -> None:
    rig.start(2, queues=["a", "b"])
    other = rig.add("true", queue="c", priority=1000)
    due = rig.add("true", queue="c", delay=0.2)

    assert rig.run("sleep 0.3", queue="a").state is JobState.COMPLETED
    assert rig.run("true", queue="b").state is JobState.COMPLETED
    assert [rig.queue.job(job_id).state for job_id in (other, due)] == [JobState.PENDING] * 2

    pool = rig.start(1, pool="rest", queues=["c"])
    assert {rig.ended(other).worker, rig.ended(due).worker} == {rig.crew("rest")[0].id}
    assert pool.queues == ("c",)


def test_a_pool_starts_again_after_it_was_stopped(rig: Rig) -> None:
    first = rig.start()
    rig.stop()
    assert rig.queue.registry.registered() == []

    assert rig.start().id != first.id
    assert rig.run("true").state is JobState.COMPLETED
