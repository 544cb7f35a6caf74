"""How long a claim waits while 200,000 finished jobs are pruned to 1,000.

``python tests/benchmarks/prune.py [BYTES]``, BYTES being what each job printed (100).
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from store import AttemptState, NewJob, Outcome, Output, open_store
from store.queue import Queue

PAST, KEPT = 200_000, 1_000
BETWEEN_JOBS = 0.001  # seconds, about what starting a process takes
DONE = Outcome(AttemptState.COMPLETED, exit_code=0)


def main(printed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        queue = open_store(str(Path(folder) / "queue.db"), durable=False)
        live_through(queue, PAST, printed)
        size = queue.path.stat().st_size
        queue.settings.set("keep_completed_count", str(KEPT))
        spawning = multiprocessing.get_context("spawn")
        ready = spawning.Event()
        pruning = spawning.Process(target=prune, args=(queue.url, ready))
        pruning.start()
        ready.wait()
        begun = time.perf_counter()
        waits: list[float] = []
        while pruning.is_alive():
            waits += claims(queue)
        seconds = time.perf_counter() - begun
        queue.checkpoint()
        live_through(queue, PAST // 4, printed)
        grown = queue.path.stat().st_size / size - 1
        queue.close()
    waits.sort()
    print(f"{PAST:,} jobs of {printed:,} bytes pruned to {KEPT:,} in {seconds:.1f} s;")
    print(f"{len(waits):,} claims meanwhile waited, in ms:")
    for share in (0.5, 0.9, 0.99, 0.999):
        print(f"  {share:6.1%}  {waits[int(share * len(waits))] * 1000:8.2f}")
    print(f"  longest {waits[-1] * 1000:8.2f}")
    print(f"{PAST // 4:,} jobs later the file is {grown:.1%} larger than before")


def live_through(queue: Queue, number: int, printed: int) -> None:
    queue.enqueue(NewJob(command="true", max_retries=1) for _ in range(number))
    outcome = DONE._replace(stdout=Output(printed, b"x" * printed))
    lease = queue.claim("w1")
    while lease is not None:
        lease = queue.finish(lease, outcome, claim_for="w1")
    queue.checkpoint()


def claims(queue: Queue) -> list[float]:
    """Seconds that each of the next 500 claims took."""
    queue.enqueue([NewJob(command="true", max_retries=1)] * 500)
    waits = []
    for _ in range(500):
        begun = time.perf_counter()
        lease = queue.claim("w1")
        waits.append(time.perf_counter() - begun)
        if lease is not None:
            queue.finish(lease, DONE)
        time.sleep(BETWEEN_JOBS)
    return waits


def prune(url: str, ready: Event) -> None:
    queue = open_store(url, durable=False)
    ready.set()
    while queue.prune():
        pass
    queue.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
