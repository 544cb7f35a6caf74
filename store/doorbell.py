"""A doorbell: how a commit in one process wakes the others within milliseconds.

Each waiting process listens on a FIFO of its own in the store's private ``bells`` folder; whoever
changed something writes one byte to each. A ring that can't be delivered is lost without harm:
listeners also look by themselves every second or so.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class Doorbell:
    """A listener; ``fileno()`` becomes readable when somebody rings."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / name
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._path, 0o600)
        # Read-write, so that the last ringer's close is not an end of file.
        self._fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)

    def fileno(self) -> int:
        return self._fd

    def hush(self) -> bool:
        """Forget past rings; True when there were any."""
        rung = False
        with contextlib.suppress(BlockingIOError):
            while os.read(self._fd, 4096):
                rung = True
        return rung

    def close(self) -> None:
        os.close(self._fd)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()


def ring(folder: Path) -> None:
    """Ring every doorbell in ``folder``; one that nobody listens at any more is passed over."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        path = os.path.join(folder, name)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:  # ENXIO: nobody listens; ENOENT: just left
            continue
        with contextlib.suppress(BlockingIOError):  # full: rung enough already
            os.write(fd, b"!")
        os.close(fd)
