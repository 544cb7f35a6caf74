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
        with contextlib.suppress(OSError):
            self._path.unlink()


def ring(folder: Path) -> None:
    """Ring every doorbell in ``folder``.

    It never fails: what is told of is committed, and whoever does not hear it looks by itself.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):  # nobody listens, or it has been rung enough
                _ring(os.path.join(folder, name))


def _ring(path: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.write(fd, b"!")
    finally:
        os.close(fd)
