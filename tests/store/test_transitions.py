"""Every transition of a job, one promise a test."""

from __future__ import annotations

import pytest

from store import (
    AttemptState,
    IdInUse,
    InvalidInput,
    JobFilter,
    JobState,
    KeyInUse,
    LeaseLost,
    NewJob,
    NoSuchJob,
    NotRetried,
    Outcome,
    Output,
    Retried,
    Stream,
    WrongState,
)
from store.queue import Queue
from store.retry import backoff_seconds
from store.timespec import MAX_DURATION

from .conftest import START, FakeClock
from .steps import DONE, FAILED, add, claim, run

# Enqueue -----------------------------------------------------------------------------------------


def test_a_new_job_has_the_settings_of_its_time(queue: Queue) -> None:
    queue.settings.set("default_max_retries", "1")
    add(queue, "a")
    queue.settings.set("default_max_retries", "9")
    assert queue.job("a").max_retries == 1


def test_a_batch_is_all_or_nothing(queue: Queue) -> None:
    add(queue, "taken")
    with pytest.raises(IdInUse, match="taken"):
        add(queue, "fresh", "taken")
    assert queue.count() == 1


def test_the_same_id_twice_in_a_batch_is_invalid(queue: Queue) -> None:
    with pytest.raises(InvalidInput, match=r"jobs\[1\]\.id.*twice"):
        add(queue, "a", "a")
    assert queue.count() == 0


def test_an_empty_batch_is_invalid(queue: Queue) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        queue.enqueue([])


def test_generated_ids_are_unique_and_sort_by_time(queue: Queue, clock: FakeClock) -> None:
    ids = [*queue.enqueue([NewJob(command="true")] * 12_000)]
    clock.advance(1)
    ids += queue.enqueue([NewJob(command="true")] * 3)
    assert len(set(ids)) == 12_003
    assert ids == sorted(ids)


def test_two_batches_of_one_millisecond_do_not_collide(queue: Queue) -> None:
    ids = [*queue.enqueue([NewJob(command="true")] * 9_000)]
    for _ in range(5):
        ids += queue.enqueue([NewJob(command="true")] * 9_000)
    assert len(set(ids)) == len(ids)


def test_a_dry_run_checks_and_stores_nothing(queue: Queue) -> None:
    add(queue, "a")
    queue.enqueue([NewJob(command="true", id="b")], dry_run=True)
    with pytest.raises(IdInUse):
        queue.enqueue([NewJob(command="true", id="a")], dry_run=True)
    assert queue.count() == 1


def test_an_unknown_dependency_names_index_and_id(queue: Queue) -> None:
    with pytest.raises(InvalidInput, match=r"jobs\[1\]\.depends_on\[0\].*'nobody'"):
        queue.enqueue([NewJob(command="a"), NewJob(command="b", depends_on=("nobody",))])
    assert queue.count() == 0


def test_a_unique_key_is_held_until_the_job_has_ended(queue: Queue) -> None:
    add(queue, "first", unique_key="nightly")
    with pytest.raises(KeyInUse, match="first"):
        add(queue, "second", unique_key="nightly")
    run(queue, DONE)
    add(queue, "second", unique_key="nightly")
    assert queue.job("second").state is JobState.PENDING


def test_a_key_twice_in_a_batch_is_refused(queue: Queue) -> None:
    with pytest.raises(InvalidInput, match=r"jobs\[1\]\.unique_key: 'k' is there twice"):
        add(queue, "a", "b", unique_key="k")
    assert queue.count() == 0


# Claim -------------------------------------------------------------------------------------------


def test_higher_priority_first_then_oldest(queue: Queue) -> None:
    add(queue, "old", "young")
    add(queue, "urgent", priority=5)
    assert [claim(queue).job_id for _ in range(3)] == ["urgent", "old", "young"]
    assert queue.claim("w1") is None


def test_a_claimed_job_is_processing_and_its_attempt_counted(queue: Queue) -> None:
    add(queue, "a")
    lease = claim(queue, "w9")
    job = queue.job("a")
    assert (job.state, job.attempts, job.number, job.worker) == (JobState.PROCESSING, 1, 1, "w9")
    assert (lease.number, lease.job_id) == (1, "a")


def test_a_delayed_job_waits_for_its_time(queue: Queue, clock: FakeClock) -> None:
    add(queue, "later", delay=10)
    assert queue.claim("w1") is None
    assert queue.next_due() == START + 10_000
    clock.advance(9.999)
    assert queue.claim("w1") is None
    clock.advance(0.001)
    assert claim(queue).job_id == "later"


def test_a_worker_takes_only_from_its_queues(queue: Queue) -> None:
    add(queue, "mail", queue="mail")
    add(queue, "web", queue="web", priority=9)
    assert claim(queue, queues=("mail", "spare")).job_id == "mail"
    assert queue.claim("w1", ("mail",)) is None


def test_what_was_captured_is_below_what_the_job_says(queue: Queue) -> None:
    queue.enqueue(
        [NewJob(command="true", env={"LANG": "C", "X": "1"})],
        captured_env={"LANG": "de_DE", "PATH": "/opt/bin"},
    )
    assert claim(queue).env == {"LANG": "C", "X": "1", "PATH": "/opt/bin"}


# Finish, retry policy ----------------------------------------------------------------------------


def test_a_failed_job_is_due_again_after_base_to_the_power_of_attempts(
    queue: Queue, clock: FakeClock
) -> None:
    add(queue, "a", max_retries=3)
    for wait in (2, 4, 8):
        run(queue, FAILED)
        job = queue.job("a")
        assert (job.state, job.run_at - clock.ms) == (JobState.FAILED, wait * 1000)
        clock.advance(wait - 0.001)
        assert queue.claim("w1") is None
        clock.advance(0.001)
    run(queue, FAILED)
    assert queue.job("a").state is JobState.DEAD


def test_the_wait_has_an_upper_bound(queue: Queue, clock: FakeClock) -> None:
    queue.settings.set("backoff_max", "90s")
    add(queue, "a", backoff_base=1000)
    run(queue, FAILED)
    assert queue.job("a").run_at - clock.ms == 90_000


def test_without_retries_the_first_failure_is_the_last(queue: Queue) -> None:
    add(queue, "a", max_retries=0)
    run(queue, FAILED)
    job = queue.job("a")
    assert (job.state, job.exit_code, job.last_error) == (JobState.DEAD, 3, "exit code 3: boom")


@pytest.mark.parametrize("state", [AttemptState.TIMED_OUT, AttemptState.LOST])
def test_a_timed_out_or_lost_attempt_counts_as_failed(queue: Queue, state: AttemptState) -> None:
    add(queue, "a", max_retries=0)
    run(queue, Outcome(state, error="why"))
    assert queue.job("a").state is JobState.DEAD
    assert queue.history("a")[0].state is state


def test_a_stale_lease_records_nothing(queue: Queue, clock: FakeClock) -> None:
    add(queue, "a")
    stale = claim(queue)
    queue.finish(stale, FAILED)
    clock.advance(2)
    current = claim(queue)
    for action in (
        lambda: queue.finish(stale, DONE),
        lambda: queue.release(stale, DONE),
    ):
        with pytest.raises(LeaseLost):
            action()
    assert queue.job("a").state is JobState.PROCESSING
    queue.finish(current, DONE)
    assert [attempt.state for attempt in queue.history("a")] == [
        AttemptState.FAILED,
        AttemptState.COMPLETED,
    ]


def test_finish_can_claim_the_next_job_in_the_same_step(queue: Queue) -> None:
    add(queue, "a", "b")
    following = queue.finish(claim(queue), DONE, claim_for="w1")
    assert following is not None
    assert following.job_id == "b"
    assert queue.finish(following, DONE, claim_for="w1") is None


def test_a_job_is_not_run_again_while_its_processes_live(queue: Queue, clock: FakeClock) -> None:
    add(queue, "a")
    lease = claim(queue)
    queue.finish(lease, Outcome(AttemptState.FAILED, exit_code=1, tree_empty=False))
    clock.advance(60)
    assert queue.claim("w1") is None
    queue.settle(lease, {stream: Output(0, b"") for stream in Stream})
    assert claim(queue).number == 2


def test_even_a_person_cannot_run_it_while_its_processes_live(queue: Queue) -> None:
    add(queue, "a")
    lease = claim(queue)
    queue.finish(lease, Outcome(AttemptState.COMPLETED, exit_code=0, tree_empty=False))
    queue.retry(["a"])
    assert queue.claim("w1") is None
    queue.settle(lease, {stream: Output(0, b"") for stream in Stream})
    assert claim(queue).number == 2


def test_release_gives_the_job_back_with_the_attempt_not_counted(
    queue: Queue, clock: FakeClock
) -> None:
    add(queue, "a")
    run(queue, FAILED)
    clock.advance(2)
    queue.release(claim(queue), Outcome(AttemptState.RELEASED))
    job = queue.job("a")
    assert (job.state, job.attempts, job.number) == (JobState.PENDING, 1, 2)
    assert claim(queue).number == 3
    assert [attempt.state for attempt in queue.history("a")] == [
        AttemptState.FAILED,
        AttemptState.RELEASED,
        AttemptState.RUNNING,
    ]


# Cancel, retry, delete ---------------------------------------------------------------------------


def test_a_waiting_job_is_cancelled_at_once(queue: Queue) -> None:
    add(queue, "a")
    assert queue.cancel(["a"])[0].state is JobState.CANCELLED
    assert queue.claim("w1") is None


def test_a_running_job_is_marked_and_ends_cancelled_whatever_its_exit_code(queue: Queue) -> None:
    add(queue, "a")
    lease = claim(queue)
    assert not queue.asked(lease).stop
    (job,) = queue.cancel(["a"])
    assert (job.state, job.cancel_requested) == (JobState.PROCESSING, True)
    assert queue.asked(lease).stop
    queue.finish(lease, DONE)
    assert queue.job("a").state is JobState.CANCELLED
    assert queue.history("a")[0].state is AttemptState.CANCELLED


def test_a_job_to_be_cancelled_is_not_given_back(queue: Queue) -> None:
    add(queue, "a")
    lease = claim(queue)
    queue.cancel(["a"])
    queue.release(lease, Outcome(AttemptState.RELEASED))
    assert queue.job("a").state is JobState.CANCELLED


def test_cancelling_several_is_all_or_nothing(queue: Queue) -> None:
    add(queue, "a", priority=1)
    add(queue, "b")
    run(queue, DONE)
    with pytest.raises(WrongState, match="a is DONE"):
        queue.cancel(["b", "a"])
    with pytest.raises(NoSuchJob, match="nobody"):
        queue.cancel(["b", "nobody"])
    assert queue.job("b").state is JobState.PENDING


def test_retry_of_a_dead_job_starts_over_and_keeps_the_history(queue: Queue) -> None:
    add(queue, "a", max_retries=0)
    run(queue, FAILED)
    (job,) = queue.retry(["a"])
    assert (job.state, job.attempts) == (JobState.PENDING, 0)
    lease = claim(queue)
    assert lease.number == 2
    assert len(queue.history("a")) == 2


def test_retry_of_a_failed_job_is_now_and_keeps_its_count(queue: Queue) -> None:
    add(queue, "a")
    run(queue, FAILED)
    (job,) = queue.retry(["a"])
    assert (job.state, job.attempts) == (JobState.FAILED, 1)
    assert claim(queue).number == 2


@pytest.mark.parametrize("state", [JobState.PENDING, JobState.PROCESSING])
def test_retry_of_what_waits_or_runs_is_refused(queue: Queue, state: JobState) -> None:
    add(queue, "a")
    if state is JobState.PROCESSING:
        claim(queue)
    with pytest.raises(WrongState, match=f"a is {state.label}"):
        queue.retry(["a"])


def test_retry_is_refused_while_another_holds_its_key(queue: Queue) -> None:
    add(queue, "a", unique_key="k")
    run(queue, DONE)
    add(queue, "b", unique_key="k")
    with pytest.raises(KeyInUse, match="b"):
        queue.retry(["a"])
    assert queue.job("a").state is JobState.COMPLETED


def test_matching_jobs_are_retried_and_counted(queue: Queue) -> None:
    add(queue, "a", "b", max_retries=0, queue="mail")
    add(queue, "c", max_retries=0)
    for _ in range(3):
        run(queue, FAILED)
    dead = JobFilter(states=frozenset({JobState.DEAD}), queue="mail")
    assert queue.retry_matching(dead) == Retried(["a", "b"], frozenset({"mail"}), [])
    assert queue.job("c").state is JobState.DEAD


def test_of_many_those_are_retried_whose_keys_are_free(queue: Queue) -> None:
    for name, key in (("old", "k"), ("new", "k"), ("taken", "t"), ("free", None)):
        add(queue, name, unique_key=key, max_retries=0)
        run(queue, FAILED)
    add(queue, "holder", unique_key="t")
    before = queue.jobs()
    left = [NotRetried("taken", "t", "holder"), NotRetried("old", "k", "new")]

    retried = Retried(["new", "free"], frozenset({"default"}), left)
    assert queue.retry_matching(JobFilter(), dry_run=True) == retried
    assert queue.jobs() == before
    assert queue.retry_matching(JobFilter()) == retried
    assert queue.job("new").state is JobState.PENDING
    assert queue.job("old").state is JobState.DEAD
    assert queue.retry_matching(JobFilter(queue="none")) == ([], frozenset(), [])


def test_of_named_ones_none_is_retried_unless_the_possible_are_asked_for(queue: Queue) -> None:
    for name in ("old", "new"):
        add(queue, name, unique_key="k", max_retries=0)
        run(queue, FAILED)
    for dry_run in (True, False):
        with pytest.raises(KeyInUse):
            queue.retry(["old", "new"], dry_run=dry_run)
    before = queue.jobs()
    assert [job.id for job in queue.retry(["old"], dry_run=True)] == ["old"]
    assert queue.jobs() == before

    jobs, left = queue.retry_possible(["old", "new"])

    assert [(job.id, job.state) for job in jobs] == [("new", JobState.PENDING)]
    assert left == [NotRetried("old", "k", "new")]


def test_a_job_that_waits_for_its_next_attempt_keeps_its_key(queue: Queue) -> None:
    add(queue, "old", unique_key="k", max_retries=0)
    run(queue, FAILED)
    add(queue, "retrying", unique_key="k")
    run(queue, FAILED)

    ids, _, left = queue.retry_matching(JobFilter())

    assert (ids, left) == (["retrying"], [NotRetried("old", "k", "retrying")])


def test_only_finished_jobs_can_be_deleted(queue: Queue) -> None:
    add(queue, "a", priority=1)
    add(queue, "b")
    run(queue, DONE)
    with pytest.raises(WrongState, match="b is PENDING"):
        queue.delete(["a", "b"])
    queue.delete(["a"])
    with pytest.raises(NoSuchJob):
        queue.job("a")


def test_an_id_can_be_used_again_after_deletion_with_a_history_of_its_own(queue: Queue) -> None:
    add(queue, "a")
    run(queue, DONE)
    queue.delete(["a"])
    add(queue, "a")
    assert queue.history("a") == []
    assert claim(queue).number == 1


@pytest.mark.parametrize("name", ["keep_completed", "keep_dead"])
def test_zero_keeps_for_ever(queue: Queue, clock: FakeClock, name: str) -> None:
    queue.settings.set(name, "0")
    add(queue, "done", priority=1)
    add(queue, "dead", max_retries=0)
    run(queue, DONE)
    run(queue, FAILED)
    clock.advance(5000 * 86_400)

    queue.prune()

    assert [job.id for job in queue.jobs()] == ["done" if name == "keep_completed" else "dead"]


def test_a_zero_limits_no_wait_between_attempts(queue: Queue, clock: FakeClock) -> None:
    queue.settings.set("backoff_max", "0")
    add(queue, "a", backoff_base=1000)

    run(queue, FAILED)

    assert queue.job("a").run_at == clock() + 1_000_000
    assert backoff_seconds(1000, base=1000) == MAX_DURATION


def test_pruning_removes_only_what_is_old_enough(queue: Queue, clock: FakeClock) -> None:
    queue.settings.set("keep_completed", "1h")
    add(queue, "done", priority=1)
    add(queue, "dead", max_retries=0)
    run(queue, DONE)
    run(queue, FAILED)
    clock.advance(3601)
    add(queue, "fresh")
    run(queue, DONE)
    assert queue.prune() == 1
    assert {job.id for job in queue.jobs()} == {"dead", "fresh"}
