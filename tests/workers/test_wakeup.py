"""Idle workers start at once, and cost next to nothing while there is nothing to do."""

from __future__ import annotations

import statistics

import psutil

import workers
from tests.workers.rig import Rig, until


def test_an_idle_worker_starts_a_job_long_before_it_would_look_by_itself(rig: Rig) -> None:
    rig.start(1)
    rig.run("true")
    delays = []
    for _ in range(10):
        job = rig.run("true")
        delays.append((job.started_at or 0) - job.created_at)

    # A worker that has just found nothing looks again after a whole second. Had the doorbell not
    # rung, each of these would have waited for about that long.
    print(f"enqueue to start: median {statistics.median(delays):g} ms")
    assert statistics.median(delays) < 500


def test_all_idle_workers_are_woken_by_one_batch(rig: Rig) -> None:
    rig.start(3)
    line = "echo here >> here; until [ $(wc -l < here) = 3 ]; do sleep 0.02; done"

    ids = [rig.add(line, timeout=30) for _ in range(3)]

    assert len({rig.ended(job_id).worker for job_id in ids}) == 3


def test_idle_workers_cost_next_to_no_cpu(rig: Rig) -> None:
    rig.start(2)
    rig.add("true", delay=3600)
    crew = [psutil.Process(worker.pid) for worker in workers.living(rig.queue)]

    def used() -> float:
        return sum(times.user + times.system for times in (p.cpu_times() for p in crew))

    began_at = rig.queue.now()
    until(lambda: rig.queue.now() - began_at > 500)  # they have settled
    before, began_at = used(), rig.queue.now()
    until(lambda: rig.queue.now() - began_at > 2000)

    assert used() - before < 0.2  # a tenth of one CPU; about a hundredth is usual
