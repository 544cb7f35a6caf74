"""One job: its output as it comes, its attempts, every field of it, and its chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from queuectl_tui.saved_output import MOST_COPIED, copied_output
from queuectl_tui.screens.copy_text import Copyable, CopyText, copyables
from queuectl_tui.screens.edit_job import edit
from queuectl_tui.screens.job_actions import JobActions
from queuectl_tui.screens.job_keys import idle_keys
from queuectl_tui.screens.job_picture import JobPicture, LogChoice, nothing_written, read_job
from queuectl_tui.screens.live import ACT, LiveScreen
from queuectl_tui.screens.save_output import SaveOutput
from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.screens.talk import complain, copy, say, voice_of
from queuectl_tui.text import size
from queuectl_tui.widgets.attempt_detail import AttemptDetail
from queuectl_tui.widgets.attempt_table import AttemptTable
from queuectl_tui.widgets.banner import Banner
from queuectl_tui.widgets.chain_table import ChainTable, chain_rows
from queuectl_tui.widgets.job_fields import JobFields
from queuectl_tui.widgets.job_title import JobTitle
from queuectl_tui.widgets.key_hints import KeyHints
from queuectl_tui.widgets.log_pane import Chore, LogPane
from queuectl_tui.widgets.log_view import LogView
from queuectl_tui.widgets.one_line import OneLine, Piece
from queuectl_tui.widgets.output_lines import LogPage
from queuectl_tui.widgets.row_table import RowTable
from queuectl_tui.widgets.store_header import Health
from store import JobState, QueueError, Stream

if TYPE_CHECKING:
    from store.queue import Queue

_LIVE_INTERVAL = 0.2
_SLICE = 0.02
_TABS = ("output", "attempts", "info", "chain")


class JobScreen(LiveScreen[JobPicture]):
    """Esc leads back to where one was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", id="job.back", tooltip="End a search; back to the list"),
        Binding("1,o", "tab('output')", "output", id="job.output", tooltip="What it wrote"),
        Binding("2", "tab('attempts')", "attempts", id="job.attempts", tooltip="Every run of it"),
        Binding("3,i", "tab('info')", "info", id="job.info", tooltip="Every field of it"),
        Binding("4,d", "tab('chain')", "chain", id="job.chain",
                tooltip="What it waits for, and what waits for it"),
        Binding("t", "other_stream", "stream", id="job.stream",
                tooltip="The other stream, or both"),
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
        Binding("H", "hold_job", "hold", id="job.hold_job",
                tooltip="Keep it from being started, or release it"),
        Binding("Z", "pause_job", "pause", id="job.pause_job",
                tooltip="Stop it where it is, or let it go on"),
        Binding("e", "edit", "edit", id="job.edit", tooltip="Edit it, unless it is running"),
        Binding("X", "delete", "delete", id="job.delete", tooltip="Delete it, once finished"),
        Binding("b", "watch", "watch", id="job.watch",
                tooltip="Watch: tell when it ends (bell, notification: see notify)"),
        Binding("y", "copy_id", "copy id", id="job.copy_id", tooltip="Copy its id"),
        Binding("Y", "copy_command", "copy command", id="job.copy_command",
                tooltip="Copy its command"),
        Binding("c", "copy", "copy …", id="job.copy",
                tooltip="Copy, show or save: id, command, error, all fields"),
    ]  # fmt: skip

    HINTS = (
        "job.back", "log.bottom", "log.search", "log.search_clear", "log.next", "table.open",
        "job.stream", "log.wrap", "job.retry", "job.cancel", "app.help", "job.edit", "job.chain",
        "log.save", "job.copy", "job.older", "job.newer", "job.watch", "job.copy_id",
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
            with Vertical(id="output"):
                for stream in Stream:
                    yield LogPane(stream, self._advance)
            with Vertical(id="attempts"):
                yield AttemptTable()
                yield AttemptDetail()
            with VerticalScroll(id="info"):
                yield JobFields()
            with Vertical(id="chain"):
                yield OneLine(classes="list-title")
                yield ChainTable()
        yield KeyHints(self.HINTS)

    def on_mount(self) -> None:
        self.query_one(ChainTable).set_empty(
            "It waits for no job, and no job waits for it.",
            "",
            "e and the field After make it wait; so does enqueue --after ID",
        )
        self._show_streams((Stream.STDOUT,))

    async def _advance(self, chore: Chore) -> bool:
        return await self.session.call(Lane.DETAILS, lambda _: chore.advance(_SLICE))

    def pane(self, stream: Stream) -> LogPane:
        return self.query_one(f"#{stream.value}", LogPane)

    @property
    def current_pane(self) -> LogPane:
        """The one that has the focus, or the only one in sight."""
        panes = [self.pane(stream) for stream in Stream]
        shown = [pane for pane in panes if pane.display]
        return next((pane for pane in shown if pane.has_focus_within), shown[0])

    # -- live

    @property
    def interval(self) -> float:
        quick = self.restless and not self.session.remote and self.session.interval <= 1
        return _LIVE_INTERVAL if quick else super().interval

    @property
    def restless(self) -> bool:
        return self._picture is not None and self._picture.job.state is JobState.PROCESSING

    def reading(self) -> Callable[[Queue], JobPicture]:
        requests = {stream: self.pane(stream).view.request() for stream in Stream}
        return partial(
            read_job,
            job_id=self.job_id,
            choice=self._choice,
            requests=requests,
            last=self._picture,
        )

    def show(self, picture: JobPicture) -> None:
        self._picture = picture
        if self._choice.number not in (None, picture.number):
            self._choice = LogChoice()
        self._show_title(picture.at)
        self._show_streams(picture.streams)
        for stream in picture.streams:
            page = picture.pages.get(stream, LogPage())
            self.pane(stream).show_log(
                picture.logs.get(stream),
                page,
                picture.written,
                nothing_written(picture),
                live=picture.live,
            )
        self.query_one(AttemptTable).show_rows(picture.attempts, now=picture.at)
        self._show_attempt()
        self.query_one(JobFields).show_job(picture.job, picture.dependencies, picture.at)
        self._show_chain(picture)
        self._show_hints()

    def _show_hints(self) -> None:
        if self._picture is not None:
            alone = not self.query_one(ChainTable).total
            self.query_one(KeyHints).leave_out(idle_keys(self._picture, self._tab, alone=alone))

    def _show_title(self, now: int) -> None:
        if self._picture is not None:
            watched = self.job_id in self.session.watched
            self.query_one(JobTitle).show_job(self._picture.job, now, self._tab, watched=watched)

    def _show_chain(self, picture: JobPicture) -> None:
        table, chain = self.query_one(ChainTable), picture.chain
        first = not table.total
        rows = chain_rows(chain, self.job_id)
        table.show_chain(rows, now=picture.at)
        if first:
            table.move_to(next((at for at, row in enumerate(rows) if not row.depth), 0))
        above = sum(row.depth < 0 and not row.again for row in rows)
        below = sum(row.depth > 0 and not row.again for row in rows)
        nearest = "" if chain.complete else "   only the nearest are shown"
        self.query_one("#chain .list-title", OneLine).show(
            [Piece(f"{above} before it · {below} after it"), Piece(nearest, "$warning")]
        )

    def _show_streams(self, streams: Sequence[Stream]) -> None:
        """Shows these, and keeps the focus on one of them."""
        for stream in Stream:
            self.pane(stream).display = stream in streams
        if self._tab == "output" and not self.current_pane.has_focus_within:
            self.current_pane.view.focus()

    def tick(self, now: int) -> None:
        self._show_title(now)
        self.query_one(AttemptTable).tick(now)
        self.query_one(ChainTable).tick(now)

    def show_health(self, health: Health) -> None:
        self.query_one(JobTitle).show_health(health)
        self.query_one(Banner).show_error(health.error)

    @on(LogView.LinesWanted)
    def _lines_wanted(self) -> None:
        self.ask()

    # -- actions

    @property
    def _tab(self) -> str:
        return self.query_one("#job-tabs", ContentSwitcher).current or _TABS[0]

    def action_tab(self, name: str) -> None:
        self.query_one("#job-tabs", ContentSwitcher).current = name
        self._reading_place(name).focus()
        self._show_hints()
        self._show_title(self.session.queue.now())

    def _reading_place(self, tab: str) -> Widget:
        """What takes the keys in a tab."""
        if tab == "output":
            return self.current_pane.view
        tables: dict[str, type[Widget]] = {"attempts": AttemptTable, "chain": ChainTable}
        return self.query_one(tables[tab]) if tab in tables else self.query_one("#info")

    def action_back(self) -> None:
        if self._tab == "output" and self.current_pane.searching:
            self.current_pane.end_search()
        else:
            self.action_leave()

    def action_other_stream(self) -> None:
        picture = self._picture
        if picture is not None and picture.number is not None:
            self._choose(LogChoice(picture.number, _AFTER[picture.streams]))

    def action_attempt(self, step: int) -> None:
        picture = self._picture
        if picture is None or picture.number is None:
            return
        numbers = [attempt.number for attempt in picture.attempts]
        at = numbers.index(picture.number) + step
        if 0 <= at < len(numbers):
            self._choose(LogChoice(numbers[at]))

    @on(RowTable.CursorMoved, "AttemptTable")
    def _attempt_chosen(self) -> None:
        self._show_attempt()

    def _show_attempt(self) -> None:
        self.query_one(AttemptDetail).show_attempt(
            self.query_one(AttemptTable).current, self.session.queue.now()
        )

    @on(RowTable.Opened, "AttemptTable")
    def _attempt_opened(self, event: AttemptTable.Opened) -> None:
        self._choose(LogChoice(int(event.key)))

    @on(RowTable.Opened, "ChainTable")
    def _linked_opened(self) -> None:
        row = self.query_one(ChainTable).current
        if row is not None and row.depth:
            self.app.push_screen(JobScreen(self.session, row.job.id))

    def _choose(self, choice: LogChoice) -> None:
        self._choice = choice
        self.action_tab("output")
        self.ask()

    @work(group=ACT)
    async def action_retry(self) -> None:
        await self.actions.retry([self.job_id])
        self._choice = LogChoice()
        self.expect()

    @work(group=ACT)
    async def action_cancel(self) -> None:
        await self.actions.cancel([self.job_id])
        self.expect()

    @work(group=ACT)
    async def action_hold_job(self) -> None:
        await self.actions.hold_or_release([self.job_id])
        self.expect()

    @work(group=ACT)
    async def action_pause_job(self) -> None:
        await self.actions.pause_or_resume([self.job_id])
        self.expect()

    @work(group=ACT)
    async def action_edit(self) -> None:
        done = await edit(self, self.session, self.job_id)
        if done is not None:
            say(self, done)
            self.expect()

    @work(group=ACT)
    async def action_delete(self) -> None:
        """Leaves the screen, once there is no such job any more."""
        if await self.actions.delete([self.job_id]) and self.is_current:
            self.action_leave()

    def action_watch(self) -> None:
        watched = self.session.watched
        watched ^= {self.job_id}
        on = self.job_id in watched
        say(self, f"{'Watching' if on else 'No longer watching'} {self.job_id}")
        self._show_title(self.session.queue.now())

    def action_copy_id(self) -> None:
        copy(self, self.job_id, self.job_id)

    def action_copy_command(self) -> None:
        if self._picture is not None:
            copy(self, self._picture.job.line, f"the command of {self.job_id}")

    def action_copy(self) -> None:
        if self._picture is not None:
            offered = copyables(self._picture.job, ())
            if self._tab == "output" and (lines := self.current_pane.view.lines_in_sight):
                text = "".join(f"{line.text}\n" for line in lines)
                offered.insert(0, Copyable("the lines in sight", text))
            self.app.push_screen(CopyText(self.session.memory, offered))

    # -- what it wrote, elsewhere

    @on(LogView.CopyWanted)
    def _copy_wanted(self, event: LogView.CopyWanted) -> None:
        if event.everything:
            self._copy_all(self.current_pane.stream)
        else:
            self.action_copy()

    @work
    async def _copy_all(self, stream: Stream) -> None:
        number = self._picture.number if self._picture else None
        if number is None:
            return
        try:
            text = await self.session.call(
                Lane.DETAILS,
                lambda queue: copied_output(queue.output(self.job_id, number, stream)),
            )
        except (QueueError, OSError) as error:
            complain(self, str(error))
            return
        if text is None:
            complain(self, f"More than {size(MOST_COPIED)} is too much to copy; S saves it")
        else:
            copy(self, text, f"all of {stream.value}")

    @on(LogView.SaveWanted)
    def _save_wanted(self) -> None:
        number = self._picture.number if self._picture else None
        if number is not None:
            form = SaveOutput(self.session, self.job_id, number, self.current_pane.stream)
            self.app.push_screen(form, self._saved)

    def _saved(self, path: Path | None) -> None:
        if path is not None:
            say(self, f"Saved {path}")


_AFTER = {
    (Stream.STDOUT,): (Stream.STDERR,),
    (Stream.STDERR,): tuple(Stream),
    tuple(Stream): (Stream.STDOUT,),
}
"""What ``t`` shows next."""
