"""The upkeep of the store's write-ahead log, away from those who write."""

from __future__ import annotations

import time
from collections.abc import Callable

from store.queue import Queue

_LONG = 8_000  # pages: 16 MB, and about eight hundred jobs
_SOONEST, _LATEST = 0.1, 10.0  # seconds between two checkpoints


class LogKeeper:
    """Syncs what was committed, and moves it into the database before the log is long.

    Syncing first takes nobody's time: writers wait only while a checkpoint moves the pages. With
    no supervisor up, a connection that has filled twice as much moves them itself.
    """

    def __init__(self, queue: Queue, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue = queue
        self._clock = clock
        self._synced = self._moved = -1
        self._moved_at = self._due = clock()
        self._grows = False

    def advance(self) -> None:
        """Do what is due. Raises ``QueueError`` when the store is held by others for too long."""
        token, now = self._queue.change_token(), self._clock()
        self._grows = token != self._synced
        if self._grows:
            self._queue.sync()
            self._synced = token
        if token != self._moved and now >= self._due:
            pages = self._queue.checkpoint()
            fills_in = (now - self._moved_at) * _LONG / max(1, pages)
            self._moved, self._moved_at = token, now
            self._due = now + min(_LATEST, max(_SOONEST, fills_in))

    @property
    def rest(self) -> float:
        """Seconds that may pass until ``advance`` is called again."""
        return max(0.0, self._due - self._clock()) if self._grows else _LATEST
