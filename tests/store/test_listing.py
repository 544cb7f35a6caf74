"""Lists of any length."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable

import pytest

from store import SORT_COLUMNS, Job, JobFilter, JobState, NewJob, Order
from store.queue import Queue

PAGES = 1_200


def add(queue: Queue, count: int) -> None:
    queue.enqueue(
        NewJob(
            command=f"echo {at * 7 % 13}",
            id=f"j{at}",
            priority=at % 5,
            label="even" if at % 2 == 0 else None,
            depends_on=(f"j{at - 1}",) if at % 3 == 2 else (),
        )
        for at in range(count)
    )


@pytest.mark.parametrize("column", SORT_COLUMNS)
@pytest.mark.parametrize("reverse", [False, True])
def test_one_by_one_is_the_same_list(queue: Queue, column: str, reverse: bool) -> None:
    add(queue, PAGES)
    order = Order(column, reverse=reverse)

    assert list(queue.iter_jobs(order=order)) == queue.jobs(order=order)


@pytest.mark.parametrize(
    "wanted",
    [
        JobFilter(label="even"),
        JobFilter(states=frozenset({JobState.BLOCKED, JobState.PENDING}), search="ECHO 1"),
        JobFilter(queue="nowhere"),
    ],
)
@pytest.mark.parametrize("limit", [None, 0, 510])
@pytest.mark.parametrize("offset", [0, 3, 5_000])
def test_one_by_one_of_a_part(
    queue: Queue, wanted: JobFilter, limit: int | None, offset: int
) -> None:
    add(queue, PAGES)

    found = list(queue.iter_jobs(wanted, limit=limit, offset=offset))

    assert found == queue.jobs(wanted, limit=limit, offset=offset)


def test_newest_first(queue: Queue) -> None:
    add(queue, 2)

    assert [job.id for job in queue.iter_jobs()] == ["j1", "j0"]


def test_the_store_may_change_between_two(queue: Queue) -> None:
    add(queue, PAGES)
    jobs = queue.iter_jobs(JobFilter(states=frozenset({JobState.PENDING})), Order())

    seen = [next(jobs).id]
    queue.cancel(["j1198"])
    queue.enqueue([NewJob(command="true", id="late")])
    seen += [job.id for job in jobs]

    assert seen == [f"j{at}" for at in range(PAGES) if at % 3 != 2 and at != 1198]


def test_a_long_list_costs_little_memory(queue: Queue) -> None:
    add(queue, 5_000)

    assert peak(queue.iter_jobs) * 4 < peak(queue.jobs)


def peak(read: Callable[[], Iterable[Job]]) -> int:
    """Bytes held at most while all of it is read."""
    tracemalloc.start()
    try:
        assert sum(1 for _ in read()) == 5_000
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
