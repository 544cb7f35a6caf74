"""How far the running jobs in sight are, read beside the frames, which it must not slow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from queuectl_tui.progress import HEAD, TAIL, progress_of
from store import QueueError, Stream

if TYPE_CHECKING:
    from store.output import OutputView
    from store.queue import Queue


def read_progress(queue: Queue, ids: Iterable[str]) -> dict[str, float]:
    """The fraction done of those jobs that say something about it."""
    found = {}
    for job_id in ids:
        fraction = _of_job(queue, job_id)
        if fraction is not None:
            found[job_id] = fraction
    return found


def _of_job(queue: Queue, job_id: str) -> float | None:
    for stream in (Stream.STDERR, Stream.STDOUT):  # most tools draw their bars on stderr
        try:
            fraction = _of_output(queue.output(job_id, None, stream))
        except (QueueError, OSError):
            return None
        if fraction is not None:
            return fraction
    return None


def _of_output(view: OutputView) -> float | None:
    size = view.size()
    if not size:
        return None
    return progress_of(view.read(0, HEAD), view.read(max(0, size - TAIL), TAIL))
