"""Lists of any length."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable, Iterable
from random import Random

import pytest

from store import (
    SORT_COLUMNS,
    AttemptState,
    Interrupted,
    Job,
    JobFilter,
    JobState,
    NewJob,
    Order,
    Outcome,
    listing,
)
from store.queue import Queue
from tests.store.conftest import FakeClock

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


FILTERS = {
    "all": JobFilter(),
    "one state": JobFilter(states=frozenset({JobState.PENDING})),
    "two states": JobFilter(states=frozenset({JobState.DEAD, JobState.COMPLETED})),
    "a queue": JobFilter(queue="mail"),
    "a word": JobFilter(search="echo 1"),
    "a word in a state": JobFilter(search="ECHO", states=frozenset({JobState.COMPLETED})),
    "nothing": JobFilter(queue="nowhere"),
}


def live_through(queue: Queue, clock: FakeClock, count: int, *, gaps: bool) -> None:
    """Jobs that differ in all that a list can be sorted by."""
    chance = Random(3)
    for at in range(count):
        clock.advance(1)
        queue.enqueue(
            [
                NewJob(
                    command=f"echo {at * 7 % 13}",
                    id=f"j{at * 17 % count:02}",
                    queue=("default", "mail", "video")[at % 3],
                    priority=at % 3 - 1,
                    delay=chance.choice((0, 0, 3600)),
                    max_retries=at % 2,
                )
            ]
        )
    for _ in range(count // 2):
        clock.advance(1)
        lease = queue.claim("w1")
        assert lease is not None
        state = chance.choice((AttemptState.COMPLETED, AttemptState.FAILED))
        code = 0 if state is AttemptState.COMPLETED else chance.choice((1, 2, None))
        queue.finish(lease, Outcome(state, exit_code=code))
    if gaps:
        queue.delete_matching(JobFilter(states=frozenset({JobState.DEAD}), exit_code=1))


@pytest.mark.parametrize("few", [2, 1_000])
@pytest.mark.parametrize("gaps", [False, True])
def test_any_part_is_cut_out_of_the_same_list(
    queue: Queue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, few: int, gaps: bool
) -> None:
    monkeypatch.setattr(listing, "_FEW", few)
    live_through(queue, clock, 45, gaps=gaps)
    for wanted in FILTERS.values():
        for order in (Order(column, reverse=turn) for column in SORT_COLUMNS for turn in (0, 1)):
            whole = queue.jobs(wanted, order)
            for offset in (0, 9, 33, 70):
                for at in (None, *range(0, len(whole), 17)):
                    found = queue.window(
                        wanted,
                        order,
                        offset=offset,
                        limit=8,
                        follow=None if at is None else whole[at].id,
                    )
                    assert (found.total, found.position) == (len(whole), at)
                    assert list(found.rows) == whole[offset : offset + 8]


def test_a_job_that_is_not_in_the_list_has_no_place(queue: Queue) -> None:
    add(queue, 3)

    for wanted in (JobFilter(search="echo 0"), JobFilter(states=frozenset({JobState.DEAD}))):
        found = queue.window(wanted, Order("state"), offset=0, limit=8, follow="j1")
        assert found.position is None
    assert queue.window(JobFilter(), Order(), offset=0, limit=8, follow="gone").position is None


def test_a_part_may_be_chosen_by_what_is_found(queue: Queue) -> None:
    add(queue, 30)
    asked = []

    def place(total: int, position: int | None) -> int:
        asked.append((total, position))
        return 20

    found = queue.window(JobFilter(), Order(), offset=place, limit=2, follow="j11")

    assert asked == [(30, 11)]
    assert [job.id for job in found.rows] == ["j20", "j21"]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        *((column, JobFilter()) for column in ("created", "id", "state")),
        ("created", FILTERS["one state"]),
        ("state", FILTERS["two states"]),
    ],
)
def test_what_an_index_holds_sorted_is_not_sorted_again(
    queue: Queue, column: str, wanted: JobFilter, reverse: bool
) -> None:
    add(queue, 20)
    order = Order(column, reverse=reverse)

    plans = plans_of(queue, lambda: queue.window(wanted, order, offset=6, limit=5, follow="j9"))

    assert any("SEARCH t1" in plan for plan in plans)
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]
    assert all(" USING " in line for plan in plans for line in plan.split("; ") if "t1" in line)


@pytest.mark.parametrize("column", SORT_COLUMNS)
def test_only_row_numbers_are_sorted(queue: Queue, column: str) -> None:
    """Whole rows are read by number: to drag them through a sort takes ten times as long."""
    add(queue, 20)
    statements: list[str] = []
    queue._database.connection().set_trace_callback(statements.append)

    queue.window(JobFilter(), Order(column), offset=6, limit=5, follow="j9")

    assert [each for each in statements if '"last_error"' in each and "ORDER BY" in each] == []
    assert [each for each in statements if "ROW_NUMBER" in each] == []


def plans_of(queue: Queue, ask: Callable[[], object]) -> list[str]:
    """How SQLite goes about each of the questions that ``ask`` asks."""
    connection = queue._database.connection()
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    ask()
    connection.set_trace_callback(None)
    return [
        "; ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))
        for statement in statements
        if '"t1"' in statement
    ]


def test_jobs_without_a_recorded_error_can_be_asked_for(queue: Queue) -> None:
    queue.enqueue(NewJob(command="true", id=name, max_retries=0) for name in ("said", "silent"))
    for error in ("exit 1: boom", None):
        lease = queue.claim("w1")
        assert lease is not None
        queue.finish(lease, Outcome(AttemptState.FAILED, exit_code=1, error=error))

    groups = [(group.error, group.example) for group in queue.error_groups()]

    assert groups == [("", "silent"), ("exit 1: boom", "said")]
    for error, job_id in groups:
        assert [job.id for job in queue.jobs(JobFilter(error=error))] == [job_id]


def test_a_reading_is_given_up_from_another_thread(queue: Queue) -> None:
    stop = queue.interrupter()
    given_up = threading.Event()

    def insist() -> None:
        while not given_up.wait(0.01):
            stop()

    insisting = threading.Thread(target=insist)
    insisting.start()
    with pytest.raises(Interrupted), queue._database.read() as connection:
        connection.execute(
            "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000000000)"
            " SELECT sum(x) FROM n"
        ).fetchall()
    given_up.set()
    insisting.join()

    queue.enqueue([NewJob(command="true", id="after")])
    assert queue.job("after").state is JobState.PENDING


def test_of_many_ids_those_are_found_that_are_not_listed(queue: Queue) -> None:
    add(queue, 300)
    queue.cancel(["j6", "j299"])
    queue.delete(["j6", "j299"])

    ids = [f"j{at}" for at in range(302)]
    assert queue.outside(ids) == ["j6", "j299", "j300", "j301"]
    queue.cancel(["j7"])
    cancelled = JobFilter(states=frozenset({JobState.CANCELLED}))
    assert queue.outside(["j6", "j7", "j8"], cancelled) == ["j6", "j8"]
    assert queue.outside([]) == []
