"""What a worker is doing, written where its supervisor finds it should the worker die.

One short line in a file of the worker's own, overwritten in place: it costs microseconds a job. It
is written ahead: an attempt that isn't in it was not started.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from store.output import remove

_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Entry:
    """``leader`` runs ``attempt_id``, ``None`` just before it is started; it had been by
    ``started_by``, in the unit of ``ProcessIdentity.start``; ``status`` is its wait status once it
    has ended."""

    attempt_id: int
    leader: int | None
    started_by: int
    status: int | None


class Journal:
    """The worker's end: it writes. Every method but ``close`` may raise ``OSError``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._leader = ""
        self._is_lost = False
        self._fd = _make(path)

    def starting(self, attempt_id: int) -> None:
        if self._is_lost:
            fresh = _make(self._path)
            os.close(self._fd)
            self._fd, self._is_lost = fresh, False
        self._write(f"{attempt_id} - 0 -")

    def started(self, attempt_id: int, leader: int, now: int) -> None:
        """``now`` is the present, in the unit of ``ProcessIdentity.start``."""
        self._leader = f"{leader} {now}"
        self._write(f"{attempt_id} {self._leader} -")

    def ended(self, attempt_id: int, status: int) -> None:
        """The leader that ``started`` told of has ended."""
        self._write(f"{attempt_id} {self._leader} {status}")

    def beat(self) -> None:
        """Say that the worker lives, at the price of one call to the system."""
        os.utime(self._fd)

    def close(self) -> None:
        os.close(self._fd)
        remove([self._path])

    def _write(self, line: str) -> None:
        try:
            os.pwrite(self._fd, line.ljust(_WIDTH).encode(), 0)
        except OSError:
            self._is_lost = True
            remove([self._path])  # to say nothing is better than what is true no more
            raise


def _make(path: Path) -> int:
    """A journal with room for every line to come, be the disk full by then."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(path, flags, 0o600)
    try:
        os.pwrite(fd, b" " * _WIDTH, 0)
    except OSError:
        os.close(fd)
        raise
    return fd


def read(path: Path) -> Entry | None:
    """The supervisor's end: the last entry, ``None`` when nothing was started yet.

    Raises ``OSError`` when that can't be told.
    """
    text = path.read_bytes()
    if not text.strip():
        return None
    try:
        attempt, *rest = text.decode().split()
        leader, started_by, status = map(_number, rest)
        return Entry(int(attempt), leader, started_by or 0, status)
    except ValueError:
        raise OSError(errno.EIO, "it is damaged") from None


def last_beat(path: Path) -> float | None:
    """When the worker was last heard, by ``time.time``; 0 when it never was.

    ``None`` when that can't be told.
    """
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0 if os.path.isdir(path.parent) else None
    except OSError:
        return None


def _number(word: str) -> int | None:
    return None if word == "-" else int(word)
