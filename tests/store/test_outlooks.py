"""Whether anything more happens to jobs by itself, asked of many at once."""

from __future__ import annotations

import time

from store import JobState, NewJob, OnDependencyFailure, Outlook
from store.queue import Queue

from .steps import DONE, FAILED, add, run


def over(queue: Queue, *ids: str) -> set[str]:
    return {job_id for job_id, found in queue.outlooks(ids).items() if found.is_over}


def hold(queue: Queue, job_id: str) -> None:
    with queue._database.write() as connection:
        connection.execute("UPDATE job SET held = 1, ready = 0 WHERE id = ?", (job_id,))


def test_what_has_ended_is_over_and_what_is_not_there_is_left_out(queue: Queue) -> None:
    add(queue, "done", "dead", max_retries=0)
    run(queue, DONE)
    run(queue, FAILED)
    add(queue, "waits")

    assert queue.outlooks(["waits", "done", "dead", "gone"]) == {
        "waits": Outlook(JobState.PENDING, False),
        "done": Outlook(JobState.COMPLETED, True),
        "dead": Outlook(JobState.DEAD, True),
    }


def test_the_end_of_what_they_need_is_passed_on_through_chains(queue: Queue) -> None:
    add(queue, "dead", "fine", max_retries=0)
    add(queue, "first", depends_on=("dead", "fine"))
    add(queue, "second", depends_on=("first",))
    add(queue, "third", depends_on=("second", "fine"))
    add(queue, "apart", depends_on=("fine",))
    run(queue, FAILED)

    assert over(queue, "first", "second", "third", "apart") == {"first", "second", "third"}
    queue.retry(["dead"])
    assert over(queue, "first", "second", "third", "apart") == set()


def test_who_runs_anyway_goes_on_unless_what_it_needs_never_ends(queue: Queue) -> None:
    anyway = OnDependencyFailure.RUN
    add(queue, "dead", "fine", max_retries=0)
    add(queue, "bold", depends_on=("dead", "fine"), on_dependency_failure=anyway)
    add(queue, "stuck", depends_on=("dead",))
    add(queue, "behind", depends_on=("stuck",), on_dependency_failure=anyway)
    run(queue, FAILED)

    assert over(queue, "bold", "stuck", "behind") == {"stuck", "behind"}


def test_held_jobs_are_over_and_so_is_who_waits_for_them(queue: Queue) -> None:
    add(queue, "held", "free")
    add(queue, "behind", depends_on=("held", "free"))
    add(queue, "further", depends_on=("behind",), on_dependency_failure=OnDependencyFailure.RUN)
    assert over(queue, "held", "free", "behind", "further") == set()

    hold(queue, "held")

    assert over(queue, "held", "free", "behind", "further") == {"held", "behind", "further"}


def test_a_long_chain_costs_no_more_than_as_many_jobs(queue: Queue) -> None:
    ids = [f"j{at}" for at in range(4_000)]
    before = (None, *ids)
    queue.enqueue(
        NewJob(command="true", id=job_id, depends_on=(needed,) if needed else ())
        for needed, job_id in zip(before, ids, strict=False)
    )
    began = time.process_time()
    assert over(queue, *ids) == set()
    assert time.process_time() - began < 1
    queue.cancel(["j0"])
    assert over(queue, ids[-1]) == {ids[-1]}
