"""Reading one job for its screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from queuectl_tui.waiting import dependency_states, why_not_started
from queuectl_tui.widgets.log_pane import OpenLog
from queuectl_tui.widgets.output_lines import LogPage, LogRequest
from store import Attempt, Job, JobState, Stream

if TYPE_CHECKING:
    from store.chains import Chain
    from store.output import OutputView
    from store.queue import Queue


@dataclass(frozen=True, slots=True)
class LogChoice:
    """Which output is looked at. ``number`` None is the last attempt; no ``streams``, any."""

    number: int | None = None
    streams: tuple[Stream, ...] = ()


@dataclass(frozen=True, slots=True)
class JobPicture:
    """``written`` is how many bytes each stream of the chosen attempt has.

    ``dependencies`` are the states of the jobs that it depends on; None for one that is gone.
    ``not_started`` says why, where it never ran.
    """

    at: int
    job: Job
    attempts: tuple[Attempt, ...]
    dependencies: Mapping[str, JobState | None]
    chain: Chain
    not_started: str = ""
    number: int | None = None
    streams: tuple[Stream, ...] = (Stream.STDOUT,)
    logs: Mapping[Stream, OpenLog] = field(default_factory=dict)
    pages: Mapping[Stream, LogPage] = field(default_factory=dict)
    written: Mapping[Stream, int] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether the chosen attempt is running."""
        running = self.job.state is JobState.PROCESSING and bool(self.attempts)
        return running and self.number == self.attempts[-1].number


def read_job(
    queue: Queue,
    job_id: str,
    choice: LogChoice,
    requests: Mapping[Stream, LogRequest],
    last: JobPicture | None,
) -> JobPicture:
    """The picture for ``choice``; logs that ``last`` has open stay so."""
    job, attempts = queue.job(job_id), tuple(queue.measured(queue.history(job_id)))
    dependencies, chain = dependency_states(queue, job), queue.chain(job_id)
    numbers = [attempt.number for attempt in attempts]
    if not numbers:
        reason = " ".join(why_not_started(queue, job))
        return JobPicture(queue.now(), job, attempts, dependencies, chain, reason)
    number = choice.number if choice.number in numbers else numbers[-1]
    written = {stream: queue.output(job_id, number, stream).size() for stream in Stream}
    streams = choice.streams or (_first_written(written, last, number),)
    logs = dict(last.logs) if last and last.number == number else {}
    pages = {}
    for stream in streams:
        request = requests[stream]
        if stream not in logs:
            logs[stream] = OpenLog.over(number, _opener(queue, job_id, number, stream))
            request = LogRequest(None, request.before, 0, needed=request.needed)
        pages[stream] = logs[stream].reader.read(request)
    return JobPicture(
        *(queue.now(), job, attempts, dependencies, chain, ""),
        *(number, streams, logs, pages, written),
    )


def _opener(queue: Queue, job_id: str, number: int, stream: Stream) -> Callable[[], OutputView]:
    return lambda: queue.output(job_id, number, stream)


def _first_written(written: Mapping[Stream, int], last: JobPicture | None, number: int) -> Stream:
    """The stream to show where none was chosen: what is shown already, if it has anything; else
    stdout, or stderr if only that has."""
    if last is not None and last.number == number and written[last.streams[0]]:
        return last.streams[0]
    only_stderr = written[Stream.STDERR] and not written[Stream.STDOUT]
    return Stream.STDERR if only_stderr else Stream.STDOUT


def nothing_written(picture: JobPicture) -> str:
    """What stands where output would."""
    if not picture.attempts:
        return picture.not_started
    return "It has written nothing yet." if picture.live else "It wrote nothing."
