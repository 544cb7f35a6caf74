"""What a claim costs beside a long past, a far future and many queues.

``python tests/benchmarks/bench_claims.py`` claims from several stores in turn, so that whatever
else the machine does slows all of them, and prints the ratio to a store with nothing else in it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from store import AttemptState, JobFilter, Lease, NewJob, Outcome, open_store
from store.queue import Queue

ROUNDS, IN_A_ROW = 40, 50
READY = ROUNDS * IN_A_ROW + 1
DONE = Outcome(AttemptState.COMPLETED, exit_code=0)


def ready(queue: Queue) -> None:
    queue.enqueue(NewJob(command="true") for _ in range(READY))


def past(queue: Queue, finished: int = 1_000_000) -> None:
    queue.enqueue(NewJob(command="true") for _ in range(finished))
    queue.cancel_matching(JobFilter())


def future(queue: Queue, later: int = 100_000) -> None:
    queue.enqueue(NewJob(command="true", delay=86_400) for _ in range(later))


def queues(queue: Queue, number: int = 50) -> None:
    """Half of them are paused."""
    jobs = range(2 * READY)
    queue.enqueue(NewJob(command="true", queue=f"q{at % number}") for at in jobs)
    queue.queues.set_paused([f"q{at}" for at in range(number // 2)], True)


STORES: dict[str, tuple[Callable[[Queue], None], ...]] = {
    "nothing else": (ready,),
    "1,000,000 finished": (past, ready),
    "100,000 due tomorrow": (future, ready),
    "50 queues, 25 of them paused": (queues,),
    "all of that": (past, future, queues),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        stores = {}
        for at, (name, fill) in enumerate(STORES.items()):
            stores[name] = open_store(str(Path(folder) / f"{at}.db"), durable=False)
            for step in fill:
                step(stores[name])
        costs = _measured(stores)
        for queue in stores.values():
            queue.close()
    base = statistics.median(costs["nothing else"])
    for name, seconds in costs.items():
        median = statistics.median(seconds)
        print(f"{name:<30} {median * 1000:7.3f} ms {median / base:6.2f} ×")


def _measured(stores: dict[str, Queue]) -> dict[str, list[float]]:
    """Seconds that it took to finish one job and claim the next, each time."""
    leases: dict[str, Lease | None] = {name: queue.claim("w1") for name, queue in stores.items()}
    costs: dict[str, list[float]] = {name: [] for name in stores}
    for _ in range(ROUNDS):
        for name, queue in stores.items():
            for _ in range(IN_A_ROW):
                lease = leases[name]
                assert lease is not None
                begun = time.perf_counter()
                leases[name] = queue.finish(lease, DONE, claim_for="w1")
                costs[name].append(time.perf_counter() - begun)
    return costs


if __name__ == "__main__":
    main()
