"""Print what jobs print as it arrives, attempt by attempt, until they end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from queuectl_tui import streams
from queuectl_tui.commands.polling import INTERVAL
from queuectl_tui.job_output import (
    CHUNK,
    LogText,
    read_kept,
    tail_offset,
    tell_dropped,
    what_is_missing,
)
from store import Attempt, Job, JobState, NoSuchJob, Outlook, QueueError, Stream

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

    Lines of several jobs begin with whose they are. Raises ``QueueError`` at the end when some of
    the output was not in the store any more.
    """
    ids = [*dict.fromkeys(ids)]
    longest = max(map(len, ids), default=0)
    standing = _Standing(queue)
    followed = [
        _Followed(
            queue,
            job,
            standing,
            f"{job.id:<{longest}} | " if len(ids) > 1 else "",
            wanted=wanted,
            first=first,
            tail=tail,
            raw=raw,
        )
        for job in queue.named(ids)
    ]
    going = followed
    while going := [job for job in going if not job.over]:
        standing.look([job.id for job in going])
        arrived = [job.pump() for job in going]
        if not any(arrived):
            streams.flush()
            time.sleep(INTERVAL)
    if missing := [what for job in followed for what in job.missing]:
        raise QueueError("; ".join(missing))
    return max((job.exit_code for job in followed), default=0)


class _Standing:
    """How all followed jobs stand, asked for together when the store has changed."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._token: int | None = None
        self._outlooks: Mapping[str, Outlook] = {}
        self._attempts: Mapping[str, Sequence[Attempt]] = {}

    def look(self, ids: Sequence[str]) -> None:
        token = self._queue.change_token()
        if token != self._token:
            self._token = token
            # Asked first: of jobs that are over, the attempts read next are then the last.
            self._outlooks = self._queue.outlooks(ids)
            self._attempts = self._queue.histories(ids)

    def outlook(self, job_id: str) -> Outlook:
        """Raises ``NoSuchJob`` when the job was deleted."""
        if job_id not in self._outlooks:
            raise NoSuchJob(job_id)
        return self._outlooks[job_id]

    def attempt_after(self, job_id: str, number: int) -> Attempt | None:
        """The next attempt, where there is one."""
        later = (each for each in self._attempts.get(job_id, ()) if each.number > number)
        return next(later, None)


class _Followed:
    """One job, and how far it has been printed."""

    def __init__(
        self,
        queue: Queue,
        job: Job,
        standing: _Standing,
        prefix: str,
        *,
        wanted: Sequence[Stream],
        first: int | None,
        tail: int | None,
        raw: bool,
    ) -> None:
        if first is not None:
            queue.output(job.id, first, Stream.STDOUT)  # refuses an attempt that isn't there
        self.over = False
        self.exit_code = 0
        self.missing: list[str] = []
        self.id = job.id
        self._queue = queue
        self._standing = standing
        self._prefix = prefix.encode()
        self._wanted = wanted
        self._begun_with = first or job.number or 1
        self._printed = self._begun_with - 1
        self._tail = tail
        self._raw = raw
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
        attempt = self._standing.attempt_after(self.id, self._printed)
        if attempt is not None:
            self._begin(attempt)
            return True
        outlook = self._standing.outlook(self.id)
        self.over = outlook.is_over
        self.exit_code = 0 if outlook.state is JobState.COMPLETED else 1
        return self.over

    def _begin(self, attempt: Attempt) -> None:
        number = attempt.number
        if number > self._begun_with:
            streams.narrate(f"── attempt {number} of {self.id} ──")
            self._tail = None
        self._printed = number
        views = {stream: self._queue.output_of(attempt, stream) for stream in self._wanted}
        if any(view.missing for view in views.values()):
            self.missing.append(what_is_missing(self.id, number, views))
        self._taps = [
            _Tap(
                view,
                _Prefixed(_WRITE[stream], self._prefix) if self._prefix else _WRITE[stream],
                tail=self._tail,
                raw=self._raw,
            )
            for stream, view in views.items()
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
