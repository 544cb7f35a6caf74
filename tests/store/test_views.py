"""What is read of the queue."""

from __future__ import annotations

import pytest

from store import (
    AttemptState,
    JobFilter,
    JobState,
    LeaseLost,
    NewJob,
    Order,
    Outcome,
    Output,
    Stream,
)
from store.queue import Queue

from .conftest import FakeClock
from .steps import DONE, FAILED, add, claim, run


def test_counts_follow_every_transition(queue: Queue, clock: FakeClock) -> None:
    add(queue, "a", "b", "c", max_retries=1)
    add(queue, "d", depends_on=("a",))
    run(queue, FAILED)
    queue.cancel(["c"])
    claim(queue)
    counted = {state: number for state, number in queue.status().counts.items() if number}
    listed: dict[JobState, int] = {}
    for job in queue.jobs():
        listed[job.state] = listed.get(job.state, 0) + 1
    assert counted == listed


def test_filters_and_search(queue: Queue) -> None:
    add(queue, "one", label="nightly 100%")
    queue.enqueue([NewJob(argv=("convert", "Bild_1.png"), id="two", queue="img")])
    assert [job.id for job in queue.jobs(JobFilter(search="00%"))] == ["one"]
    assert [job.id for job in queue.jobs(JobFilter(search="bild_1"))] == ["two"]
    assert queue.jobs(JobFilter(search="BildX1")) == []
    assert [job.id for job in queue.jobs(JobFilter(queue="img"))] == ["two"]


@pytest.mark.parametrize("column", ["created", "state", "priority", "exit", "command"])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_followed_job_is_where_the_list_has_it(queue: Queue, column: str, reverse: bool) -> None:
    for number in range(9):
        add(queue, f"job{number}", priority=number % 3)
    run(queue, FAILED)
    run(queue, DONE)
    order = Order(column, reverse)
    listed = [job.id for job in queue.jobs(order=order)]
    for place, job_id in enumerate(listed):
        window = queue.window(JobFilter(), order, offset=2, limit=3, follow=job_id)
        assert window.position == place
        assert [job.id for job in window.rows] == listed[2:5]
    assert queue.window(JobFilter(), order, offset=0, limit=1, follow="gone").position is None


def test_the_change_token_moves_with_every_commit_and_only_then(queue: Queue) -> None:
    before = queue.change_token()
    assert queue.change_token() == before
    add(queue, "a")
    assert queue.change_token() != before


def test_small_output_is_kept_with_the_attempt(queue: Queue) -> None:
    add(queue, "a")
    lease = claim(queue)
    queue.finish(
        lease,
        Outcome(
            AttemptState.COMPLETED,
            exit_code=0,
            stdout=Output(6, b"hello\n"),
            stderr=Output(0, b""),
        ),
    )
    view = queue.output("a", None, Stream.STDOUT)
    assert (view.live, view.size(), view.read(2, 100)) == (False, 6, b"llo\n")
    assert queue.output("a", 1, Stream.STDERR).read(0, 10) == b""


def test_throughput_counts_the_last_minute(queue: Queue, clock: FakeClock) -> None:
    add(queue, "a", "b", "c", max_retries=0)
    run(queue, DONE)
    clock.advance(61)
    run(queue, DONE)
    run(queue, FAILED)
    status = queue.status()
    assert status.completed_per_minute == 1
    assert status.per_minute[-2:] == ((1, 0), (1, 1))


def test_a_busy_worker_may_leave_the_throughput_for_later(queue: Queue) -> None:
    add(queue, "a", "b", "c", max_retries=0)

    def counted() -> tuple[int, int]:
        return queue.status().per_minute[-1]

    first = queue.claim("w1")
    assert first
    second = queue.finish(first, DONE, claim_for="w1", tally_later=True)
    assert second
    with pytest.raises(LeaseLost):
        queue.finish(first, DONE, claim_for="w1", tally_later=True)
    third = queue.finish(second, FAILED, claim_for="w1", tally_later=True)
    assert third
    assert counted() == (0, 0)
    queue.tally()
    queue.tally()
    assert counted() == (1, 1)
    assert queue.finish(third, DONE, claim_for="w1", tally_later=True) is None
    assert counted() == (2, 1)


def test_a_job_given_back_counts_what_was_left_for_later(queue: Queue) -> None:
    add(queue, "a", "b")
    first = queue.claim("w1")
    assert first
    second = queue.finish(first, DONE, claim_for="w1", tally_later=True)
    assert second
    queue.release(second, DONE)
    assert queue.status().per_minute[-1] == (1, 0)
