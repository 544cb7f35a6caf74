"""Wait for the store to change: a cheap question, asked some twenty times a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.queue import Queue

INTERVAL = 0.05


def until_changed(queue: Queue, token: int, *, deadline: float | None = None) -> bool:
    """Return when the change token is no longer ``token``: False if ``deadline`` came first.

    ``deadline`` is by ``time.monotonic()``.
    """
    while queue.change_token() == token:
        pause = INTERVAL if deadline is None else min(INTERVAL, deadline - time.monotonic())
        if pause <= 0:
            return False
        time.sleep(pause)
    return True


def is_over(queue: Queue, job_id: str) -> bool:
    """Whether nothing more will happen to the job by itself: it ended, or what it needs won't."""
    from store import JobState

    seen: set[str] = set()
    todo = [job_id]
    while todo:
        job = queue.job(todo.pop())
        if job.state.finished and (job.id == job_id or job.state is not JobState.COMPLETED):
            return True
        if job.state is JobState.BLOCKED:
            todo += [needed for needed in job.depends_on if needed not in seen]
            seen.update(job.depends_on)
    return False
