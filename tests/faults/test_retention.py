"""A store with a long past is pruned while its workers go on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, pairwise
from pathlib import Path
from threading import Event

import pytest

from store import AttemptState, JobFilter, NewJob, Outcome, Output, Stream, open_store
from store.queue import Queue

PAST = 200_000
KEPT = 1_000
DONE = Outcome(AttemptState.COMPLETED, exit_code=0)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    opened = open_store(str(tmp_path / "queue.db"), durable=False)
    yield opened
    opened.close()


def live_through(queue: Queue, number: int) -> None:
    queue.enqueue(NewJob(command="true", queue="past") for _ in range(number))
    queue.cancel_matching(JobFilter(queue="past"))
    queue.checkpoint()


def test_pruning_lets_workers_in_between_and_frees_room(queue: Queue) -> None:
    live_through(queue, PAST)
    size = queue.path.stat().st_size
    queue.enqueue([NewJob(command="true")] * 2_000)
    queue.settings.set("keep_completed_count", str(KEPT))
    happened: list[str] = []
    changed: list[int] = []
    pruned = Event()

    def prune() -> None:
        mine = open_store(queue.url, durable=False)
        connection = mine._database.connection()

        def trace(statement: str) -> None:
            if statement == "COMMIT":
                happened.append("pruned")
                changed.append(connection.total_changes)
                pruned.set()

        connection.set_trace_callback(trace)
        while mine.prune():
            pass
        mine.close()

    with ThreadPoolExecutor(1) as pool:
        pruning = pool.submit(prune)
        while not pruning.done():
            if pruned.wait(0.1):
                pruned.clear()
                lease = queue.claim("w1")
                assert lease is not None
                queue.finish(lease, DONE)
                happened.append("worked")
        pruning.result()

    assert queue.count(JobFilter(queue="past")) <= KEPT
    # A job's row and its count are two changes.
    assert max(after - before for before, after in pairwise(changed)) < 1_000
    in_a_row = [len([*run]) for what, run in groupby(happened) if what == "pruned"]
    assert max(in_a_row) < 10
    queue.checkpoint()
    live_through(queue, PAST // 4)
    assert queue.path.stat().st_size <= 1.02 * size


# Output ------------------------------------------------------------------------------------------


def ran(queue: Queue, size: int, *, in_file: bool = False, **fields: object) -> str:
    """A job that printed ``size`` bytes."""
    (job_id,) = queue.enqueue([NewJob(command="true", **fields)])  # type: ignore[arg-type]
    lease = queue.claim("w1")
    assert lease is not None
    data = None if in_file else b"x" * size
    if in_file:
        queue.folders.kept(lease.attempt_id, Stream.STDOUT).write_bytes(b"x" * size)
    outcome = Outcome(AttemptState.COMPLETED, exit_code=0, stdout=Output(size, data))
    queue.finish(lease, outcome)
    return job_id


def kept(queue: Queue, *ids: str) -> list[int]:
    """How much of each job's output is there."""
    views = [queue.output(job_id, None, Stream.STDOUT) for job_id in ids]
    return [len(view.read(0, 1 << 20)) for view in views]


def test_all_outputs_count_and_the_oldest_go(queue: Queue) -> None:
    queue.settings.set("keep_output", "100K")
    small = [ran(queue, 20_480) for _ in range(2)]
    large = [ran(queue, 40_960, in_file=True)]
    queue.prune()
    assert kept(queue, *small, *large) == [20_480, 20_480, 40_960]

    newest = [ran(queue, 20_480), ran(queue, 40_960, in_file=True)]
    queue.prune()

    assert kept(queue, *small, *large, *newest) == [0, 0, 0, 20_480, 40_960]
    assert [queue.history(small[0])[0].stdout_bytes] == [20_480]
    assert len([*queue.folders.outputs.iterdir()]) == 1


def test_what_was_removed_meanwhile_makes_room(queue: Queue) -> None:
    queue.settings.set("keep_output", "100K")
    first = [ran(queue, 20_480) for _ in range(4)]
    queue.prune()
    queue.delete(first[:3])
    second = [ran(queue, 20_480) for _ in range(4)]

    queue.prune()

    assert kept(queue, first[3], *second) == [20_480] * 5


def test_output_of_a_job_that_ran_long_counts_from_its_end(queue: Queue) -> None:
    queue.settings.set("keep_output", "50K")
    (long,) = queue.enqueue([NewJob(command="true")])
    lease = queue.claim("w1")
    assert lease is not None
    short = [ran(queue, 20_480) for _ in range(2)]
    queue.prune()

    queue.finish(lease, Outcome(AttemptState.COMPLETED, stdout=Output(20_480, b"x" * 20_480)))
    queue.prune()

    assert kept(queue, *short, long) == [0, 20_480, 20_480]


def test_what_may_still_be_written_to_is_let_alone(queue: Queue) -> None:
    queue.settings.set("keep_output", "10K")
    (held,) = queue.enqueue([NewJob(command="true")])
    lease = queue.claim("w1")
    assert lease is not None
    queue.folders.kept(lease.attempt_id, Stream.STDOUT).write_bytes(b"x" * 40_960)
    left = Outcome(AttemptState.COMPLETED, stdout=Output(40_960), tree_empty=False)
    queue.finish(lease, left)
    queue.prune()
    assert kept(queue, held) == [40_960]

    queue.settle(lease, {Stream.STDOUT: Output(40_960), Stream.STDERR: Output(0, b"")})
    queue.prune()

    assert kept(queue, held) == [0]
