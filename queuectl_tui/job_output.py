"""What jobs printed, read in chunks and made fit for a terminal."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from queuectl_tui.text import escape_lines

if TYPE_CHECKING:
    from store.output import OutputView

CHUNK = 64 * 1024


class LogText:
    """Decodes and escapes a stream chunk by chunk, as if it had come as a whole."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, chunk: bytes, *, last: bool = False) -> str:
        text = self._held + self._decoder.decode(chunk, final=last)
        if last:
            return escape_lines(text)
        whole = text.rstrip("\r")
        # whether a carriage return ends a line is known when the next character is
        self._held = text[len(whole) :]
        return escape_lines(whole)


def chunks(view: OutputView, tail: int | None = None) -> Iterator[bytes]:
    """What is there now, or its last ``tail`` lines; what comes later is left out."""
    end = view.size()
    offset = 0 if tail is None else tail_offset(view, tail)
    while offset < end and (chunk := view.read(offset, min(CHUNK, end - offset))):
        yield chunk
        offset += len(chunk)


def printable(parts: Iterable[bytes]) -> Iterator[bytes]:
    """``parts`` of one stream as UTF-8, with nothing in it that acts on a terminal."""
    text = LogText()
    for part in parts:
        yield text.feed(part).encode()
    yield text.feed(b"", last=True).encode()


def tail_offset(view: OutputView, lines: int) -> int:
    """Where the last ``lines`` lines begin, looked for from the end."""
    end = view.size()
    if lines == 0:
        return end
    if end and view.read(end - 1, 1) == b"\n":
        end -= 1  # it ends the last line, and begins none
    while end > 0:
        start = max(0, end - CHUNK)
        block = view.read(start, end - start)
        found = _before_last_lines(block, lines)
        if found is not None:
            return start + found
        lines -= block.count(b"\n")
        end = start
    return 0


def _before_last_lines(block: bytes, lines: int) -> int | None:
    at = len(block)
    for _ in range(lines):
        at = block.rfind(b"\n", 0, at)
        if at < 0:
            return None
    return at + 1
