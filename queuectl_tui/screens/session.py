"""What every screen of one run of the app shares: the store, and the threads that call it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from store.queue import Queue

Answer = TypeVar("Answer")

_RATES = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Lane(Enum):
    """Calls in one lane wait for each other, never for those in another. A lane is a thread."""

    FRAMES = "frames"
    DETAILS = "details"
    CHANGES = "changes"
    WORKERS = "workers"


class Session:
    """Makes every store call away from the keys."""

    def __init__(self, queue: Queue, *, read_only: bool, remote: bool) -> None:
        self.queue = queue
        self.read_only = read_only
        self.remote = remote
        self.paused = False
        self.interval = 2.0 if remote else 1.0
        self._threads: dict[Lane, ThreadPoolExecutor] = {}

    @property
    def place(self) -> str:
        """The machine and the store, for titles."""
        return f"{socket.gethostname()}:{self.queue.path.name}"

    async def call(self, lane: Lane, work: Callable[[Queue], Answer]) -> Answer:
        """Runs ``work`` with the store in the lane's thread."""
        thread = self._threads.get(lane)
        if thread is None:
            thread = self._threads[lane] = ThreadPoolExecutor(1, f"store-{lane.value}")
        return await asyncio.get_running_loop().run_in_executor(thread, work, self.queue)

    def change_rate(self, step: int) -> None:
        """Refreshes more seldom (``step`` 1) or more often (-1)."""
        nearest = min(range(len(_RATES)), key=lambda at: abs(_RATES[at] - self.interval))
        self.interval = _RATES[max(0, min(len(_RATES) - 1, nearest + step))]

    def close(self) -> None:
        """Ends the threads, each of which closes its own connection first."""
        for thread in self._threads.values():
            thread.submit(self.queue.close)
            thread.shutdown(wait=False, cancel_futures=False)
        self._threads.clear()
