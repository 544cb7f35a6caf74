"""Jobs are given new fields, and what was asked for is undone."""

from __future__ import annotations

import pytest

from store import (
    InvalidInput,
    Job,
    JobFilter,
    JobState,
    KeyInUse,
    NewJob,
    WrongState,
)
from store.queue import Queue

from .conftest import START, FakeClock
from .steps import DONE, FAILED, add, claim, run


def test_a_waiting_job_gets_new_fields(queue: Queue, clock: FakeClock) -> None:
    add(queue, "a", delay=60)
    job = queue.edit("a", NewJob(argv=("ls", "-l"), priority=7, queue="other", env={"X": "1"}))
    assert (job.command, job.argv, job.priority, job.queue) == (None, ("ls", "-l"), 7, "other")
    assert (job.run_at, job.env) == (START + 60_000, {"X": "1"})
    queue.edit("a", NewJob(command="true", delay=0))
    assert claim(queue).job_id == "a"
    with pytest.raises(WrongState, match="RUNNING"):
        queue.edit("a", NewJob(command="true"))


def test_an_edit_cannot_take_a_key_that_is_held(queue: Queue) -> None:
    add(queue, "a", unique_key="k")
    add(queue, "b")
    with pytest.raises(KeyInUse, match="'k' is held by unfinished job a"):
        queue.edit("b", NewJob(command="true", unique_key="k"))
    assert queue.job("b").unique_key is None


def test_several_jobs_are_edited_each_as_it_stands_or_none(queue: Queue) -> None:
    add(queue, "a", priority=1)
    add(queue, "b", priority=2)

    def raised(job: Job) -> NewJob:
        return NewJob(command=job.command, priority=job.priority + 5)

    queue.edit_each(["a", "b"], raised)
    assert [queue.job(name).priority for name in "ab"] == [6, 7]
    assert claim(queue).job_id == "b"
    with pytest.raises(WrongState, match="b is RUNNING"):
        queue.edit_each(["a", "b"], raised)
    assert queue.edit_matching(JobFilter(), raised) == 1
    assert [queue.job(name).priority for name in "ab"] == [11, 7]


def test_edited_dependencies_block_and_free(queue: Queue) -> None:
    add(queue, "a", "b")
    assert queue.edit("b", NewJob(command="true", depends_on=("a",))).state is JobState.BLOCKED
    with pytest.raises(InvalidInput, match="wait for itself"):
        queue.edit("a", NewJob(command="true", depends_on=("b",)))
    with pytest.raises(InvalidInput, match="nobody"):
        queue.edit("a", NewJob(command="true", depends_on=("nobody",)))
    assert queue.job("a").depends_on == ()
    assert queue.edit("b", NewJob(command="true")).state is JobState.PENDING


def test_a_cancelled_waiting_job_can_be_brought_back(queue: Queue, clock: FakeClock) -> None:
    add(queue, "a")
    run(queue, FAILED)
    before = [queue.job("a")]
    after = queue.cancel(["a"])
    assert queue.revert(before, after) == 1
    assert queue.job("a") == before[0]
    clock.advance(2)
    assert claim(queue).number == 2


def test_a_retry_can_be_undone_until_the_job_has_run(queue: Queue) -> None:
    add(queue, "a", max_retries=0)
    run(queue, FAILED)
    before = [queue.job("a")]
    after = queue.retry(["a"])
    assert queue.revert(before, after) == 1
    assert queue.job("a").state is JobState.DEAD
    after = queue.retry(["a"])
    claim(queue)
    assert queue.revert(before, after) == 0
    assert queue.job("a").state is JobState.PROCESSING


def test_what_is_brought_back_waits_for_what_it_needs_now(queue: Queue) -> None:
    add(queue, "a")
    add(queue, "b", depends_on=("a",))
    blocked = [queue.job("b")]
    cancelled = queue.cancel(["b"])
    run(queue, DONE)
    assert queue.revert(blocked, cancelled) == 1
    assert queue.job("b").state is JobState.PENDING


def test_an_undone_retry_frees_what_it_had_blocked(queue: Queue) -> None:
    add(queue, "a")
    add(queue, "b", depends_on=("a",))
    run(queue, DONE)
    done = [queue.job("a")]
    retried = queue.retry(["a"])
    assert queue.revert(done, retried) == 1
    assert claim(queue).job_id == "b"


def test_a_job_whose_key_was_taken_meanwhile_is_not_brought_back(queue: Queue) -> None:
    add(queue, "a", unique_key="k")
    before = [queue.job("a")]
    after = queue.cancel(["a"])
    add(queue, "b", unique_key="k")
    assert queue.revert(before, after) == 0
    assert queue.job("a").state is JobState.CANCELLED
