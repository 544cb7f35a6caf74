"""What a worker is doing, written where its supervisor finds it should the worker die.

One short line in a file of the worker's own, overwritten in place: it costs microseconds a job. It
is written ahead: an attempt that isn't in it was not started.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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
    """The worker's end: it writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._leader = ""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(path, flags, 0o600)
        self._write("")  # room for every line to come, be the disk full by then

    def starting(self, attempt_id: int) -> None:
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
        self._path.unlink(missing_ok=True)

    def _write(self, line: str) -> None:
        os.pwrite(self._fd, line.ljust(_WIDTH).encode(), 0)


def read(path: Path) -> Entry | None:
    """The supervisor's end: the last entry, ``None`` when there is none."""
    with suppress(OSError, ValueError):
        attempt, *rest = path.read_text().split()
        leader, started_by, status = map(_number, rest)
        return Entry(int(attempt), leader, started_by or 0, status)
    return None


def last_beat(path: Path) -> float:
    """When the worker was last heard, by ``time.time``; 0 when it never was."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _number(word: str) -> int | None:
    return None if word == "-" else int(word)
