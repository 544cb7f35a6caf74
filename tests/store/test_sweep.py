"""What is done in steps to all jobs that match, and undone again."""

from __future__ import annotations

from store import JobFilter, JobState, NewJob
from store.queue import Queue

PENDING, CANCELLED = JobState.PENDING, JobState.CANCELLED
UNFINISHED = frozenset({PENDING, JobState.FAILED, JobState.BLOCKED, JobState.PROCESSING})


def _add(queue: Queue, *ids: str, **fields: object) -> None:
    queue.enqueue(NewJob(id=each, command="true", **fields) for each in ids)  # type: ignore[arg-type]


def _states(queue: Queue) -> dict[str, JobState]:
    return {job.id: job.state for job in queue.jobs()}


def test_jobs_added_after_the_survey_are_never_touched(queue: Queue) -> None:
    _add(queue, "a1", "b1", "a2")
    survey = queue.sweep.survey(JobFilter(search="a"), UNFINISHED)
    assert (survey.jobs, survey.counts) == (2, {PENDING: 2})
    _add(queue, "a3")
    wanted = JobFilter(search="a", up_to=survey.up_to)
    step = queue.sweep.cancel(wanted, None, 10)
    assert (step.changed, step.below) == (2, None)
    assert _states(queue) == {"a1": CANCELLED, "a2": CANCELLED, "a3": PENDING, "b1": PENDING}


def test_it_goes_on_where_the_step_before_ended(queue: Queue) -> None:
    _add(queue, *(f"a{number}" for number in range(5)))
    below, changed = None, []
    while True:
        step = queue.sweep.cancel(JobFilter(), below, 2)
        changed.append(step.changed)
        below = step.below
        if below is None:
            break
    assert changed == [2, 2, 1]
    assert {*_states(queue).values()} == {CANCELLED}


def test_those_that_match_no_more_are_left(queue: Queue) -> None:
    _add(queue, "a1", "a2", "a3")
    survey = queue.sweep.survey(JobFilter(), UNFINISHED)
    queue.cancel(["a2"])
    before = queue.job("a2")
    assert queue.sweep.cancel(JobFilter(up_to=survey.up_to), None, 10).changed == 2
    assert queue.job("a2") == before


def test_of_one_unique_key_the_newest_is_retried_also_over_steps(queue: Queue) -> None:
    for name in ("old", "new"):
        _add(queue, name, unique_key="k")
        queue.cancel([name])
    first = queue.sweep.retry(JobFilter(), None, 1)
    second = queue.sweep.retry(JobFilter(), first.below, 1)
    assert (first.changed, second.changed) == (1, 0)
    assert [left.id for left in second.left] == ["old"]
    assert _states(queue) == {"new": PENDING, "old": CANCELLED}


def test_a_step_is_undone_as_far_as_its_jobs_have_not_moved_on(queue: Queue) -> None:
    _add(queue, "a1", "a2", priority=3)
    before = queue.named(["a1", "a2"])
    step = queue.sweep.cancel(JobFilter(), None, 10)
    assert step.undoable.jobs == 2
    queue.retry(["a2"])
    moved = queue.job("a2")
    assert queue.sweep.revert(step.undoable) == 1
    assert queue.named(["a1", "a2"]) == [before[0], moved]


def test_what_runs_is_told_to_stop_and_cannot_be_undone(queue: Queue) -> None:
    _add(queue, "run1", "wait1")
    lease = queue.claim("w")
    assert lease is not None
    step = queue.sweep.cancel(JobFilter(), None, 10)
    assert (step.changed, step.undoable.jobs) == (2, 1)
    assert queue.job(lease.job_id).cancel_requested
