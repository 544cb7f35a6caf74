"""Large batches: every row as it was given, whichever rows go in together, in little memory."""

from __future__ import annotations

import io
import tracemalloc

import pytest

from store import IdInUse, Job, JobState, KeyInUse, NewJob, Order
from store.jobspec import read_jobs
from store.queue import Queue

from .steps import add

ROWS_IN_BLOCK = 1_000


@pytest.mark.parametrize(
    "size",
    [
        *(1, 9, 10, 11, 49, 50, 51, 99),  # rows go in by fifties, by tens and one by one
        *(ROWS_IN_BLOCK - 1, ROWS_IN_BLOCK, ROWS_IN_BLOCK + 1, 2 * ROWS_IN_BLOCK + 77),
    ],
)
@pytest.mark.parametrize("alike", [True, False])
def test_every_job_comes_in_as_it_was_given(queue: Queue, size: int, alike: bool) -> None:
    jobs = [NewJob(command="true", cwd="/") if alike else _varied(number) for number in range(size)]
    ids = queue.enqueue(jobs)
    stored = queue.jobs(order=Order())
    assert [job.id for job in stored] == [*ids]
    assert [*map(_given, stored)] == [
        job._replace(id=None, run_at=stored[at].run_at, max_retries=3, timeout=0.0)
        for at, job in enumerate(jobs)
    ]
    assert [one for one in ids if one.startswith("given")] == [job.id for job in jobs if job.id]


def _varied(number: int) -> NewJob:
    """Runs of jobs that have something in common, of lengths that fit nothing."""
    return NewJob(
        command=None if number % 7 == 0 else f"echo {number}",
        argv=("echo", str(number)) if number % 7 == 0 else None,
        id=f"given{number}" if number % 3 == 0 else None,
        queue=f"q{number // 300}",
        priority=number // 40 % 3,
        cwd="/",
        env={"N": str(number)} if number % 1_100 > 1_000 else {},
        label="quoted ' and \" é" if number // 70 % 2 else None,
        unique_key=f"key{number}" if number % 450 == 1 else None,
        stop_grace=2.5 if number > 900 else None,
        backoff_base=1.5 if number % 999 == 0 else None,
    )


def _given(job: Job) -> NewJob:
    """What of a stored job was given with it, its id apart."""
    return NewJob(**{name: getattr(job, name) for name in _GIVEN})


_GIVEN = {*NewJob._fields} - {"id", "delay"}


def test_the_ids_of_a_large_batch_can_be_read_as_those_of_a_small_one(queue: Queue) -> None:
    few = queue.enqueue(_varied(number) for number in range(3))
    many = queue.enqueue(
        _varied(number)._replace(id=None, unique_key=None) for number in range(2_500)
    )
    stored = [job.id for job in queue.jobs(order=Order())]
    assert [*few, *many] == stored
    assert len(many) == 2_500
    assert (many[0], many[-1], [*many[998:1002]]) == (stored[3], stored[-1], stored[1001:1005])
    assert stored[2_000] in many
    assert stored[0] not in many
    assert [*zip(many, many, strict=True)] == [(one, one) for one in stored[3:]]


def test_of_a_large_batch_only_what_is_new_comes_in(queue: Queue) -> None:
    add(queue, *(f"given{number}" for number in range(0, 2_000, 2)))
    add(queue, "holder", unique_key="k")
    jobs = [NewJob(command="x", id=f"given{number}") for number in range(2_000)]
    jobs[1_501] = jobs[1_501]._replace(unique_key="k", depends_on=("holder",))
    jobs[1_503] = jobs[1_503]._replace(depends_on=("holder",))
    new = [job.id for job in jobs[1::2] if job.unique_key is None]
    ids = queue.enqueue(jobs, skip_existing=True)
    assert [*ids] == new
    assert len(ids) == len(new) == 999
    assert queue.job("given1503").depends_on == ("holder",)
    counts = queue.status().counts
    assert (counts[JobState.PENDING], counts[JobState.BLOCKED]) == (1_999, 1)


def test_the_last_job_of_a_large_batch_can_refuse_it(queue: Queue) -> None:
    add(queue, "taken", unique_key="k")
    many = [NewJob(command="x")] * 2_049
    with pytest.raises(IdInUse, match="taken"):
        queue.enqueue([*many, NewJob(command="x", id="taken")])
    with pytest.raises(KeyInUse, match="taken"):
        queue.enqueue([*many, NewJob(command="x", unique_key="k")])
    assert queue.count() == queue.status().counts[JobState.PENDING] == 1


def test_a_larger_batch_takes_no_more_memory(queue: Queue) -> None:
    peaks = [_peak(queue, size) for size in (4_000, 4_000, 16_000)]
    assert peaks[-1] < 1.2 * peaks[-2]


def _peak(queue: Queue, size: int) -> int:
    """Bytes that Python held at most while JSON Lines went in and their ids were read."""
    lines = io.BytesIO(b'{"command":"true"}\n' * size)
    tracemalloc.start()
    try:
        ids = queue.enqueue(read_jobs(lines, now=queue.now(), cwd="/"))
        assert sum(1 for _ in ids) == size
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
