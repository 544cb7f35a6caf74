"""People and workers who want the same job at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier

import pytest

from store import AttemptState, JobState, Lease, NewJob, NoSuchJob, Outcome, WrongState, open_store
from store.queue import Queue

RACES = 500
DONE = Outcome(AttemptState.COMPLETED, exit_code=0)
TOO_LATE = Outcome(AttemptState.CANCELLED, exit_code=0)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    opened = open_store(str(tmp_path / "queue.db"), durable=False)
    yield opened
    opened.close()


def raced(*rivals: Callable[[], object]) -> None:
    """Begins all at once, each in a thread of its own, ``RACES`` times; none may raise."""
    line = Barrier(len(rivals))

    def run(rival: Callable[[], object]) -> None:
        for _ in range(RACES):
            line.wait(20)
            rival()
            line.wait(20)

    with ThreadPoolExecutor(len(rivals)) as pool:
        for outcome in [pool.submit(run, rival) for rival in rivals]:
            outcome.result()


def test_cancel_against_a_job_that_is_finishing(queue: Queue) -> None:
    ids = queue.enqueue([NewJob(command="true")] * RACES)
    leases = iter([queue.claim("w1") for _ in range(RACES)])
    names = iter(ids)

    def finish() -> None:
        lease = next(leases)
        assert lease is not None
        queue.finish(lease, DONE)

    def cancel() -> None:
        with suppress(WrongState):
            queue.cancel([next(names)])

    raced(finish, cancel)

    ends = [(queue.job(name), queue.history(name)) for name in ids]
    for job, [attempt] in ends:
        assert (job.state, attempt.state) in {
            (JobState.COMPLETED, AttemptState.COMPLETED),
            (JobState.CANCELLED, AttemptState.CANCELLED),
        }
        assert not job.cancel_requested
    assert {job.state for job, _ in ends} == {JobState.COMPLETED, JobState.CANCELLED}
    assert queue.leases("w1") == []


def test_cancel_against_a_job_that_is_being_claimed(queue: Queue) -> None:
    ids = queue.enqueue([NewJob(command="true")] * RACES)
    names = iter(ids)
    claimed: dict[str, Lease] = {}

    def claim() -> None:
        lease = queue.claim("w1")
        if lease is not None:
            claimed[lease.job_id] = lease

    raced(claim, lambda: queue.cancel([next(names)]))

    for name in ids:
        job = queue.job(name)
        assert (job.state is JobState.PROCESSING and job.cancel_requested) is (name in claimed)
        assert (job.state is JobState.CANCELLED) is (name not in claimed)
    for lease in claimed.values():
        queue.finish(lease, TOO_LATE)
    assert queue.status().counts[JobState.CANCELLED] == RACES


def test_edit_against_a_job_that_is_being_claimed(queue: Queue) -> None:
    """It runs as it was, or as it is after."""
    ids = queue.enqueue([NewJob(command="old")] * RACES)
    names = iter(ids)
    claimed: list[Lease | None] = []

    def edit() -> None:
        with suppress(WrongState):
            queue.edit(next(names), NewJob(command="new"))

    raced(lambda: claimed.append(queue.claim("w1")), edit)

    leases = [lease for lease in claimed if lease is not None]
    assert {lease.command for lease in leases} == {"old", "new"}
    for lease in leases:
        assert queue.job(lease.job_id).command == lease.command
        assert len(queue.history(lease.job_id)) == 1


def test_delete_against_a_retry(queue: Queue) -> None:
    """One of them is refused."""
    ids = queue.enqueue([NewJob(command="true")] * RACES)
    queue.cancel(ids)
    to_delete, to_retry = iter(ids), iter(ids)
    refused: list[type[Exception]] = []

    def attempt(act: Callable[[], object]) -> None:
        try:
            act()
        except (WrongState, NoSuchJob) as error:
            refused.append(type(error))

    raced(
        lambda: attempt(lambda: queue.delete([next(to_delete)])),
        lambda: attempt(lambda: queue.retry([next(to_retry)])),
    )

    assert len(refused) == RACES
    assert queue.count() == queue.status().counts[JobState.PENDING] == refused.count(WrongState)
