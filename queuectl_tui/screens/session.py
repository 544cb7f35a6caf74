"""What every screen of one run of the app shares: the store, and the threads that call it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from queuectl_tui.config import Config
from queuectl_tui.memory import Memory
from store import Job, JobState

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
    FILES = "files"
    WATCH = "watch"
    PROGRESS = "progress"


@dataclass(frozen=True, slots=True)
class Deed:
    """Something done that can be undone: the jobs as they stood before and after."""

    name: str
    before: tuple[Job, ...]
    after: tuple[Job, ...]


class Session:
    """Makes every store call away from the keys."""

    def __init__(
        self,
        queue: Queue,
        *,
        read_only: bool,
        remote: bool,
        memory: Memory | None = None,
        config: Config | None = None,
    ) -> None:
        self.queue = queue
        self.memory = memory or Memory()
        self.config = config or Config()
        self.deeds: list[Deed] = []
        self.watched: set[str] = set()
        self.seen: dict[JobState, int] = {}
        self.read_only = read_only
        self.remote = remote
        self.paused = False
        self.closed = False
        self.interval = self.config.rate or (2.0 if remote else 1.0)
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
        self.closed = True
        for thread in self._threads.values():
            thread.submit(self.queue.close)
            thread.shutdown(wait=False, cancel_futures=False)
        self._threads.clear()
        self.memory.save()
