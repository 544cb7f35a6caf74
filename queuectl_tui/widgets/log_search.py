"""Searching an output of any size, in slices short enough for others to come between."""

from __future__ import annotations

import re
import time
from array import array
from bisect import bisect_left
from dataclasses import dataclass

from queuectl_tui.widgets.line_breaks import Extent, Output, line_start, next_line_start
from queuectl_tui.widgets.output_lines import read_line

_CHUNK = 120 * 1024
"""Twice as fast as larger ones, for which the allocator asks the system for fresh pages."""

_MOST = 100_000
_AT_ONCE = 200
_MARKED = 200


class Needle:
    """A text that is looked for. Case counts only if it has capitals."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._fold = text == text.lower()
        self._shown = re.compile(re.escape(text), re.IGNORECASE if self._fold else 0)
        self._bytes = text.encode("utf-8", "surrogateescape")
        self._pattern = None if text.isascii() or not self._fold else _either_case(text)
        self.longest = 2 * len(self._bytes) + 4

    def spans(self, line: str) -> tuple[tuple[int, int], ...]:
        """Where it stands in a line as it is shown."""
        found: list[tuple[int, int]] = []
        for match in self._shown.finditer(line):
            found.append(match.span())
            if len(found) == _MARKED:
                break
        return tuple(found)

    def is_in(self, line: str) -> bool:
        return self._shown.search(line) is not None

    def prepare(self, data: bytes) -> bytes:
        return data.lower() if self._fold and self._pattern is None else data

    def find(self, prepared: bytes, start: int) -> int:
        if self._pattern is None:
            return prepared.find(self._bytes, start)
        match = self._pattern.search(prepared, start)
        return match.start() if match else -1

    def rfind(self, prepared: bytes, end: int) -> int:
        """The last place where it begins before ``end``."""
        if self._pattern is None:
            return prepared.rfind(self._bytes, 0, end + len(self._bytes) - 1)
        last = -1
        for match in self._pattern.finditer(prepared):
            if match.start() >= end:
                break
            last = match.start()
        return last


def _either_case(text: str) -> re.Pattern[bytes]:
    parts = []
    for char in text:
        forms = sorted({char, char.lower(), char.upper()})
        parts.append(b"(?:" + b"|".join(re.escape(form.encode()) for form in forms) + b")")
    return re.compile(b"".join(parts))


@dataclass(frozen=True, slots=True)
class Hit:
    """The line that was found, by where it begins; ``wrapped``: beyond the end, from the other."""

    line: int
    wrapped: bool = False


class Finder:
    """Looks for the next line that shows ``needle``, from ``origin`` on and once around.

    Downwards a line that begins at ``origin`` or after it, upwards one that begins before it.
    """

    def __init__(self, source: Output, needle: Needle, origin: int | None, *, down: bool) -> None:
        self._source = source
        self._needle = needle
        size = source.size()
        self._origin = size if origin is None else min(origin, size)
        self._down = down
        self._at = self._origin
        self._wrapped = False
        self.hit: Hit | None = None

    def advance(self, seconds: float) -> bool:
        """Searches for so long. False once it has ended, with ``hit`` or without."""
        until = time.monotonic() + seconds
        extent = Extent(self._source)
        while time.monotonic() < until:
            line = self._down_once(extent) if self._down else self._up_once(extent)
            if line is not None:
                self.hit = Hit(line, self._wrapped)
                return False
            if self._is_over(extent):
                return False
        return True

    def progress(self, size: int) -> int:
        """How much of the output is searched, in percent."""
        way = self._at - self._origin if self._down else self._origin - self._at
        return 100 * (way % max(1, size)) // max(1, size)

    def _is_over(self, extent: Extent) -> bool:
        at_edge = self._at >= extent.size if self._down else self._at <= 0
        past_origin = self._wrapped and (
            self._at >= self._origin if self._down else self._at <= self._origin
        )
        if past_origin or (self._wrapped and at_edge):
            return True
        if at_edge:
            self._wrapped = True
            self._at = 0 if self._down else extent.size
        return False

    def _down_once(self, extent: Extent) -> int | None:
        least = 0 if self._wrapped else self._origin
        lines, self._at = _search_down(extent, self._needle, self._at, least=least, most=1)
        return lines[0] if lines else None

    def _up_once(self, extent: Extent) -> int | None:
        line, self._at = _search_up(extent, self._needle, self._at)
        return line


def _search_down(
    extent: Extent, needle: Needle, start: int, *, least: int, most: int
) -> tuple[list[int], int]:
    """The first lines that begin at ``least`` or after it, in one chunk, and where to go on."""
    if extent.gap and extent.in_gap(start):
        return [], extent.gap[1]
    end = min(extent.ceiling(start), start + _CHUNK)
    data = needle.prepare(extent.read_past(start, end + needle.longest))
    lines: list[int] = []
    at, after = 0, start
    while (at := needle.find(data, at)) >= 0 and start + at < end:
        line = line_start(extent, start + at)
        after = next_line_start(extent, line)
        if line >= least and needle.is_in(read_line(extent, line, after).text):
            lines.append(line)
        at = after - start
        if len(lines) == most:
            return lines, after
    return lines, max(end, after)


def _search_up(extent: Extent, needle: Needle, end: int) -> tuple[int | None, int]:
    """The last line that begins before ``end``, in one chunk, and where to go on."""
    if extent.gap and extent.in_gap(end - 1):
        return None, extent.gap[0]
    start = max(extent.floor(end - 1), end - _CHUNK)
    data = needle.prepare(extent.read_past(start, end + needle.longest))
    at, line = end - start, end
    while at > 0 and (at := needle.rfind(data, at)) >= 0:
        line = line_start(extent, start + at)
        if needle.is_in(read_line(extent, line, next_line_start(extent, line)).text):
            return line, line
        at = line - start
    return None, min(start, line)


class Tally:
    """How many lines show ``needle``, and which of them one is; up to 100,000."""

    def __init__(self, source: Output, needle: Needle) -> None:
        self._source = source
        self._needle = needle
        self._at = 0
        self._lines = array("Q")

    @property
    def counted_to(self) -> int:
        return self._at

    @property
    def count(self) -> int:
        return len(self._lines)

    @property
    def full(self) -> bool:
        return len(self._lines) >= _MOST

    def advance(self, seconds: float) -> bool:
        """Counts for so long. False once all is counted."""
        until = time.monotonic() + seconds
        extent = Extent(self._source)
        if extent.size < self._at:
            self._at, self._lines = 0, array("Q")
        while self._at < extent.size and not self.full:
            least = self._lines[-1] + 1 if self._lines else 0
            lines, self._at = _search_down(
                extent, self._needle, self._at, least=least, most=_AT_ONCE
            )
            self._lines.extend(lines)
            if time.monotonic() >= until:
                return True
        return False

    def place(self, line: int) -> int | None:
        """The line's number among those that show it, from 1; None if it isn't counted."""
        at = bisect_left(self._lines, line)
        return at + 1 if at < len(self._lines) and self._lines[at] == line else None
