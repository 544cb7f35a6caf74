"""A held job waits beside its state, and is released into what it would be."""

from __future__ import annotations

from collections import Counter

import pytest

from store import JobFilter, JobState, NoSuchJob, WrongState
from store.models import JobRow
from store.queue import Queue
from store.reads import conditions

from .conftest import FakeClock
from .steps import DONE, FAILED, add, claim, run


def test_a_held_job_is_not_started_and_a_released_one_at_once(queue: Queue) -> None:
    add(queue, "a", "b")
    (held,) = queue.hold(["a"])
    assert (held.state, held.held) == (JobState.PENDING, True)
    assert claim(queue).job_id == "b"
    assert queue.claim("w1") is None
    assert queue.next_due() is None

    (released,) = queue.unhold(["a"])
    assert not released.held
    assert claim(queue).job_id == "a"


def test_a_job_that_is_due_later_stays_so(queue: Queue, clock: FakeClock) -> None:
    add(queue, "a", delay=60)
    queue.hold(["a"])
    clock.advance(30)
    queue.unhold(["a"])
    assert queue.claim("w1") is None
    clock.advance(30)
    assert claim(queue).job_id == "a"


def test_a_job_that_became_due_while_it_was_held_starts_when_released(
    queue: Queue, clock: FakeClock
) -> None:
    add(queue, "a", max_retries=1)
    run(queue, FAILED)
    queue.hold(["a"])
    clock.advance(60)
    assert queue.claim("w1") is None
    assert queue.unhold(["a"])[0].state is JobState.FAILED
    assert claim(queue).number == 2


def test_a_blocked_job_is_freed_into_being_held(queue: Queue) -> None:
    add(queue, "a")
    add(queue, "b", depends_on=("a",))
    queue.hold(["b"])
    run(queue, DONE)
    assert queue.job("b").state is JobState.PENDING
    assert queue.claim("w1") is None
    queue.unhold(["b"])
    assert claim(queue).job_id == "b"


def test_named_jobs_are_held_all_or_none(queue: Queue) -> None:
    add(queue, "runs", priority=1)
    add(queue, "a", "b")
    claim(queue)
    queue.hold(["a"])
    for act in (queue.hold, queue.unhold):
        with pytest.raises(WrongState, match="runs is RUNNING"):
            act(["b", "runs"])
        with pytest.raises(NoSuchJob):
            act(["b", "nobody"])
    assert [queue.job(name).held for name in "ab"] == [True, False]


def test_matching_jobs_are_held_as_far_as_they_wait(queue: Queue) -> None:
    add(queue, "runs", priority=1)
    add(queue, "a", "b")
    add(queue, "c", queue="mail")
    claim(queue)
    queue.hold(["a"])
    assert queue.hold_matching(JobFilter()) == Counter(default=1, mail=1)
    assert queue.ids(JobFilter(held=True)) == ["a", "b", "c"]
    assert queue.ids(JobFilter(held=False)) == ["runs"]
    assert queue.count(JobFilter(held=True, queue="mail")) == 1
    assert not queue.hold_matching(JobFilter(states=frozenset({JobState.DEAD})))
    assert queue.unhold_matching(JobFilter(queue="default")) == Counter(default=2)
    assert queue.ids(JobFilter(held=True)) == ["c"]


def test_a_hold_and_a_release_are_undone(queue: Queue) -> None:
    add(queue, "a", "b")
    before = queue.named(["a"])
    assert queue.revert(before, queue.hold(["a"])) == 1
    assert not queue.job("a").held
    queue.hold(["b"])
    before = queue.named(["b"])
    assert queue.revert(before, queue.unhold(["b"])) == 1
    assert queue.job("b").held
    assert claim(queue).job_id == "a"
    assert queue.claim("w1") is None


def test_a_held_job_gives_its_place_under_a_label_away(queue: Queue) -> None:
    queue.queues.set_max_per_label("default", 1)
    add(queue, "first", "second", "third", label="red")
    lease = claim(queue)
    assert queue.claim("w1") is None  # now the others are parked
    queue.hold(["second"])
    queue.finish(lease, DONE)
    assert claim(queue).job_id == "third"


def test_what_ends_a_hold(queue: Queue) -> None:
    add(queue, "a", "b")
    run(queue, FAILED)
    queue.hold(["a", "b"])
    queue.cancel(["b"])
    assert not queue.job("b").held
    queue.retry(["a"])
    assert not queue.job("a").held
    assert claim(queue).job_id == "a"


def test_held_jobs_are_found_without_a_look_at_others(queue: Queue) -> None:
    query = JobRow.select(JobRow.seq).where(*conditions(JobFilter(held=True))).order_by(JobRow.seq)
    sql, values = query.sql()
    with queue._database.look() as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}".replace("%s", "?"), values).fetchall()
    assert not [step for *_, step in plan if step == "SCAN job" or "job_state" in step]
