"""Print a job's output as it arrives, attempt by attempt, until the job ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from queuectl_tui import streams
from queuectl_tui.commands.polling import INTERVAL, is_over, until_changed
from queuectl_tui.job_output import CHUNK, LogText, read_kept, tail_offset, tell_dropped
from store import JobState, Stream

if TYPE_CHECKING:
    from store.output import OutputView
    from store.queue import Queue

_WRITE: dict[Stream, Callable[[bytes], None]] = {
    Stream.STDOUT: streams.write_bytes,
    Stream.STDERR: streams.narrate_raw,
}


def follow(
    queue: Queue,
    job_id: str,
    *,
    wanted: Sequence[Stream] = tuple(Stream),
    first: int | None = None,
    tail: int | None = None,
    raw: bool = False,
) -> int:
    """0 when the job completed, else 1. Begins with attempt ``first``, or else the last one."""
    if first is not None:
        queue.output(job_id, first, Stream.STDOUT)  # refuses an attempt that isn't there
    printed = (first or queue.job(job_id).number or 1) - 1
    begun_with = printed + 1
    while True:
        token = queue.change_token()
        over = is_over(queue, job_id)  # asked first: the attempts read next are then the last
        for attempt in queue.history(job_id):
            if attempt.number <= printed:
                continue
            if attempt.number > begun_with:
                streams.narrate(f"── attempt {attempt.number} of {job_id} ──")
                tail = None
            _print_attempt(queue, job_id, attempt.number, wanted, tail=tail, raw=raw)
            printed = attempt.number
        if over:
            return 0 if queue.job(job_id).state is JobState.COMPLETED else 1
        until_changed(queue, token)


def _print_attempt(
    queue: Queue,
    job_id: str,
    number: int,
    wanted: Sequence[Stream],
    *,
    tail: int | None,
    raw: bool,
) -> None:
    """Returns when the attempt has ended and all of it is printed."""
    taps = [
        _Tap(queue.output(job_id, number, stream), _WRITE[stream], tail=tail, raw=raw)
        for stream in wanted
    ]
    while not all(tap.ended for tap in taps):
        arrived = [tap.pump() for tap in taps]
        if not any(arrived):
            streams.flush()
            time.sleep(INTERVAL)


class _Tap:
    """One stream of one attempt, and how far it has been printed."""

    def __init__(
        self, view: OutputView, write: Callable[[bytes], None], *, tail: int | None, raw: bool
    ) -> None:
        self.ended = False
        self._view = view
        self._write = write
        self._text = None if raw else LogText()
        self._offset = 0 if tail is None else tail_offset(view, tail)
        self._shrunk = False

    def pump(self) -> bool:
        """Print the next chunk that has arrived; whether there was one."""
        live = self._view.live  # asked first: a chunk that is missing afterwards won't come
        chunk, gap = read_kept(self._view, self._offset, CHUNK)
        arrived = bool(chunk or gap)
        self._print(chunk, last=not (arrived or live))
        if gap:
            tell_dropped(gap)
        self._offset += len(chunk) + gap
        if live and not arrived:
            self._notice_shrinking()
        self.ended = not (arrived or live)
        return arrived

    def _print(self, chunk: bytes, *, last: bool) -> None:
        if self._text is not None:
            chunk = self._text.feed(chunk, last=last).encode()
        if chunk:
            self._write(chunk)

    def _notice_shrinking(self) -> None:
        """A command that emptied its own output begins anew. Seen twice, for between the end of
        an attempt and its record the file may already be another's."""
        shrunk = self._view.size() < self._offset
        if shrunk and self._shrunk:
            self._offset = 0
        self._shrunk = shrunk
