"""A store with a long past is pruned while its workers go on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from store import AttemptState, JobFilter, NewJob, Outcome, open_store

PAST = 50_000
KEPT = 1_000
DONE = Outcome(AttemptState.COMPLETED, exit_code=0)


def test_pruning_holds_nobody_up_and_frees_room(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    queue = open_store(str(path), durable=False)

    def live_through(number: int) -> None:
        queue.enqueue([NewJob(command="true", queue="past")] * number)
        queue.cancel_matching(JobFilter(queue="past"))

    def prune() -> None:
        while queue.prune():
            pass
        queue.close()

    live_through(PAST)
    queue.checkpoint()
    size = path.stat().st_size
    queue.settings.set("keep_completed_count", str(KEPT))
    queue.enqueue([NewJob(command="true")] * 300)
    claimed = 0
    with ThreadPoolExecutor(1) as pool:
        pruning = pool.submit(prune)
        while not pruning.done():
            lease = queue.claim("w1")
            if lease is None:
                queue.enqueue([NewJob(command="true")] * 300)
            else:
                queue.finish(lease, DONE)
                claimed += 1
        pruning.result()
    while queue.prune():
        pass

    assert queue.count(JobFilter(queue="past")) <= KEPT
    assert claimed > 10
    live_through(PAST - KEPT)
    queue.checkpoint()
    assert path.stat().st_size < 1.1 * size
    queue.close()
