"""How many lines an output has, and which number a line has, in bounded memory."""

from __future__ import annotations

import time
from array import array
from typing import NamedTuple

from queuectl_tui.widgets.line_breaks import Output

_CHUNK = 256 * 1024
_CHECKPOINTS = 4096
_COUNTED_AT_ONCE = 8 * 1024 * 1024


class _Marks(NamedTuple):
    """How many newlines stand before each multiple of ``stride``."""

    stride: int
    before: array[int]


class LineIndex:
    """Remembers how many newlines stand before every so many bytes.

    At most ``checkpoints`` of them: when there are more, every other one is forgotten. ``advance``
    runs in one thread, all else may be asked from another meanwhile.
    """

    def __init__(
        self, source: Output, *, chunk: int = _CHUNK, checkpoints: int = _CHECKPOINTS
    ) -> None:
        self._source = source
        self._chunk = chunk
        self._most = checkpoints
        self._forget()

    def _forget(self) -> None:
        self.indexed = 0
        self._newlines = 0
        self._ends_a_line = True
        self._marks = _Marks(self._chunk, array("Q", [0]))

    @property
    def total(self) -> int:
        """Lines in what is indexed, one that has not ended yet included."""
        return self._newlines + (not self._ends_a_line)

    @property
    def checkpoints(self) -> int:
        return len(self._marks.before)

    def advance(self, seconds: float) -> bool:
        """Looks at what is new, for so long; at all anew if the output has become shorter.

        False once all is indexed.
        """
        until = time.monotonic() + seconds
        size = self._source.size()
        if size < self.indexed:
            self._forget()
        while self.indexed < size:
            if not self._advance_once(size):
                return False
            if time.monotonic() >= until:
                return self.indexed < size
        return False

    def _advance_once(self, size: int) -> bool:
        gap = self._source.gap()
        if gap and gap[0] <= self.indexed < gap[1]:
            self._skip_to(min(gap[1], size))
            return True
        length = min(self._chunk - self.indexed % self._chunk, size - self.indexed)
        data = self._source.read(self.indexed, length)
        if not data:
            return False
        self._newlines += data.count(b"\n")
        self._ends_a_line = data.endswith(b"\n")
        self.indexed += len(data)
        self._check()
        return True

    def _skip_to(self, offset: int) -> None:
        while self.indexed < offset:
            self.indexed = min(offset, self.indexed - self.indexed % self._chunk + self._chunk)
            self._check()

    def _check(self) -> None:
        stride, before = self._marks
        if self.indexed % stride:
            return
        before.append(self._newlines)
        if len(before) > self._most:
            self._marks = _Marks(stride * 2, before[::2])

    def number(self, offset: int) -> int | None:
        """How many newlines stand before ``offset``; None where that is not known (yet)."""
        stride, before = self._marks
        at = offset // stride
        if offset > self.indexed or at >= len(before):
            return None
        counted = _count(self._source, at * stride, offset)
        return None if counted is None else before[at] + counted


class NewLines:
    """Counts the newlines that came since a place, each only once."""

    def __init__(self, source: Output) -> None:
        self._source = source
        self._since: int | None = None
        self._counted_to = 0
        self._newlines = 0

    def since(self, place: int | None, size: int) -> int:
        """Newlines from ``place`` to ``size``, of as much as can be counted at once."""
        if place is None:
            self._since = None
            return 0
        if place != self._since or size < self._counted_to:
            self._since, self._counted_to, self._newlines = place, min(place, size), 0
        until = min(size, self._counted_to + _COUNTED_AT_ONCE)
        self._newlines += _count(self._source, self._counted_to, until) or 0
        self._counted_to = max(self._counted_to, until)
        return self._newlines


def _count(source: Output, start: int, end: int) -> int | None:
    """Newlines from ``start`` to ``end``; None if that is too far to be counted at once."""
    if end - start > _COUNTED_AT_ONCE:
        return None
    newlines = 0
    while start < end:
        data = source.read(start, min(_CHUNK, end - start))
        if not data:
            break
        newlines += data.count(b"\n")
        start += len(data)
    return newlines
