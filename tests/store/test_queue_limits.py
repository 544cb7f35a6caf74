"""How much of a queue is begun in a window of time, and how much runs at once with one label."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from store import AttemptState, JobState, NewJob, Outcome, QueueError, Rate, open_store
from store.queue import Queue

from .conftest import START, FakeClock
from .steps import DONE, FAILED, add, claim


def begun(queue: Queue, most: int = 100) -> list[str]:
    """What can be claimed now."""
    found = []
    while len(found) < most and (lease := queue.claim("w1")) is not None:
        found.append(lease.job_id)
    return found


def ids(count: int) -> list[str]:
    return [f"job{number:02}" for number in range(count)]


# So many in any window ---------------------------------------------------------------------------


def test_no_more_attempts_are_begun_than_the_rate_allows(queue: Queue, clock: FakeClock) -> None:
    queue.queues.set_rate("api", Rate(2, 10))
    add(queue, *ids(9), queue="api")
    add(queue, "other")
    assert begun(queue) == ["job00", "job01", "other"]
    clock.advance(4)
    assert begun(queue) == []
    clock.advance(6)  # a window with both its ends
    assert begun(queue) == []
    clock.advance(0.001)
    assert begun(queue, most=1) == ["job02"]
    clock.advance(4)
    assert begun(queue) == ["job03"]
    clock.advance(6.001)
    assert begun(queue) == ["job04"]


def test_retries_and_what_is_given_back_count_when_they_are_begun(
    queue: Queue, clock: FakeClock
) -> None:
    queue.queues.set_rate("api", Rate(3, 60))
    add(queue, "a", queue="api", max_retries=9)
    queue.finish(claim(queue), FAILED)
    clock.advance(2)
    queue.release(claim(queue), Outcome(AttemptState.RELEASED))
    assert begun(queue) == ["a"]
    add(queue, "b", queue="api")
    assert begun(queue) == []


def test_following_an_attempt_that_ends_counts_as_well(queue: Queue) -> None:
    queue.queues.set_rate("api", Rate(2, 60))
    add(queue, *ids(3), queue="api")
    following = queue.finish(claim(queue), DONE, claim_for="w1")
    assert following is not None
    assert queue.finish(following, DONE, claim_for="w1") is None


def test_a_rate_outlasts_whoever_keeps_it(queue: Queue, clock: FakeClock) -> None:
    queue.queues.set_rate("api", Rate(2, 10))
    add(queue, *ids(5), queue="api")
    assert len(begun(queue)) == 2
    again = open_store(str(queue.path), clock=clock, random=Random(1))
    assert begun(again) == []
    again.close()


def test_a_worker_is_told_when_to_look_again(queue: Queue, clock: FakeClock) -> None:
    queue.queues.set_rate("api", Rate(2, 10))
    add(queue, "first", queue="api")
    assert begun(queue) == ["first"]
    clock.advance(3)
    add(queue, "second", queue="api")
    assert begun(queue) == ["second"]
    assert queue.next_due() is None  # nothing waits
    add(queue, "third", queue="api")
    assert queue.next_due() == START + 10_001
    (api,) = queue.queues.all()
    assert (api.info.rate, api.info.rate_opens_at) == (Rate(2, 10), START + 10_001)
    add(queue, "sooner", delay=2, queue="other")
    assert queue.next_due() == START + 5_000
    clock.advance(7.001)
    assert queue.next_due() == START + 5_000
    assert begun(queue, most=2) == ["third", "sooner"]
    queue.queues.set_paused(["api"], True)
    add(queue, "fourth", queue="api")
    assert queue.next_due() is None


@pytest.mark.parametrize(
    ("before", "jump"), [(2, -8), (12, -3600), (12, -7), (12, 7), (12, 3600), (12, 86_400 * 365)]
)
def test_a_clock_that_jumps_and_comes_back_allows_no_burst(
    before: int, jump: int, queue: Queue, clock: FakeClock
) -> None:
    """The rate holds in every window by the clock, and none is waited for longer than two."""
    queue.queues.set_rate("api", Rate(3, 10))
    add(queue, *ids(99), queue="api")
    begun_at: list[int] = []

    def work(seconds: int) -> None:
        for _ in range(seconds):
            begun_at.extend([clock.ms] * len(begun(queue)))
            clock.advance(1)

    work(before)
    clock.advance(jump)
    so_far = len(begun_at)
    work(22)
    assert len(begun_at) >= so_far + 3
    clock.advance(-jump)
    work(22)
    begun_at.sort()
    assert all(
        later - earlier > 10_000 for earlier, later in zip(begun_at, begun_at[3:], strict=False)
    )


def test_few_starts_are_kept(queue: Queue, clock: FakeClock) -> None:
    queue.queues.set_rate("api", Rate(2, 1))
    add(queue, *ids(20), queue="api")
    for _ in range(10):
        clock.advance(1.001)
        assert len(begun(queue)) == 2
    kept = queue._database.connection().execute("SELECT count(*) FROM queue_start").fetchone()
    assert kept == (4,)


def test_a_rate_is_lifted_and_changed(queue: Queue) -> None:
    queue.queues.set_rate("api", Rate(1, 60))
    add(queue, *ids(5), queue="api")
    assert len(begun(queue)) == 1
    queue.queues.set_rate("api", Rate(2, 60))
    assert len(begun(queue)) == 1
    queue.queues.set_rate("api", None)
    assert len(begun(queue)) == 3


# So many at once with a label --------------------------------------------------------------------


def label(queue: Queue, name: str, *jobs: str, **fields: object) -> None:
    add(queue, *jobs, queue="api", label=name, **fields)


def parked(queue: Queue) -> list[str]:
    rows = queue._database.connection().execute("SELECT id FROM job WHERE parked = 1 ORDER BY seq")
    return [job_id for (job_id,) in rows]


@pytest.fixture
def one_a_label(queue: Queue) -> Queue:
    queue.queues.set_max_per_label("api", 1)
    return queue


def test_no_more_run_with_a_label_than_the_queue_allows(queue: Queue) -> None:
    queue.queues.set_max_per_label("api", 2)
    label(queue, "red", "r1", "r2", "r3", "r4")
    label(queue, "blue", "b1")
    add(queue, "plain1", "plain2", "plain3", queue="api")
    add(queue, "other", queue="mail", label="red")
    leases = [claim(queue) for _ in range(7)]
    assert [lease.job_id for lease in leases] == [
        *("r1", "r2", "b1", "plain1", "plain2", "plain3", "other"),
    ]
    assert queue.claim("w1") is None
    queue.finish(leases[2], DONE)
    assert queue.claim("w1") is None
    queue.finish(leases[0], DONE)
    assert begun(queue) == ["r3"]


def test_within_a_label_the_order_is_what_it_is_without_the_limit(one_a_label: Queue) -> None:
    queue = one_a_label
    label(queue, "red", "first", "low")
    lease = claim(queue)
    label(queue, "red", "high", priority=5)
    assert begun(queue) == []
    label(queue, "red", "higher", priority=9)
    ran = []
    while lease is not None:
        ran.append(lease.job_id)
        lease = queue.finish(lease, DONE, claim_for="w1")  # type: ignore[assignment]
    assert ran == ["first", "higher", "high", "low"]


def test_a_job_that_is_given_back_does_not_go_before_a_better_one(one_a_label: Queue) -> None:
    queue = one_a_label
    label(queue, "red", "first")
    lease = claim(queue)
    label(queue, "red", "better", priority=5)
    assert begun(queue) == []
    queue.release(lease, Outcome(AttemptState.RELEASED))
    assert begun(queue) == ["better"]


def test_a_retry_waits_for_its_label_too(one_a_label: Queue, clock: FakeClock) -> None:
    queue = one_a_label
    label(queue, "red", "a", "b", max_retries=5)
    queue.finish(claim(queue), FAILED)
    second = claim(queue)
    clock.advance(60)
    assert begun(queue) == []
    assert queue.job("a").state is JobState.FAILED
    queue.finish(second, DONE)
    assert begun(queue) == ["a"]


LEAVING: dict[str, Callable[[Queue], object]] = {
    "cancelled": lambda queue: queue.cancel(["b"]),
    "held": lambda queue: queue.hold(["b"]),
    "moved": lambda queue: queue.edit("b", NewJob(command="x", queue="mail", run_at=9 * START)),
    "labelled anew": lambda queue: queue.edit(
        "b", NewJob(command="x", queue="api", label="blue", run_at=9 * START)
    ),
    "blocked": lambda queue: queue.edit(
        "b", NewJob(command="x", queue="api", label="red", depends_on=("c",))
    ),
}


@pytest.mark.parametrize("how", LEAVING)
def test_when_the_next_of_a_label_goes_another_has_its_place(how: str, one_a_label: Queue) -> None:
    queue = one_a_label
    label(queue, "red", "a", "b", "c")
    lease = claim(queue)
    assert begun(queue) == []
    assert parked(queue) == ["b", "c"]
    queue.finish(lease, DONE)
    assert parked(queue) == ["c"]
    LEAVING[how](queue)
    assert begun(queue) == ["c"]


def test_an_undone_retry_gives_its_place_up(one_a_label: Queue) -> None:
    queue = one_a_label
    label(queue, "red", "a", "b")
    queue.finish(claim(queue), DONE)
    lease = claim(queue)
    label(queue, "red", "c")
    before = queue.job("a")
    after = queue.retry(["a"])
    assert begun(queue) == []
    assert parked(queue) == ["a", "c"]
    queue.finish(lease, DONE)
    assert parked(queue) == ["c"]
    assert queue.revert([before], after) == 1
    assert begun(queue) == ["c"]


def test_a_job_that_waits_again_for_another_gives_its_place_up(one_a_label: Queue) -> None:
    queue = one_a_label
    add(queue, "needed")
    queue.finish(claim(queue), DONE)
    label(queue, "red", "a")
    label(queue, "red", "b", depends_on=("needed",))
    label(queue, "red", "c")
    lease = claim(queue)
    assert begun(queue) == []
    queue.finish(lease, DONE)
    assert parked(queue) == ["c"]
    queue.retry(["needed"])
    assert queue.job("b").state is JobState.BLOCKED
    assert begun(queue) == ["needed", "c"]


def test_a_parked_job_is_cancelled_edited_and_retried_like_any(
    one_a_label: Queue, clock: FakeClock
) -> None:
    queue = one_a_label
    label(queue, "red", "failing")
    queue.finish(claim(queue), FAILED)
    label(queue, "red", "running", "gone", "moved")
    running = claim(queue)
    clock.advance(60)
    assert begun(queue) == []
    assert parked(queue) == ["failing", "gone", "moved"]
    queue.cancel(["gone"])
    queue.edit("moved", NewJob(command="x", queue="mail"))
    queue.retry(["failing"])
    assert begun(queue) == ["moved"]
    queue.finish(running, DONE)
    assert begun(queue) == ["failing"]


@pytest.mark.parametrize(("most", "expected"), [(2, ["r2", "b2"]), (None, ["r2", "r3", "b2"])])
def test_a_raised_limit_lets_more_start_at_once(
    most: int | None, expected: list[str], one_a_label: Queue
) -> None:
    queue = one_a_label
    label(queue, "red", "r1", "r2", "r3")
    label(queue, "blue", "b1", "b2")
    assert begun(queue) == ["r1", "b1"]
    assert parked(queue) == ["r2", "r3", "b2"]
    queue.queues.set_max_per_label("api", most)
    assert begun(queue) == expected


def test_a_lowered_limit_ends_nothing(queue: Queue) -> None:
    queue.queues.set_max_per_label("api", 2)
    label(queue, "red", "a", "b", "c")
    leases = [claim(queue), claim(queue)]
    queue.queues.set_max_per_label("api", 1)
    queue.finish(leases[0], DONE)
    assert begun(queue) == []
    queue.finish(leases[1], DONE)
    assert begun(queue) == ["c"]


def test_claims_do_not_pass_parked_jobs_again(queue: Queue) -> None:
    queue.queues.set_max_per_label("api", 1)
    label(queue, "red", *ids(1200))
    add(queue, "free", queue="api")
    assert begun(queue) == ["job00", "free"]
    ready = queue._database.connection().execute("SELECT count(*) FROM job WHERE ready").fetchone()
    assert ready == (0,)


def test_what_is_parked_is_the_oldest_that_waits(one_a_label: Queue, clock: FakeClock) -> None:
    queue = one_a_label
    label(queue, "red", "a", "b")
    add(queue, "c", queue="mail", delay=3)
    assert begun(queue) == ["a"]
    clock.advance(5)
    waited = {depth.info.name: depth.oldest_pending_seconds for depth in queue.queues.all()}
    assert waited == {"api": 5, "mail": 2}
    assert queue.status().oldest_pending_seconds == 5


# Queues that are removed -------------------------------------------------------------------------


def test_an_empty_queue_is_removed_with_its_limits(queue: Queue) -> None:
    queue.queues.set_rate("api", Rate(1, 60))
    add(queue, "a", queue="api")
    queue.finish(claim(queue), DONE)
    with pytest.raises(QueueError, match="api has 1 job, finished ones included"):
        queue.queues.remove(["api"])
    queue.delete(["a"])
    assert queue.queues.remove(["api"]) == ["api"]
    assert queue.queues.all() == []
    add(queue, "b", "c", queue="api")
    assert begun(queue) == ["b", "c"]


def test_of_several_queues_all_are_removed_or_none(queue: Queue) -> None:
    queue.queues.set_max_running("api", 1)
    add(queue, "a", queue="mail")
    with pytest.raises(QueueError, match="mail has 1 job"):
        queue.queues.remove(["api", "mail"])
    with pytest.raises(QueueError, match="no such queue: apy; did you mean api"):
        queue.queues.remove(["api", "apy"])
    assert [depth.info.name for depth in queue.queues.all()] == ["api", "mail"]
