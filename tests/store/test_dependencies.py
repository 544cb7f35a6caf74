"""Jobs that wait for others."""

from __future__ import annotations

import pytest

from store import (
    JobFilter,
    JobState,
    NewJob,
    OnDependencyFailure,
    WrongState,
)
from store.queue import Queue

from .steps import DONE, FAILED, add, claim, run


def test_a_job_waits_until_all_it_needs_has_completed(queue: Queue) -> None:
    add(queue, "a", "b")
    add(queue, "c", depends_on=("a", "b"))
    assert queue.job("c").state is JobState.BLOCKED
    run(queue, DONE)
    assert queue.job("c").state is JobState.BLOCKED
    run(queue, DONE)
    assert queue.job("c").state is JobState.PENDING
    assert claim(queue).job_id == "c"


def test_what_is_completed_already_does_not_block(queue: Queue) -> None:
    add(queue, "a")
    run(queue, DONE)
    add(queue, "b", depends_on=("a",))
    assert queue.job("b").state is JobState.PENDING


def test_a_dead_job_holds_its_dependents_until_its_retry_completes(queue: Queue) -> None:
    add(queue, "a", max_retries=0)
    add(queue, "b", depends_on=("a",))
    run(queue, FAILED)
    assert queue.job("b").state is JobState.BLOCKED
    queue.retry(["a"])
    run(queue, DONE)
    assert claim(queue).job_id == "b"


def test_a_retried_job_is_blocked_again_if_what_it_needs_is_not_done(queue: Queue) -> None:
    add(queue, "a")
    add(queue, "b", depends_on=("a",))
    queue.cancel(["b"])
    assert queue.retry(["b"])[0].state is JobState.BLOCKED


def test_a_retried_job_blocks_what_has_yet_to_start(queue: Queue) -> None:
    add(queue, "a")
    add(queue, "b", depends_on=("a",))
    run(queue, DONE)
    assert queue.job("b").state is JobState.PENDING
    queue.retry(["a"])
    assert queue.job("b").state is JobState.BLOCKED
    run(queue, DONE)
    assert claim(queue).job_id == "b"


def test_jobs_retried_together_still_wait_for_each_other(queue: Queue) -> None:
    queue.enqueue(
        [
            NewJob(command="true", id="second", depends_on=("first",)),
            NewJob(command="t", id="first"),
        ]
    )
    run(queue, DONE)
    run(queue, DONE)
    assert queue.retry(["second", "first"])[0].state is JobState.BLOCKED
    assert claim(queue).job_id == "first"


def test_what_an_unfinished_job_needs_cannot_be_deleted(queue: Queue) -> None:
    add(queue, "a")
    add(queue, "b", depends_on=("a",))
    queue.cancel(["a"])
    with pytest.raises(WrongState, match="b depends on it"):
        queue.delete(["a"])
    assert queue.delete_matching(JobFilter()) == 0
    queue.cancel(["b"])
    assert queue.delete_matching(JobFilter()) == 2


@pytest.mark.parametrize("ending", ["dead", "cancelled"])
@pytest.mark.parametrize(
    ("rule", "then"),
    [
        (OnDependencyFailure.HOLD, JobState.BLOCKED),
        (OnDependencyFailure.CANCEL, JobState.CANCELLED),
        (OnDependencyFailure.RUN, JobState.PENDING),
    ],
)
def test_what_becomes_of_a_job_whose_dependency_fails(
    queue: Queue, ending: str, rule: OnDependencyFailure, then: JobState
) -> None:
    add(queue, "a", max_retries=0)
    add(queue, "b", depends_on=("a",), on_dependency_failure=rule)
    if ending == "dead":
        queue.finish(claim(queue), FAILED)
    else:
        queue.cancel(["a"])
    assert queue.job("b").state is then
    add(queue, "late", depends_on=("a",), on_dependency_failure=rule)
    assert queue.job("late").state is then


def test_a_cancel_goes_down_the_whole_chain(queue: Queue) -> None:
    add(queue, "a")
    for name, before in (("b", "a"), ("c", "b"), ("d", "c")):
        add(queue, name, depends_on=(before,), on_dependency_failure=OnDependencyFailure.CANCEL)
    queue.cancel(["a"])
    assert queue.count(JobFilter(states=frozenset({JobState.CANCELLED}))) == 4


def test_a_cancel_at_once_frees_who_runs_nevertheless(queue: Queue) -> None:
    add(queue, "a")
    queue.cancel(["a"])
    cancelled, freed = OnDependencyFailure.CANCEL, OnDependencyFailure.RUN
    queue.enqueue(
        [
            NewJob(command="x", id="b", depends_on=("a",), on_dependency_failure=cancelled),
            NewJob(command="x", id="c", depends_on=("b",), on_dependency_failure=freed),
        ]
    )
    assert [queue.job(name).state for name in "bc"] == [JobState.CANCELLED, JobState.PENDING]


def test_counts_agree_after_dependencies_were_settled_at_once(queue: Queue) -> None:
    add(queue, "a")
    queue.finish(claim(queue), DONE)
    queue.enqueue(
        [
            NewJob(command="x", id="b", depends_on=("a",)),
            NewJob(command="x", id="c", depends_on=("b",)),
        ]
    )
    counts = queue.status().counts
    assert (counts[JobState.PENDING], counts[JobState.BLOCKED]) == (1, 1)
