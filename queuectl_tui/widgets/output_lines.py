"""What a job wrote, as lines: the file is read in pieces, wherever it is looked at.

Nothing here knows about screens; it runs in a thread and reads through an ``OutputView``.
"""

from __future__ import annotations

from dataclasses import dataclass

from queuectl_tui.text import escape, size
from queuectl_tui.widgets.line_breaks import PART, Extent, Output, line_start, next_line_start
from queuectl_tui.widgets.line_index import LineIndex, NewLines

_LONGEST = 2 * PART + 4
_TAIL = 64 * 1024
_ENOUGH = 256 * 1024
"""Bytes of lines beside those in sight that a page holds at most."""


@dataclass(frozen=True, slots=True)
class LogRequest:
    """``before`` lines above offset ``anchor``, ``after`` from it on; None is the end.

    ``needed`` of each are read however long they are. ``seen`` is the size at which the reader
    looked away from the end: what came since is counted.
    """

    anchor: int | None
    before: int
    after: int
    needed: int = 1
    seen: int | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """The bytes from ``start`` to ``end`` as text that can't act on a terminal.

    ``ended`` by a newline, not cut, and not ``dropped``: those it stands for are gone.
    """

    start: int
    end: int
    text: str
    ended: bool = False
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class LogPage:
    """Neighbouring ``lines`` of an output of ``size`` bytes.

    ``number`` is that of the first line, counted from 0, where it is known; ``total`` how many
    lines there are in the first ``indexed`` bytes; ``new_lines`` how many came since ``seen``.
    """

    lines: tuple[LogLine, ...] = ()
    size: int = 0
    total: int = 0
    indexed: int = 0
    number: int | None = None
    new_lines: int = 0

    @property
    def complete(self) -> bool:
        return self.indexed == self.size

    @property
    def at_start(self) -> bool:
        return not self.lines or self.lines[0].start == 0

    @property
    def at_end(self) -> bool:
        return not self.lines or self.lines[-1].end >= self.size

    def holds(self, offset: int) -> bool:
        return bool(self.lines) and self.lines[0].start <= offset < self.lines[-1].end


class LogReader:
    """Reads pages of an output that may grow, or shrink, meanwhile."""

    def __init__(self, source: Output, index: LineIndex) -> None:
        self._source = source
        self._index = index
        self._new_lines = NewLines(source)

    def read(self, request: LogRequest) -> LogPage:
        extent = Extent(self._source)
        lines = _lines_around(extent, request)
        return LogPage(
            lines=tuple(lines),
            size=extent.size,
            total=self._index.total,
            indexed=self._index.indexed,
            number=self._index.number(lines[0].start) if lines else None,
            new_lines=self._new_lines.since(request.seen, extent.size),
        )


def _lines_around(extent: Extent, request: LogRequest) -> list[LogLine]:
    if not extent.size:
        return []
    anchor, after = request.anchor, request.after
    if anchor is None or anchor >= extent.size:
        anchor, after = extent.size, 0
    elif anchor:
        anchor = line_start(extent, anchor)
    above = _above(extent, anchor, request)
    below = _below(extent, anchor, after, request.needed)
    return above + below


def _above(extent: Extent, start: int, request: LogRequest) -> list[LogLine]:
    lines: list[LogLine] = []
    weight = 0
    while start > 0 and len(lines) < request.before:
        if weight > _ENOUGH and len(lines) >= request.needed:
            break
        begin = line_start(extent, start - 1)
        lines.append(read_line(extent, begin, start))
        weight += len(lines[-1].text)
        start = begin
    return lines[::-1]


def _below(extent: Extent, start: int, count: int, needed: int) -> list[LogLine]:
    lines: list[LogLine] = []
    weight = 0
    while start < extent.size and len(lines) < count:
        if weight > _ENOUGH and len(lines) >= needed:
            break
        end = next_line_start(extent, start)
        lines.append(read_line(extent, start, end))
        weight += len(lines[-1].text)
        start = end
    return lines


def read_line(extent: Extent, start: int, end: int) -> LogLine:
    """The line from ``start`` to ``end``; one that stands for all that was dropped."""
    if extent.in_gap(start):
        return LogLine(start, end, dropped_line(end - start), dropped=True)
    shown = max(start, end - _LONGEST)
    data = extent.read(shown, end)
    line = data.removesuffix(b"\n")
    text = clean_line(b"\r" + line if shown > start else line)
    return LogLine(start, end, text, ended=len(line) < len(data))


def dropped_line(count: int) -> str:
    """What stands where output was dropped for its volume."""
    return f"… {size(count)} dropped (output_limit) …"


def tail(source: Output, count: int) -> tuple[str, ...]:
    """The last ``count`` lines, of the last 64 KiB at most."""
    extent = Extent(source)
    lines: list[str] = []
    end = extent.size
    while end > max(0, extent.size - _TAIL) and len(lines) < count:
        start = line_start(extent, end - 1)
        lines.append(read_line(extent, start, end).text)
        end = start
    return tuple(lines[::-1])


def clean_line(line: bytes) -> str:
    """A line as text that can't act on a terminal.

    Of a line that was written over by carriage returns, as progress bars do, the latest is shown.
    """
    latest = line.rstrip(b"\r").rpartition(b"\r")[2]
    return escape(latest.decode("utf-8", "backslashreplace").expandtabs(8))
