"""What a job wrote, as lines: the file is read in pieces, wherever it is looked at.

Nothing here knows about screens; it runs in a thread and reads through ``read`` and ``size`` of
an ``OutputView``.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import Protocol

from queuectl_tui.text import escape

_BLOCK = 64 * 1024
_LONGEST = 8 * 1024
_TAIL = 64 * 1024
_BUDGET = 32 * 1024 * 1024


class Bytes(Protocol):
    """The part of ``OutputView`` that is needed here."""

    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class LogRequest:
    """``count`` lines from ``first`` on; the last ones if ``first`` is None."""

    first: int | None
    count: int


@dataclass(frozen=True, slots=True)
class LogPage:
    """``lines`` are those from ``first`` on of ``total``, ``indexed`` the bytes that are known."""

    first: int = 0
    lines: tuple[str, ...] = ()
    total: int = 0
    size: int = 0
    indexed: int = 0

    @property
    def complete(self) -> bool:
        return self.indexed >= self.size


class LogReader:
    """Random access to the lines of an output that may grow, or shrink, while it is read.

    It remembers one number for every 64 KiB: how many lines end before that block.
    """

    def __init__(self, source: Bytes) -> None:
        self._source = source
        self._forget()

    def read(self, request: LogRequest) -> LogPage:
        """Looks at up to 32 MiB that are new, then reads the lines that were asked for."""
        size = self._source.size()
        if size < self._indexed:
            self._forget()
        self._index(min(size, self._indexed + _BUDGET))
        total = self._newlines + (not self._ends_a_line)
        last = max(0, total - request.count)
        first = last if request.first is None else min(request.first, last)
        lines = tuple(clean_line(line) for line in self._lines(first, min(request.count, total)))
        return LogPage(first, lines, total, size, self._indexed)

    def _forget(self) -> None:
        self._newlines_before = array("Q")
        self._indexed = 0
        self._newlines = 0
        self._ends_a_line = True

    def _index(self, end: int) -> None:
        while self._indexed < end:
            if self._indexed % _BLOCK == 0:
                self._newlines_before.append(self._newlines)
            length = min(end - self._indexed, _BLOCK - self._indexed % _BLOCK)
            data = self._source.read(self._indexed, length)
            if not data:
                return
            self._indexed += len(data)
            self._newlines += data.count(b"\n")
            self._ends_a_line = data.endswith(b"\n")

    def _lines(self, first: int, count: int) -> list[bytes]:
        lines: list[bytes] = []
        offset = self._start_of(first)
        pending = b""
        while len(lines) < count and offset < self._indexed:
            data = self._source.read(offset, min(_BLOCK, self._indexed - offset))
            if not data:
                break
            offset += len(data)
            *whole, pending = (pending + data).split(b"\n")
            lines += map(_shorten, whole)
            pending = _shorten(pending)
        if pending and len(lines) < count:
            lines.append(pending)
        return lines[:count]

    def _start_of(self, line: int) -> int:
        """The offset at which ``line`` begins: after newline number ``line``."""
        if line == 0:
            return 0
        block = bisect_left(self._newlines_before, line) - 1
        data = self._source.read(block * _BLOCK, _BLOCK)
        at = -1
        for _ in range(line - self._newlines_before[block]):
            at = data.find(b"\n", at + 1)
            if at < 0:
                return block * _BLOCK + len(data)
        return block * _BLOCK + at + 1


def tail(source: Bytes, count: int) -> tuple[str, ...]:
    """The last ``count`` lines, of the last 64 KiB at most."""
    size = source.size()
    start = max(0, size - _TAIL)
    lines = source.read(start, size - start).split(b"\n")
    if start and len(lines) > 1:
        del lines[0]
    if lines[-1] == b"":
        del lines[-1]
    return tuple(clean_line(line) for line in lines[max(0, len(lines) - count) :])


def clean_line(line: bytes) -> str:
    """A line as text that can't act on a terminal.

    Of a line that was written over by carriage returns, as progress bars do, the latest is shown.
    """
    written = line.removesuffix(b"\r")
    before, overwritten, latest = written.rpartition(b"\r")
    text = escape(latest.decode("utf-8", "backslashreplace").expandtabs(8))
    return rf"…\r{text}" if overwritten and before else text


def _shorten(line: bytes) -> bytes:
    """The beginning of a line too long to be looked at; its end where it is written over."""
    if len(line) <= _LONGEST:
        return line
    if b"\r" in line[-_LONGEST:]:
        return line[-_LONGEST:]
    return line[:_LONGEST] + "…".encode()
