"""Lines of a log as rows of a screen: wrapped, or cut and shifted sideways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from queuectl_tui.text import width as cells


class Stretch(NamedTuple):
    """A part of a row: ``found`` if it is what was searched for."""

    text: str
    found: bool = False


class Row(NamedTuple):
    """The part of line number ``line`` of a page that one row shows; ``start`` counts
    characters."""

    line: int
    start: int
    stop: int


def wrapped(line: int, text: str, width: int) -> Iterator[Row]:
    """The rows that ``text`` fills when it goes on below where there is no room."""
    start = 0
    while True:
        stop = max(_reach(text, start, width), min(start + 1, len(text)))
        yield Row(line, start, stop)
        start = stop
        if start >= len(text):
            return


def _reach(text: str, start: int, width: int) -> int:
    """Where the characters from ``start`` on that find room in ``width`` cells end."""
    stop = start + width
    if text.isascii():
        return min(len(text), stop)
    chunk = text[start:stop]
    if cells(chunk) > width:
        stop = start + _fitting(chunk, width)
    while stop < len(text) and not cells(text[stop]) and stop < start + 2 * width:
        stop += 1
    return min(len(text), stop)


def _fitting(text: str, width: int) -> int:
    used = 0
    for at, char in enumerate(text):
        used += cells(char)
        if used > width:
            return at
    return len(text)


def clipped(text: str, width: int, shift: int) -> tuple[str, int, int, str]:
    """What is seen of a line too long: a sign for what is missing before, the first and the last
    character seen, and the sign for what is missing after."""
    before = "…" if shift and text else ""
    start = _reach(text, 0, shift + len(before))
    room = width - len(before)
    stop = _reach(text, start, room)
    if stop >= len(text):
        return before, start, stop, ""
    return before, start, _reach(text, start, room - 1), "…"


def stretches(
    text: str, start: int, stop: int, spans: tuple[tuple[int, int], ...]
) -> Iterator[Stretch]:
    """The characters from ``start`` to ``stop``, those in ``spans`` marked as found."""
    for first, last in spans:
        if last <= start or first >= stop:
            continue
        if first > start:
            yield Stretch(text[start:first])
        yield Stretch(text[max(start, first) : min(stop, last)], found=True)
        start = max(start, min(stop, last))
    if start < stop:
        yield Stretch(text[start:stop])
