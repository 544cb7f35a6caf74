"""One job: its output as it comes, its attempts, and every field of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import ContentSwitcher, Static

from queuectl_tui.screens.job_actions import JobActions
from queuectl_tui.screens.live import LiveScreen
from queuectl_tui.screens.session import Session
from queuectl_tui.screens.talk import say, voice_of
from queuectl_tui.widgets.attempt_table import AttemptTable
from queuectl_tui.widgets.banner import Banner
from queuectl_tui.widgets.job_fields import field_lines
from queuectl_tui.widgets.job_title import JobTitle
from queuectl_tui.widgets.key_hints import KeyHints
from queuectl_tui.widgets.log_title import LogTitle
from queuectl_tui.widgets.log_view import LogView
from queuectl_tui.widgets.output_lines import LogPage, LogReader, LogRequest
from queuectl_tui.widgets.store_header import Health
from store import Attempt, Job, JobState, Stream

if TYPE_CHECKING:
    from store.queue import Queue

_LIVE_INTERVAL = 0.3
_TABS = ("output", "attempts", "info")


@dataclass(frozen=True, slots=True)
class JobPicture:
    """``written`` is how many bytes each stream of the chosen attempt has."""

    at: int
    job: Job
    attempts: tuple[Attempt, ...]
    log: OpenLog | None
    page: LogPage
    written: dict[Stream, int]


@dataclass(frozen=True, slots=True)
class LogChoice:
    """Which output is looked at. ``number`` None is the last attempt, ``stream`` None any."""

    number: int | None = None
    stream: Stream | None = None


@dataclass(frozen=True, slots=True)
class OpenLog:
    """An output opened; ``reader`` remembers where its lines begin."""

    number: int
    stream: Stream
    reader: LogReader


class JobScreen(LiveScreen[JobPicture]):
    """Esc leads back to where one was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", id="job.back", tooltip="Back to the list"),
        Binding("1,o", "tab('output')", "output", id="job.output", tooltip="What it wrote"),
        Binding("2", "tab('attempts')", "attempts", id="job.attempts", tooltip="Every run of it"),
        Binding("3,i", "tab('info')", "info", id="job.info", tooltip="Every field of it"),
        Binding("t", "other_stream", "stdout/stderr", id="job.stream", tooltip="The other stream"),
        Binding(
            "left_square_bracket", "attempt(-1)", "older", key_display="[", id="job.older",
            tooltip="Output of the attempt before",
        ),
        Binding(
            "right_square_bracket", "attempt(1)", "newer", key_display="]", id="job.newer",
            tooltip="Output of the attempt after",
        ),
        Binding("r", "retry", "retry", id="job.retry", tooltip="Run it again"),
        Binding("x", "cancel", "cancel", id="job.cancel", tooltip="Cancel it"),
        Binding("y", "copy_id", "copy id", id="job.copy_id", tooltip="Copy its id"),
        Binding("Y", "copy_command", "copy command", id="job.copy_command",
                tooltip="Copy its command"),
    ]  # fmt: skip

    HINTS = (
        "job.back", "job.attempts", "job.info", "job.output", "log.bottom", "job.stream",
        "job.retry", "job.cancel", "app.help", "job.older", "job.newer", "job.copy_id",
    )  # fmt: skip

    def __init__(self, session: Session, job_id: str) -> None:
        super().__init__(session)
        self.job_id = job_id
        self._choice = LogChoice()
        self._picture: JobPicture | None = None
        self.actions = JobActions(session, voice_of(self))

    def compose(self) -> ComposeResult:
        yield JobTitle()
        yield Banner()
        with ContentSwitcher(initial="output", id="job-tabs"):
            yield LogView()
            yield AttemptTable()
            with VerticalScroll(id="info"):
                yield Static(id="job-fields")
        yield LogTitle()
        yield KeyHints(self.HINTS)

    def on_mount(self) -> None:
        self.log_view.focus()

    @property
    def log_view(self) -> LogView:
        return self.query_one("#output", LogView)

    # -- live

    @property
    def interval(self) -> float:
        quick = self.restless and not self.session.remote and self.session.interval <= 1
        return _LIVE_INTERVAL if quick else super().interval

    @property
    def restless(self) -> bool:
        picture = self._picture
        return picture is not None and (
            picture.job.state is JobState.PROCESSING or not picture.page.complete
        )

    def reading(self) -> Callable[[Queue], JobPicture]:
        job_id, choice, request = self.job_id, self._choice, self.log_view.request()
        open_log = self._picture.log if self._picture else None
        return lambda queue: _read_job(queue, job_id, choice, request, open_log)

    def show(self, picture: JobPicture) -> None:
        last, self._picture = self._picture, picture
        if _which(last) != _which(picture):
            self.log_view.restart()
        self.query_one(JobTitle).show_job(picture.job, picture.at, self._tab)
        log = self.log_view
        log.empty_text = _nothing_written(picture)
        log.show_page(picture.page)
        self.query_one(AttemptTable).show_rows(picture.attempts, now=picture.at)
        if last is None or last.job != picture.job:
            lines = field_lines(picture.job, picture.at)
            self.query_one("#job-fields", Static).update(lines)
        self._show_log_title()
        if not picture.page.complete:
            self.ask()

    def tick(self, now: int) -> None:
        if self._picture is not None:
            self.query_one(JobTitle).show_job(self._picture.job, now, self._tab)
        self.query_one(AttemptTable).tick(now)

    def show_health(self, health: Health) -> None:
        self.query_one(JobTitle).show_health(health)
        self.query_one(Banner).show_error(health.error)

    @on(LogView.LinesWanted)
    def _lines_wanted(self) -> None:
        self.ask()

    @on(LogView.PlaceChanged)
    def _place_changed(self) -> None:
        self._show_log_title()

    def _show_log_title(self) -> None:
        picture = self._picture
        title = self.query_one(LogTitle)
        title.display = self._tab == "output"
        if picture is not None:
            title.show_log(
                number=picture.log.number if picture.log else None,
                stream=picture.log.stream if picture.log else Stream.STDOUT,
                written=picture.written,
                page=picture.page,
                following=self.log_view.following,
                new_lines=self.log_view.new_lines,
            )

    # -- actions

    @property
    def _tab(self) -> str:
        return self.query_one("#job-tabs", ContentSwitcher).current or _TABS[0]

    def action_tab(self, name: str) -> None:
        self.query_one("#job-tabs", ContentSwitcher).current = name
        self.query_one(f"#{name}").focus()
        self._show_log_title()
        if self._picture is not None:
            self.query_one(JobTitle).show_job(
                self._picture.job, self.session.queue.now(), self._tab
            )

    def action_other_stream(self) -> None:
        log = self._picture.log if self._picture else None
        if log is not None:
            other = Stream.STDERR if log.stream is Stream.STDOUT else Stream.STDOUT
            self._choose(LogChoice(log.number, other))

    def action_attempt(self, step: int) -> None:
        picture = self._picture
        if picture is None or picture.log is None:
            return
        numbers = [attempt.number for attempt in picture.attempts]
        at = numbers.index(picture.log.number) + step
        if 0 <= at < len(numbers):
            self._choose(LogChoice(numbers[at]))

    @on(AttemptTable.Opened)
    def _attempt_opened(self, event: AttemptTable.Opened) -> None:
        self._choose(LogChoice(int(event.key)))

    def _choose(self, choice: LogChoice) -> None:
        self._choice = choice
        self.action_tab("output")
        self.ask()

    @work
    async def action_retry(self) -> None:
        await self.actions.retry([self.job_id])
        self._choice = LogChoice()
        self.ask()

    @work
    async def action_cancel(self) -> None:
        await self.actions.cancel([self.job_id])
        self.ask()

    def action_copy_id(self) -> None:
        self.app.copy_to_clipboard(self.job_id)
        say(self, f"Copied {self.job_id}")

    def action_copy_command(self) -> None:
        if self._picture is not None:
            self.app.copy_to_clipboard(self._picture.job.line)
            say(self, f"Copied the command of {self.job_id}")


def _read_job(
    queue: Queue, job_id: str, choice: LogChoice, request: LogRequest, known: OpenLog | None
) -> JobPicture:
    job, attempts = queue.job(job_id), tuple(queue.history(job_id))
    numbers = [attempt.number for attempt in attempts]
    if not numbers:
        return JobPicture(queue.now(), job, attempts, None, LogPage(), {})
    number = choice.number if choice.number in numbers else numbers[-1]
    written = {stream: queue.output(job_id, number, stream).size() for stream in Stream}
    stream = choice.stream or _first_written(written, known, number)
    if known is None or (known.number, known.stream) != (number, stream):
        known = OpenLog(number, stream, LogReader(queue.output(job_id, number, stream)))
        request = LogRequest(None, request.count)
    page = known.reader.read(request)
    return JobPicture(queue.now(), job, attempts, known, page, written)


def _first_written(written: dict[Stream, int], known: OpenLog | None, number: int) -> Stream:
    """The stream to show where none was chosen: what is shown already, if it has anything; else
    stdout, or stderr if only that has."""
    if known is not None and known.number == number and written[known.stream]:
        return known.stream
    only_stderr = written[Stream.STDERR] and not written[Stream.STDOUT]
    return Stream.STDERR if only_stderr else Stream.STDOUT


def _which(picture: JobPicture | None) -> tuple[int, Stream] | None:
    if picture is None or picture.log is None:
        return None
    return picture.log.number, picture.log.stream


def _nothing_written(picture: JobPicture) -> str:
    if not picture.attempts:
        return "It has not run yet; what it writes will appear here."
    if picture.job.state is JobState.PROCESSING:
        return "It has written nothing yet."
    return "It wrote nothing."
