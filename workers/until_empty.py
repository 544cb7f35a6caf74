"""A pool that leaves once nothing in its queues goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from store import Leftover
from store.queue import Queue
from workers.control import up


class UntilEmpty:
    """Looks whether jobs of ``queues`` (none: all) run, or will without anybody's doing."""

    def __init__(self, queue: Queue, queues: Sequence[str]) -> None:
        self._queue = queue
        self._queues = queues
        self._since = queue.now()
        self._token: int | None = None

    def is_empty(self) -> bool:
        """Whether nothing goes on; as before, while nothing was committed. Cheap."""
        token = self._queue.change_token()
        if token == self._token:
            return False
        if not self._queue.queues.goes_on(self._queues, self._served()):
            return True
        self._token = token
        return False

    def _served(self) -> list[str]:
        """The queues that are served by this pool or any other; none means all."""
        if not self._queues:
            return []
        served = [self._queues, *(worker.queues for worker in up(self._queue))]
        return sorted({name for names in served for name in names}) if all(served) else []

    def left(self) -> str:
        """What is left, in words."""
        words = ", ".join(_in_words(self._queue.queues.left(self._queues)))
        return f"no job is left to run{words and f'; left: {words}'}"

    def deaths(self) -> str:
        """How many jobs have died since the beginning, in words; empty for none."""
        died = self._queue.queues.died(self._queues, self._since)
        return f"{died} of its jobs died; list them with: queuectl-tui dlq list" if died else ""


def _in_words(left: Leftover) -> Iterator[str]:
    if left.held:
        yield f"{left.held} held"
    for name, number in left.paused.items():
        yield f"{number} in paused queue {name}"
    if left.blocked:
        behind = [f"{job_id} ({state.label})" for job_id, state in left.behind]
        behind += ["others"] if left.behind_more else []
        yield f"{left.blocked} blocked" + (f" behind {', '.join(behind)}" if behind else "")
