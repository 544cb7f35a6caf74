"""What every screen of one run of the app shares: the store, and the threads that call it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from queuectl_tui.config import Config
from queuectl_tui.memory import Memory
from store import Job, JobState, StoreUnusable, open_store

if TYPE_CHECKING:
    from store.queue import Queue
    from store.sweep import Change

Answer = TypeVar("Answer")

_RATES = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


def _identity(path: Path) -> tuple[int, int]:
    try:
        info = path.stat()
    except FileNotFoundError:
        raise StoreUnusable(f"the store was removed or renamed: {path}") from None
    return info.st_dev, info.st_ino


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


@dataclass(frozen=True, slots=True)
class Sweeping:
    """Something done in steps that can be undone."""

    name: str
    changes: tuple[Change, ...]

    @property
    def jobs(self) -> int:
        return sum(change.jobs for change in self.changes)


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
        self.deeds: list[Deed | Sweeping] = []
        self.acting = asyncio.Lock()
        """Held while something is asked about, done and remembered: an undo waits for it."""
        self.watched: set[str] = set()
        self.seen: dict[JobState, int] = {}
        self.read_only = read_only
        self.remote = remote
        self.paused = False
        self.closed = False
        self.interval = self.config.rate or (2.0 if remote else 1.0)
        self._threads: dict[Lane, ThreadPoolExecutor] = {}
        self._interrupters: dict[Lane, Callable[[], None]] = {}
        self._file = _identity(queue.path)
        self._opening = threading.Lock()
        self._own = threading.local()

    @property
    def place(self) -> str:
        """The machine and the store, for titles."""
        return f"{socket.gethostname()}:{self.queue.path.name}"

    async def call(self, lane: Lane, work: Callable[[Queue], Answer]) -> Answer:
        """Runs ``work`` with the store in the lane's thread."""
        thread = self._threads.get(lane)
        if thread is None:
            thread = self._threads[lane] = ThreadPoolExecutor(1, f"store-{lane.value}")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(thread, lambda: self._run(lane, work))

    def interrupt(self, lane: Lane) -> None:
        """Makes the call that reads in the lane, if there is one, raise ``Interrupted``."""
        interrupt = self._interrupters.get(lane)
        if interrupt is not None:
            interrupt()

    def _run(self, lane: Lane, work: Callable[[Queue], Answer]) -> Answer:
        queue = self._store_as_it_is()
        self._interrupters[lane] = queue.interrupter()
        try:
            return work(queue)
        finally:
            del self._interrupters[lane]

    def _store_as_it_is(self) -> Queue:
        """The store that stands at the path now, for the thread that calls: an open connection
        would go on showing a file that was removed or replaced, or misread one that was upgraded.
        Raises ``StoreUnusable``."""
        found = _identity(self.queue.path)
        with self._opening:
            if found != self._file:
                self.queue, self._file = open_store(self.queue.url, create=False), found
        mine = getattr(self._own, "queue", self.queue)
        if mine is not self.queue:
            mine.close()
        self._own.queue = self.queue
        self.queue.require_known_schema()
        return self.queue

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
