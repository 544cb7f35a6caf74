"""Every transition of a job, one promise a test."""

from __future__ import annotations

import pytest

from store import (
    AttemptState,
    IdInUse,
    InvalidInput,
    Job,
    JobFilter,
    JobState,
    KeyInUse,
    Lease,
    LeaseLost,
    NewJob,
    NoSuchJob,
    Order,
    Outcome,
    Output,
    Stream,
    WrongState,
)
from store.queue import Queue

from .conftest import START, FakeClock

DONE = Outcome(AttemptState.COMPLETED, exit_code=0)
FAILED = Outcome(AttemptState.FAILED, exit_code=3, error="exit code 3: boom")


def add(queue: Queue, /, *ids: str, **fields: object) -> None:
    queue.enqueue([NewJob(command="true", id=name, **fields) for name in ids])  # type: ignore[arg-type]


def claim(queue: Queue, worker: str = "w1", queues: tuple[str, ...] = ()) -> Lease:
    lease = queue.claim(worker, queues)
    assert lease is not None
    return lease


def run(queue: Queue, outcome: Outcome) -> None:
    queue.finish(claim(queue), outcome)


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
    ids = queue.enqueue([NewJob(command="true")] * 12_000)
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
    with pytest.raises(KeyInUse):
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
    assert not queue.cancel_requested(lease)
    (job,) = queue.cancel(["a"])
    assert (job.state, job.cancel_requested) == (JobState.PROCESSING, True)
    assert queue.cancel_requested(lease)
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
    assert queue.retry_matching(dead) == 2
    assert queue.job("c").state is JobState.DEAD


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


# Edit, undo --------------------------------------------------------------------------------------


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


# Dependencies ------------------------------------------------------------------------------------


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


# Views -------------------------------------------------------------------------------------------


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
