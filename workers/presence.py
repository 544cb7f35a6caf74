"""Whether the store that a process has open is still the one at its path, and who has another open.

A store can be removed or replaced while it is in use. Those who have it open go on with a file that
nobody else finds: they are to leave, and until they have nobody starts on the file in its place.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from store import QueueError
from store.queue import Queue
from workers import processes

if TYPE_CHECKING:
    import socket

FILE_OPTION = "--file="
_FOR_SURE = 5.0  # seconds
_SOCKETS = Path("/proc/net/unix")


class StoreInUse(QueueError):
    """Processes still run what a store held that was at the same path."""


class StoreWatch:
    """Looks whether the store that is open is still at its path.

    ``is_away`` after a look that found none there, or another. ``gone`` says which once every look
    for five seconds did. A path that can't be looked at tells nothing.
    """

    def __init__(self, queue: Queue, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._file = queue.url, queue.file
        self._clock = clock
        self._since: float | None = None
        self.gone: str | None = None

    @property
    def is_away(self) -> bool:
        return self._since is not None

    def look(self) -> None:
        now, how = self._clock(), _how_gone(self._path, self._file)
        if how is None:
            self._since = None
        elif self._since is None:
            self._since = now
        elif now - self._since >= _FOR_SURE:
            self.gone = how


def require_file(path: str, file: str) -> None:
    """Raises ``QueueError`` when another file is at ``path`` than the one that was opened."""
    if how := _how_gone(path, file):
        raise QueueError(f"the store at {path} was {how}")


def require_nobody_left(queue: Queue) -> None:
    """Raises ``StoreInUse`` when processes have the file open that was at the path before."""
    for pid in (*_supervisors(queue), *_workers(queue)):
        raise StoreInUse(
            f"the store that was at {queue.path} was removed or replaced under process {pid}, which"
            " ends what it runs and then leaves; try again once it has"
        )


def announce(queue: Queue) -> socket.socket | None:
    """Let others see that this process supervises the store, as long as what is returned is open.

    By a socket of the kernel's own (Linux): no file tells, since it may be removed with the store.
    """
    if not processes.IS_LINUX:
        return None
    import socket

    known = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with suppress(OSError):
        known.bind(f"\0{_prefix(queue)}{queue.file}/{os.getpid()}")
    return known


def _how_gone(path: str, file: str) -> str | None:
    try:
        info = os.stat(path)
    except FileNotFoundError:
        return "removed"
    except OSError:
        return None
    return None if f"{info.st_dev}:{info.st_ino}" == file else "replaced"


def _prefix(queue: Queue) -> str:
    """Of the names of all who supervise a store at this path."""
    from hashlib import sha256

    place = f"{processes.boot_id()} {os.path.realpath(queue.url)}"
    return f"queuectl-tui/{sha256(os.fsencode(place)).hexdigest()[:32]}/"


def _supervisors(queue: Queue) -> Iterator[int]:
    """Those that have another file open."""
    text = ""
    with suppress(OSError):
        text = _SOCKETS.read_text(errors="replace")
    for line in text.splitlines():
        name = line.rpartition(f"@{_prefix(queue)}")[2] if "@queuectl-tui/" in line else ""
        file, _, pid = name.partition("/")
        if pid.isdecimal() and file != queue.file and processes.is_own(int(pid)):
            yield int(pid)


def _workers(queue: Queue) -> Iterator[int]:
    """Those that have another file open; they may have outlived their supervisor."""
    for pid, words in processes.with_words("worker", queue.url):
        files = [word for word in words if word.startswith(FILE_OPTION)]
        if files and files != [f"{FILE_OPTION}{queue.file}"]:
            yield pid
