"""Print what jobs print as it arrives, attempt by attempt, until they end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from queuectl_tui import streams
from queuectl_tui.commands.polling import INTERVAL, is_over
from queuectl_tui.job_output import CHUNK, LogText, read_kept, tail_offset, tell_dropped
from store import Attempt, JobState, Stream

if TYPE_CHECKING:
    from store.output import OutputView
    from store.queue import Queue

_Write = Callable[[bytes], None]
_WRITE: dict[Stream, _Write] = {
    Stream.STDOUT: streams.write_bytes,
    Stream.STDERR: streams.narrate_raw,
}


def follow(
    queue: Queue,
    ids: Sequence[str],
    *,
    wanted: Sequence[Stream] = tuple(Stream),
    first: int | None = None,
    tail: int | None = None,
    raw: bool = False,
) -> int:
    """0 when the jobs completed, else 1. Begins with attempt ``first``, or else the last one.

    Lines of several jobs begin with whose they are.
    """
    ids = [*dict.fromkeys(ids)]
    longest = max(map(len, ids), default=0)
    followed = [
        _Followed(
            queue,
            job_id,
            f"{job_id:<{longest}} | " if len(ids) > 1 else "",
            wanted=wanted,
            first=first,
            tail=tail,
            raw=raw,
        )
        for job_id in ids
    ]
    going = followed
    while going := [job for job in going if not job.over]:
        arrived = [job.pump() for job in going]
        if not any(arrived):
            streams.flush()
            time.sleep(INTERVAL)
    return max((job.exit_code for job in followed), default=0)


class _Followed:
    """One job, and how far it has been printed."""

    def __init__(
        self,
        queue: Queue,
        job_id: str,
        prefix: str,
        *,
        wanted: Sequence[Stream],
        first: int | None,
        tail: int | None,
        raw: bool,
    ) -> None:
        if first is not None:
            queue.output(job_id, first, Stream.STDOUT)  # refuses an attempt that isn't there
        self.over = False
        self.exit_code = 0
        self._queue = queue
        self._id = job_id
        self._prefix = prefix.encode()
        self._wanted = wanted
        self._begun_with = first or queue.job(job_id).number or 1
        self._printed = self._begun_with - 1
        self._tail = tail
        self._raw = raw
        self._token: int | None = None
        self._ended = False
        self._attempts: list[Attempt] = []
        self._taps: list[_Tap] = []

    def pump(self) -> bool:
        """Print what has arrived; whether anything had."""
        if not self._taps:
            return self._go_on()
        arrived = [tap.pump() for tap in self._taps]
        if all(tap.ended for tap in self._taps):
            self._taps = []
        return any(arrived)

    def _go_on(self) -> bool:
        """Turn to the next attempt; False when there is none yet."""
        if not self._attempts:
            if self._ended:
                self.over = True
                completed = self._queue.job(self._id).state is JobState.COMPLETED
                self.exit_code = 0 if completed else 1
            else:
                self._look()
        if not self._attempts:
            return self._ended
        self._begin(self._attempts.pop(0).number)
        return True

    def _look(self) -> None:
        token = self._queue.change_token()
        if token == self._token:
            return
        self._token = token
        # asked first: the attempts read next are then the last
        self._ended = is_over(self._queue, self._id)
        self._attempts = [
            attempt for attempt in self._queue.history(self._id) if attempt.number > self._printed
        ]

    def _begin(self, number: int) -> None:
        if number > self._begun_with:
            streams.narrate(f"── attempt {number} of {self._id} ──")
            self._tail = None
        self._printed = number
        self._taps = [
            _Tap(
                self._queue.output(self._id, number, stream),
                _Prefixed(_WRITE[stream], self._prefix) if self._prefix else _WRITE[stream],
                tail=self._tail,
                raw=self._raw,
            )
            for stream in self._wanted
        ]


class _Prefixed:
    """Writes whole lines, each with a prefix; an empty write ends the last one."""

    def __init__(self, write: _Write, prefix: bytes) -> None:
        self._write = write
        self._prefix = prefix
        self._held = b""

    def __call__(self, chunk: bytes) -> None:
        *lines, self._held = (self._held + chunk).split(b"\n")
        if not chunk and self._held:
            lines, self._held = [self._held], b""
        if lines:
            self._write(b"".join(self._prefix + line + b"\n" for line in lines))


class _Tap:
    """One stream of one attempt, and how far it has been printed."""

    def __init__(self, view: OutputView, write: _Write, *, tail: int | None, raw: bool) -> None:
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
        if last:
            self._write(b"")

    def _notice_shrinking(self) -> None:
        """A command that emptied its own output begins anew. Seen twice, for between the end of
        an attempt and its record the file may already be another's."""
        shrunk = self._view.size() < self._offset
        if shrunk and self._shrunk:
            self._offset = 0
        self._shrunk = shrunk
