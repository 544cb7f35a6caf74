"""What is said about jobs that don't start: at once, and while they are waited for."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from queuectl_tui import streams
from queuectl_tui.text import counted
from store import Job, JobState, WorkerState

if TYPE_CHECKING:
    from store.queue import Queue

_AFTER = 3.0  # seconds, and between two looks at the reasons
_REST = 20  # times as long as such a look took
_AT_ONCE = 500


def tell_if_unserved(queue: Queue, names: Iterable[str]) -> None:
    """Say of each of these queues why nothing of it will run: it, or who serves it, is paused, or
    no worker does."""
    paused, workers = queue.queues.paused(), queue.workers()
    paused_pools = {worker.pool for worker in workers if worker.state is WorkerState.PAUSED}
    for name in sorted(names):
        if name in paused:
            resume = f"queuectl-tui queue resume {name}"
            streams.narrate(f"Queue {name} is paused; its jobs start after: {resume}")
        pools = {worker.pool for worker in workers if worker.serves(name)}
        if not pools:
            streams.narrate(
                f"No worker serves queue {name}; start one with: queuectl-tui worker start"
            )
        elif pools <= paused_pools:
            resume = f"queuectl-tui worker resume --pool {min(pools)}"
            streams.narrate(f"Who serves queue {name} is paused; resume with: {resume}")


class Narrator:
    """Says what jobs that are waited for wait for: after a while, and whenever that changes.

    What comes and goes while jobs run, such as a limit, is said once. Without a terminal nothing
    is. ``next_at``, by ``time.monotonic()``, is when it wants to be asked again.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._said: set[str] = set()
        self._lasting: set[str] | None = None
        self.next_at = time.monotonic() + _AFTER if sys.stderr.isatty() else math.inf

    def tell(self, ids: Sequence[str]) -> None:
        """``ids`` are those of the jobs that are waited for still."""
        began = time.monotonic()
        if began < self.next_at:
            return
        counts, lasting = _counts(self._queue, ids)
        if lasting != self._lasting or not self._said.issuperset(counts):
            reasons = ", ".join(f"{number} {what}" for what, number in counts.most_common())
            streams.narrate(f"waiting for {counted(counts.total(), 'job')}: {reasons}")
            self._said.update(counts)
            self._lasting = lasting
        now = time.monotonic()
        self.next_at = now + max(_AFTER, _REST * (now - began))


def _counts(queue: Queue, ids: Sequence[str]) -> tuple[Counter[str], set[str]]:
    """How many of the jobs run, or wait for what; and what of that lasts."""
    from queuectl_tui.waiting import Waiting

    waiting, counts, lasting = Waiting(queue), Counter[str](), set[str]()
    for start in range(0, len(ids), _AT_ONCE):
        jobs = queue.present(ids[start : start + _AT_ONCE])
        reasons = waiting.of(jobs)
        for job in jobs:
            first = next(iter(reasons.get(job.id, ())), None)
            what = _going(job) if first is None else first.of_many
            counts[what] += 1
            if job.paused or (first is not None and first.lasting):
                lasting.add(what)
    return counts, lasting


def _going(job: Job) -> str:
    if job.paused:
        return "paused"
    return "running" if job.state is JobState.PROCESSING else "waiting for a free worker"
