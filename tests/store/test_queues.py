"""Named queues, their limits and slots; what is let in, told and kept."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from store import (
    JobState,
    NewJob,
    OnDependencyFailure,
    QueueError,
)
from store.queue import Queue

from .conftest import FakeClock
from .steps import DONE, FAILED, add, claim


def test_nothing_is_claimed_from_a_paused_queue(queue: Queue) -> None:
    add(queue, "a", queue="mail")
    queue.queues.set_paused(["mail"], True)
    assert queue.claim("w1") is None
    add(queue, "b")
    assert claim(queue).job_id == "b"
    queue.queues.set_paused(None, False)
    assert claim(queue).job_id == "a"


def test_an_unknown_queue_gets_a_suggestion(queue: Queue) -> None:
    add(queue, "a", queue="mail")
    with pytest.raises(QueueError, match="did you mean mail"):
        queue.queues.set_paused(["mial"], False)


def test_no_more_run_than_the_queue_allows(queue: Queue) -> None:
    queue.queues.set_max_running("net", 2)
    add(queue, "a", "b", "c", queue="net", priority=9)
    add(queue, "other")
    first, _, third = claim(queue), claim(queue), claim(queue)
    assert third.job_id == "other"
    assert queue.claim("w1") is None
    following = queue.finish(first, DONE, claim_for="w1")
    assert following is not None
    assert following.job_id == "c"


def test_no_more_run_than_the_store_allows(queue: Queue) -> None:
    queue.settings.set("max_running", "2")
    add(queue, "a", "b", "c")
    first, _ = claim(queue), claim(queue)
    assert queue.claim("w1") is None
    queue.finish(first, DONE)
    assert claim(queue).job_id == "c"


def test_a_running_job_has_the_lowest_free_slot(queue: Queue) -> None:
    add(queue, "a", "b", "c", "d")
    leases = [claim(queue) for _ in range(3)]
    assert [lease.slot for lease in leases] == [0, 1, 2]
    queue.finish(leases[1], DONE)
    assert claim(queue).slot == 1


def test_slots_of_a_queue_give_each_job_a_value_and_bound_their_number(queue: Queue) -> None:
    queue.queues.set_slots("gpu", "CUDA_VISIBLE_DEVICES", ["4", "7"])
    add(queue, "a", "b", "c", queue="gpu", env={"CUDA_VISIBLE_DEVICES": "mine", "X": "1"})
    first, second = claim(queue), claim(queue)
    assert first.env == {"CUDA_VISIBLE_DEVICES": "4", "X": "1"}
    assert second.env["CUDA_VISIBLE_DEVICES"] == "7"
    assert queue.claim("w1") is None
    queue.finish(first, DONE)
    assert claim(queue).env["CUDA_VISIBLE_DEVICES"] == "4"


def test_a_queue_tells_its_depth(queue: Queue, clock: FakeClock) -> None:
    add(queue, "a", "b", queue="mail")
    queue.finish(claim(queue), DONE)
    clock.advance(5)
    (mail,) = queue.queues.all()
    assert mail.info.name == "mail"
    assert (mail.counts[JobState.PENDING], mail.counts[JobState.COMPLETED]) == (1, 1)
    assert (mail.oldest_pending_seconds, mail.completed_per_minute) == (5, 1)


def oldest(queue: Queue) -> dict[str, float | None]:
    waiting = {depth.info.name: depth.oldest_pending_seconds for depth in queue.queues.all()}
    return waiting | {"": queue.status().oldest_pending_seconds}


def test_the_oldest_is_sought_among_all_priorities(queue: Queue, clock: FakeClock) -> None:
    add(queue, "low", queue="mail", priority=-3)
    clock.advance(2)
    add(queue, "high", queue="mail", priority=7)
    add(queue, "other", queue="web", priority=7)
    clock.advance(1)
    assert oldest(queue) == {"mail": 3, "web": 1, "": 3}
    queue.cancel(["low"])
    assert oldest(queue) == {"mail": 1, "web": 1, "": 1}


def test_what_is_due_is_the_oldest_before_any_claim_has_seen_it(
    queue: Queue, clock: FakeClock
) -> None:
    add(queue, "later", queue="mail", delay=10)
    add(queue, "soon", queue="web", delay=5)
    assert oldest(queue) == {"mail": None, "web": None, "": None}
    clock.advance(11)
    assert oldest(queue) == {"mail": 1, "web": 6, "": 6}
    add(queue, "now", queue="mail")
    assert oldest(queue) == {"mail": 1, "web": 6, "": 6}


def test_a_retry_that_is_due_is_not_pending(queue: Queue, clock: FakeClock) -> None:
    add(queue, "a", queue="mail")
    queue.finish(claim(queue), FAILED)
    clock.advance(100)
    assert oldest(queue) == {"mail": None, "": None}


# Only what is new --------------------------------------------------------------------------------


def test_what_is_there_already_can_be_left_out(queue: Queue) -> None:
    add(queue, "a", unique_key="k")
    jobs = [
        NewJob(command="x", id="a"),
        NewJob(command="x", id="b", unique_key="k"),
        NewJob(command="x", id="c", depends_on=("a",)),
        NewJob(command="x", id="d", unique_key="other"),
    ]
    assert queue.enqueue(jobs, skip_existing=True) == ["c", "d"]
    assert queue.job("c").depends_on == ("a",)
    assert queue.enqueue(jobs, skip_existing=True) == []
    counts = queue.status().counts
    assert (counts[JobState.PENDING], counts[JobState.BLOCKED]) == (2, 1)


def test_an_id_that_is_given_twice_comes_in_once(queue: Queue) -> None:
    add(queue, "needed")
    twice = [NewJob(command="x", id="a", depends_on=("needed",))] * 2
    assert queue.enqueue(twice, skip_existing=True) == ["a"]
    assert queue.job("a").depends_on == ("needed",)


def test_a_job_that_was_left_out_gives_its_namesake_nothing_to_wait_for(queue: Queue) -> None:
    add(queue, "needed")
    add(queue, "holder", unique_key="k")
    left_out = NewJob(command="x", id="a", unique_key="k", depends_on=("needed",))
    waiting = NewJob(command="x", id="b", depends_on=("holder",))
    assert queue.enqueue([left_out, NewJob(command="x", id="a"), waiting], skip_existing=True)
    assert queue.job("a").depends_on == ()
    assert queue.job("a").state is JobState.PENDING
    assert queue.job("b").depends_on == ("holder",)


# Hooks, retention --------------------------------------------------------------------------------


def test_each_ending_is_told_once_while_there_is_a_hook(queue: Queue) -> None:
    add(queue, "before", priority=9)
    queue.finish(claim(queue), DONE)
    queue.settings.set("on_finish", "notify")
    add(queue, "done", priority=5)
    add(queue, "dead", max_retries=0)
    add(queue, "retried", priority=-1)
    for outcome in (DONE, FAILED, FAILED):
        queue.finish(claim(queue), outcome)
    queue.cancel(["retried"])
    assert [job.id for job in queue.take_ended(10)] == ["done", "dead", "retried"]
    assert queue.take_ended(10) == []


def test_who_is_cancelled_for_what_it_needs_is_told_of_too(queue: Queue) -> None:
    queue.settings.set("on_finish", "notify")
    add(queue, "a", max_retries=0)
    add(queue, "b", depends_on=("a",), on_dependency_failure=OnDependencyFailure.CANCEL)
    queue.finish(claim(queue), FAILED)
    add(queue, "late", depends_on=("b",), on_dependency_failure=OnDependencyFailure.CANCEL)
    assert [job.id for job in queue.take_ended(10)] == ["a", "b", "late"]


def test_only_so_many_finished_jobs_are_kept(queue: Queue) -> None:
    queue.settings.set("keep_completed_count", "3")
    add(queue, *(f"job{number}" for number in range(10)))
    for _ in range(10):
        queue.finish(claim(queue), DONE)
    while queue.prune():
        pass
    assert [job.id for job in queue.jobs()] == ["job9", "job8", "job7"]


@pytest.mark.parametrize(
    ("fields", "goes_on"),
    [
        ({}, True),
        ({"delay": 3600}, True),
        ({"queue": "paused"}, False),
        ({"depends_on": ("held",)}, False),
        ({"depends_on": ("held",), "on_dependency_failure": OnDependencyFailure.RUN}, False),
    ],
)
def test_what_goes_on_without_anybodys_doing(
    queue: Queue, fields: dict[str, Any], goes_on: bool
) -> None:
    add(queue, "held")
    add(queue, "elsewhere", queue="b")
    with sqlite3.connect(queue.path) as connection:
        connection.execute("UPDATE job SET ready = 0, held = 1 WHERE id = 'held'")
    assert not queue.queues.goes_on(["default", "paused"])

    add(queue, "job", **fields)
    queue.queues.set_paused(["paused"] if "queue" in fields else [], True)

    assert queue.queues.goes_on(["default", "paused"]) is goes_on
    assert queue.queues.goes_on([])


def test_what_waits_for_other_queues(queue: Queue) -> None:
    add(queue, "first", queue="b", priority=9)
    add(queue, "second", queue="b", depends_on=("first",))
    add(queue, "third", queue="a", depends_on=("second",))

    def waits(*served: str) -> bool:
        return queue.queues.goes_on(["a"], served)

    assert (waits(), waits("a", "b"), waits("a")) == (True, True, False)
    queue.queues.set_paused(["b"], True)
    assert not waits()
    queue.queues.set_paused(["b"], False)

    lease = claim(queue)
    assert not waits("a")  # second is where nobody is
    queue.edit("second", NewJob(command="x", queue="a", depends_on=("first",)))
    assert waits("a")
    add(queue, "dead", queue="b", priority=9, max_retries=0)
    queue.finish(claim(queue), FAILED)
    queue.edit("third", NewJob(command="x", queue="a", depends_on=("second", "dead")))
    assert waits("a")  # second will run
    queue.edit("second", NewJob(command="x", queue="a", depends_on=("first", "dead")))
    assert not waits("a")
    queue.finish(lease, DONE)
    assert not waits()


def test_a_running_job_goes_on_though_its_queue_is_paused(queue: Queue) -> None:
    add(queue, "a", queue="mail")
    lease = claim(queue)
    queue.queues.set_paused(["mail"], True)
    assert queue.queues.goes_on(["mail"])

    queue.finish(lease, FAILED)  # it would be tried again
    assert not queue.queues.goes_on(["mail"])
    queue.queues.set_paused(["mail"], False)
    assert queue.queues.goes_on(["mail"])
