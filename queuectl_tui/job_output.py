"""What jobs printed, read in chunks and made fit for a terminal."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from queuectl_tui import streams
from queuectl_tui.text import escape_lines, size

if TYPE_CHECKING:
    from store import Stream
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


def chunks(
    view: OutputView, tail: int | None = None, *, dropped: Callable[[int], None]
) -> Iterator[bytes]:
    """What is there now, or its last ``tail`` lines; what comes later is left out.

    ``dropped`` is told, in its place, how many bytes were not kept.
    """
    end = view.size()
    offset = 0 if tail is None else tail_offset(view, tail)
    while offset < end:
        chunk, gap = read_kept(view, offset, min(CHUNK, end - offset))
        if not chunk and not gap:
            break
        yield chunk
        if gap:
            dropped(gap)
        offset += len(chunk) + gap


def read_kept(view: OutputView, offset: int, length: int) -> tuple[bytes, int]:
    """Up to ``length`` bytes, and how many that follow them were dropped for their volume."""
    chunk = view.read(offset, length)
    gap = view.gap()  # asked last, for it may grow
    if gap is None or offset + len(chunk) <= gap[0] or offset >= gap[1]:
        return chunk, 0
    kept = max(0, gap[0] - offset)
    return chunk[:kept], gap[1] - offset - kept


def tell_dropped(number: int) -> None:
    """Say in the middle of an output that it isn't whole."""
    streams.narrate(f"… {size(number)} dropped (output_limit) …")


def what_is_missing(job_id: str, number: int, views: Mapping[Stream, OutputView]) -> str:
    """Which outputs of an attempt are in the store no more, and why that may be."""
    missing = [
        f"{stream.value} ({size(view.missing)})" for stream, view in views.items() if view.missing
    ]
    return (
        f"attempt {number} of job {job_id}: {' and '.join(missing)}"
        f" {'is' if len(missing) == 1 else 'are'} not in this store: removed, as keep_output says,"
        " or left out of a backup"
    )


def printable(parts: Iterable[bytes]) -> Iterator[bytes]:
    """``parts`` of one stream as UTF-8, with nothing in it that acts on a terminal."""
    text = LogText()
    for part in parts:
        yield text.feed(part).encode()
    yield text.feed(b"", last=True).encode()


def tail_offset(view: OutputView, lines: int) -> int:
    """Where the last ``lines`` lines begin, looked for from the end."""
    end, gap = view.size(), view.gap() or (0, 0)
    if lines == 0:
        return end
    if end and view.read(end - 1, 1) == b"\n":
        end -= 1  # it ends the last line, and begins none
    while end > 0:
        if gap[0] < end <= gap[1]:
            end = gap[0]
        start = max(0, end - CHUNK, gap[1] if end > gap[1] else 0)
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
