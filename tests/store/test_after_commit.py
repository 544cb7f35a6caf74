"""What has been committed is done: whatever fails after it changes no answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from store import (
    AttemptState,
    JobFilter,
    JobState,
    Lease,
    NewJob,
    Outcome,
    Output,
    QueueError,
    Stream,
    WorkerKind,
)
from store.queue import Queue

FAILED = Outcome(AttemptState.FAILED, exit_code=1)
DONE = Outcome(AttemptState.COMPLETED, exit_code=0)


@pytest.fixture
def deaf(queue: Queue) -> Queue:
    """A store with a job of each kind, and nothing to be rung or removed where it should be."""
    queue.registry.register(WorkerKind.SUPERVISOR, pool="default", host="here", count=1)
    queue.registry.heartbeat("s1")
    queue.enqueue([NewJob(command="true", id="done", max_retries=0)])
    lease = queue.claim("w7")
    assert lease is not None
    large = Output(100_000)
    queue.finish(lease, DONE._replace(stdout=large))
    queue.folders.kept(lease.attempt_id, Stream.STDOUT).mkdir()  # as a file it could be removed
    queue.enqueue([NewJob(command="true", id="waiting")])
    bells = queue.path.with_name("queue.db.d") / "bells"
    bells.rename(bells.with_name("elsewhere"))
    bells.write_text("no folder")
    return queue


def one(queue: Queue) -> NewJob:
    return NewJob(command="true", id="new")


CHANGES: dict[str, Callable[[Queue], object]] = {
    "enqueue": lambda queue: list(queue.enqueue([NewJob(command="true", id="new")])),
    "cancel": lambda queue: [job.state for job in queue.cancel(["waiting"])],
    "cancel_matching": lambda queue: queue.cancel_matching(JobFilter()),
    "retry": lambda queue: [job.state for job in queue.retry(["done"])],
    "retry_matching": lambda queue: len(queue.retry_matching(JobFilter()).ids),
    "edit": lambda queue: queue.edit("waiting", NewJob(command="false")).command,
    "delete": lambda queue: queue.delete(["done"]),
    "delete_matching": lambda queue: queue.delete_matching(JobFilter()),
    "finish": lambda queue: _claimed(queue, lambda lease: queue.finish(lease, DONE)),
    "release": lambda queue: _claimed(queue, lambda lease: queue.release(lease, FAILED)),
    "settle": lambda queue: _claimed(queue, partial(_settle, queue)),
    "pause a queue": lambda queue: queue.queues.set_paused(None, True),
    "limit a queue": lambda queue: queue.queues.set_max_running("default", 3),
    "set": lambda queue: queue.settings.set("max_running", "3"),
    "scale": lambda queue: queue.registry.order("default", count=4).count,
    "pause a pool": lambda queue: queue.registry.set_paused("default", True),
    "unregister": lambda queue: queue.registry.unregister("s1"),
    "add a schedule": lambda queue: queue.schedules.add("often", one(queue), every=60).name,
}
ANSWERS = {
    "enqueue": ["new"],
    "cancel": [JobState.CANCELLED],
    "cancel_matching": 1,
    "retry": [JobState.PENDING],
    "retry_matching": 1,
    "edit": "false",
    "delete_matching": 1,
    "pause a queue": ["default"],
    "scale": 4,
    "add a schedule": "often",
}


def _settle(queue: Queue, lease: Lease) -> None:
    queue.finish(lease, DONE._replace(tree_empty=False))
    queue.settle(lease, dict.fromkeys(Stream, Output(0, b"")))


def _claimed(queue: Queue, then: Callable[..., object]) -> object:
    lease = queue.claim("w8")
    assert lease is not None
    return then(lease)


@pytest.mark.parametrize("change", CHANGES)
def test_no_bell_and_no_file_makes_a_change_fail(deaf: Queue, change: str) -> None:
    answer = CHANGES[change](deaf)

    assert answer == ANSWERS.get(change)
    if change == "delete":
        with pytest.raises(QueueError, match="no such job"):
            deaf.job("done")


def test_a_schedule_is_changed_though_nobody_hears(deaf: Queue) -> None:
    deaf.schedules.add("often", NewJob(command="true"), every=60)

    changed = deaf.schedules.change(
        "often",
        NewJob(command="false"),
        cron=None,
        every=90,
        tz="UTC",
        overlap=deaf.schedules.get("often").overlap,
        catch_up=False,
    )
    deaf.schedules.set_paused(["often"], True)

    assert (changed.every, changed.job.command) == (90, "false")
    assert deaf.schedules.get("often").paused


def test_a_claim_that_cannot_be_made_durable_is_known(queue: Queue) -> None:
    """Whoever claimed has the lease, and can give it back."""
    queue.enqueue([NewJob(command="true", id="once", max_retries=0)])
    log = Path(f"{queue.path}-wal")
    lease = queue.claim("w1")
    assert lease is not None
    log.rename(log.with_suffix(".away"))
    log.symlink_to("/proc/self/mem/no")  # neither there nor missing

    with pytest.raises(QueueError, match="cannot use"):
        queue.secure(lease)
    log.unlink()
    log.with_suffix(".away").rename(log)
    queue.release(lease, Outcome(AttemptState.RELEASED))
    assert queue.job("once").state is JobState.PENDING


def test_the_ids_of_a_large_batch_come_from_the_store_when_its_spool_is_gone(queue: Queue) -> None:
    queue.enqueue([NewJob(command="true", id="job7")])
    jobs = (NewJob(command="true", id=f"job{number}") for number in range(2500))

    ids = queue.enqueue(jobs, skip_existing=True)
    first = [*ids]
    folder = os.open("/", os.O_RDONLY)  # which can't be read as a file
    os.dup2(folder, ids._spool._file.fileno())  # type: ignore[attr-defined]
    os.close(folder)

    assert first == [f"job{number}" for number in range(2500) if number != 7]
    assert [*ids] == first
