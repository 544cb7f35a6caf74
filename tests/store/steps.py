"""What most tests of the queue do on the way."""

from __future__ import annotations

from store import AttemptState, Lease, NewJob, Outcome
from store.queue import Queue

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
