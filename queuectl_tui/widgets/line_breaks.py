"""Where the lines of an output begin, found from any place in it without reading it all.

A line ends at its newline. One that is very long is looked at in parts, cut where only the bytes
just before decide: whoever comes from above and whoever comes from below find the same lines.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

PART = 16 * 1024
"""A line without newline or carriage return for so long is cut at the next multiple of it."""

FAR = 16 * 1024 * 1024
"""The same for a line that carriage returns write over."""

_WINDOW = 128 * 1024
_WINDOWS = 16
_LONGEST_CHARACTER = 4


class Output(Protocol):
    """The part of ``OutputView`` that is needed here."""

    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes: ...

    def gap(self) -> tuple[int, int] | None: ...


class Extent:
    """An output as long as it was at one moment: ``size`` bytes, those of ``gap`` dropped.

    Keeps what it read of late, so that neighbouring lines cost no more reads.
    """

    def __init__(self, source: Output) -> None:
        self._source = source
        self.size = source.size()
        gap = source.gap()
        self.gap = (gap[0], min(gap[1], self.size)) if gap and gap[0] < self.size else None
        self._windows: OrderedDict[int, bytes] = OrderedDict()

    def floor(self, offset: int) -> int:
        """Where the kept stretch that ``offset`` lies in begins."""
        return self.gap[1] if self.gap and offset >= self.gap[1] else 0

    def ceiling(self, offset: int) -> int:
        """Where the kept stretch that ``offset`` lies in ends."""
        return self.gap[0] if self.gap and offset < self.gap[0] else self.size

    def in_gap(self, offset: int) -> bool:
        return self.gap is not None and self.gap[0] <= offset < self.gap[1]

    def read(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` to ``end``; fewer where the output has shrunk since."""
        parts: list[bytes] = []
        while start < end:
            base = start - start % _WINDOW
            part = self._window(base)[start - base : end - base]
            if not part:
                break
            parts.append(part)
            start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_past(self, start: int, end: int) -> bytes:
        """Like ``read``, but keeps nothing: for one who goes through it all."""
        return self._source.read(start, min(end, self.size) - start)

    def find(self, byte: bytes, start: int, end: int) -> int:
        """The first place of ``byte`` from ``start`` to ``end``, or -1."""
        while start < end:
            base = start - start % _WINDOW
            window = self._window(base)
            at = window.find(byte, start - base, end - base)
            if at >= 0:
                return base + at
            start = base + _WINDOW
        return -1

    def rfind(self, byte: bytes, start: int, end: int) -> int:
        """The last place of ``byte`` from ``start`` to ``end``, or -1."""
        while start < end:
            base = (end - 1) - (end - 1) % _WINDOW
            at = self._window(base).rfind(byte, max(0, start - base), end - base)
            if at >= 0:
                return base + at
            end = base
        return -1

    def _window(self, base: int) -> bytes:
        known = self._windows.get(base)
        if known is not None:
            self._windows.move_to_end(base)
            return known
        data = self._source.read(base, min(_WINDOW, self.size - base))
        self._windows[base] = data
        if len(self._windows) > _WINDOWS:
            self._windows.popitem(last=False)
        return data


def line_start(extent: Extent, offset: int) -> int:
    """Where the line that ``offset`` lies in begins."""
    if extent.gap and extent.in_gap(offset):
        return extent.gap[0]
    floor = extent.floor(offset)
    end, begin = offset, max(floor, offset - offset % PART)
    while True:
        newline = extent.rfind(b"\n", begin, end)
        if newline >= 0:
            return newline + 1
        if begin == floor:
            return floor
        cut = _cut(extent, begin, floor)
        if cut is not None and cut <= offset:
            return cut
        end, begin = begin, max(floor, begin - PART)


def next_line_start(extent: Extent, start: int) -> int:
    """Where the line after the one that begins at ``start`` begins; the size if it is the last."""
    if extent.gap and extent.in_gap(start):
        return extent.gap[1]
    floor, ceiling = extent.floor(start), extent.ceiling(start)
    begin = start
    while begin < ceiling:
        end = min(ceiling, begin - begin % PART + PART)
        newline = extent.find(b"\n", begin, end)
        if newline >= 0:
            return newline + 1
        if end < ceiling:
            cut = _cut(extent, end, floor)
            if cut is not None and start < cut < ceiling:
                return cut
        begin = end
    return ceiling


def _cut(extent: Extent, offset: int, floor: int) -> int | None:
    """Where a line too long is cut near ``offset``, if it is: never within a character."""
    if offset % PART or not _is_too_long(extent, offset, floor):
        return None
    following = extent.read(offset, min(offset + _LONGEST_CHARACTER - 1, extent.ceiling(offset)))
    rest_of_character = len(following) - len(following.lstrip(_CONTINUATION))
    return offset + rest_of_character


_CONTINUATION = bytes(range(0x80, 0xC0))


def _is_too_long(extent: Extent, offset: int, floor: int) -> bool:
    part, far = offset - PART, offset - FAR
    if part < floor or extent.find(b"\n", part, offset) >= 0:
        return False
    if extent.find(b"\r", part, offset) < 0:
        return True
    return not offset % FAR and far >= floor and extent.rfind(b"\n", far, offset) < 0
