"""What the jobs screen and the dead letter queue share: a table of jobs, and what it takes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widgets import Input

from queuectl_tui.config import ListConfig, order_text, parse_order
from queuectl_tui.export import Listed
from queuectl_tui.screens.copy_text import CopyText, copyables
from queuectl_tui.screens.edit_job import edit
from queuectl_tui.screens.export_jobs import export
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.job_actions import Action, JobActions
from queuectl_tui.screens.listing import ListPicture, ListRequest, read_list
from queuectl_tui.screens.live import ACT, FREE, LiveScreen
from queuectl_tui.screens.running import read_progress
from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.screens.sort_picker import SortPicker
from queuectl_tui.screens.talk import complain, copy, say, voice_of
from queuectl_tui.screens.working import Progress, working
from queuectl_tui.widgets.banner import Banner
from queuectl_tui.widgets.filter_bar import FilterBar
from queuectl_tui.widgets.job_table import JobTable
from queuectl_tui.widgets.list_title import ListTitle
from queuectl_tui.widgets.output_preview import OutputPreview
from queuectl_tui.widgets.store_header import Health, StoreHeader
from queuectl_tui.widgets.viewport import Viewport
from store import JobFilter, JobState, Order, QueueError, Stream, Window, Worker
from workers import has_gone

if TYPE_CHECKING:
    from store.queue import Queue

_MOST_MARKED = 10_000
_TOO_MANY = f"Not for more than {_MOST_MARKED:,} jobs at once: mark fewer"
_MOVES = frozenset({"move", "top", "bottom", "page", "shift"})
_LISTS = frozenset({"filter", "state", "back"})
_ORDERS = frozenset({"sort", "sort_by", "invert"})


class JobListScreen(LiveScreen[ListPicture]):
    """A filtered, sorted table of jobs, marks, and the actions on them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "output", "log", id="jobs.output", tooltip="Open the job and its output"),
        Binding("r", "retry", "retry", id="jobs.retry", tooltip="Run the marked jobs again"),
        Binding("R", "retry_all", "retry all", id="jobs.retry_all", tooltip="Retry all that match"),
        Binding("e", "edit", "edit", id="jobs.edit", tooltip="Edit the job, unless it is running"),
        Binding("C", "clone", "clone", id="jobs.clone", tooltip="Add another of the same fields"),
        Binding("X", "delete", "delete", id="jobs.delete", tooltip="Delete finished jobs"),
        Binding(
            "slash", "filter", "filter", key_display="/", id="jobs.filter",
            tooltip="Filter as you type: words, state: queue: exit:",
        ),
        Binding("escape", "back", "clear", id="jobs.back", tooltip="Clear filter, marks; go back"),
        Binding("s", "sort", "sort", id="jobs.sort", tooltip="Choose the sort column"),
        Binding(
            "less_than_sign", "sort_by(-1)", "sort ←", key_display="<", id="jobs.sort_left",
            tooltip="Sort by the column to the left",
        ),
        Binding(
            "greater_than_sign", "sort_by(1)", "sort →", key_display=">", id="jobs.sort_right",
            tooltip="Sort by the column to the right",
        ),
        Binding("I", "invert", "invert", id="jobs.invert", tooltip="Turn the order round"),
        Binding("y", "copy_id", "copy id", id="jobs.copy_id", tooltip="Copy the job's id"),
        Binding("Y", "copy_command", "copy command", id="jobs.copy_command",
                tooltip="Copy the job's command"),
        Binding("c", "copy", "copy …", id="jobs.copy",
                tooltip="Copy, show or save: id, command, error, all fields"),
        Binding("b", "watch", "watch", id="jobs.watch",
                tooltip="Watch: tell when the job ends (bell, notification: see notify)"),
        Binding("F", "follow", "follow", id="jobs.follow",
                tooltip="Follow the row: keep it in sight wherever it goes"),
        Binding("z", "zoom", "zoom", id="jobs.zoom",
                tooltip="Only the table, or with what is below or beside it"),
        Binding("S", "export", "export", id="jobs.export",
                tooltip="Save what is listed as CSV or JSON"),
    ]  # fmt: skip

    list_name: ClassVar[str]
    initial_order: ClassVar[Order] = Order("created", reverse=True)
    preview_first: ClassVar[Stream] = Stream.STDOUT

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.order = self._first_order()
        self.asked = JobFilter()
        """What the filter line asks for."""
        self.actions = JobActions(session, voice_of(self))
        self._workers: tuple[Worker, ...] = ()
        self._shown: JobFilter | None = None
        self._origin: str | None = None
        """Where the cursor was when another list was asked for; empty where it was on no job."""
        self._hidden = 0
        self._reading_progress = False
        self._progressing = False

    def _first_order(self) -> Order:
        """As the config file has it, else as it was last time."""
        remembered = self.session.memory.recall(f"sort.{self.list_name}")
        saved = parse_order(remembered) if remembered else None
        return self._config.order or saved or self.initial_order

    @property
    def _config(self) -> ListConfig:
        return self.session.config.lists.get(self.list_name, ListConfig())

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns to show; none means all."""
        remembered = self.session.memory.recall(f"columns.{self.list_name}") or ""
        return self._config.columns or tuple(remembered.split())

    def choose_columns(self, names: Sequence[str]) -> None:
        """Shows these columns, now and next time."""
        self.session.memory.note(f"columns.{self.list_name}", " ".join(names))
        self.table.choose_columns(names)

    # -- what a list says about itself

    @property
    @abstractmethod
    def states(self) -> frozenset[JobState]:
        """The states listed where the filter names none."""

    @abstractmethod
    def show_list(self, picture: ListPicture) -> None:
        """Shows what this list shows besides the table."""

    @property
    def filter(self) -> JobFilter:
        return self.asked._replace(states=self.asked.states or self.states)

    @property
    def table(self) -> JobTable:
        return self.query_one(JobTable)

    # -- live

    def reading(self) -> Callable[[Queue], ListPicture]:
        table = self.table
        view = table.viewport
        request = ListRequest(
            filter=self.filter,
            order=self.order,
            viewport=view if self._shown == self.filter else Viewport(height=view.height),
            follow=table.cursor_key if self._shown == self.filter else self._came_from,
            marked=table.marks,
            preview_lines=self._preview_lines,
            preview_first=self.preview_first,
        )
        return partial(read_list, request=request)

    @property
    def _came_from(self) -> str | None:
        """The job that the cursor was put on before the filter was changed, however often."""
        return self.table.cursor_key if self._origin is None else self._origin or None

    def list_another(self, *, hold: bool = False) -> None:
        """To be called when the filter was changed."""
        if self._shown != self.filter:
            self._origin = self._came_from or ""
            if self.table.everything_marked:
                self.table.action_unmark()
                say(self, "No longer marked: those that match another filter")
        self.expect_other(hold=hold)

    def holds_up(self, action: str) -> bool:
        if action in _LISTS:  # where the cursor is has to be known, to follow it
            return self.is_changing
        if action in _ORDERS:
            return self.is_changing or self._shown != self.filter
        if super().holds_up(action):
            return True
        table = self.table
        by_row = action not in FREE and action not in _MOVES
        return by_row and table.total > 0 and table.cursor_key is None

    def take(self, action: str) -> None:
        if action not in FREE:
            self._origin = None

    @property
    def wish(self) -> object:
        return self.filter, self.order

    @property
    def restless(self) -> bool:
        """A running job's output grows, and a worker is killed, without the store changing."""
        job = self.table.current
        runs = job is not None and job.state is JobState.PROCESSING
        return bool(self._preview_lines and runs) or has_gone(self._workers)

    @property
    def _preview_lines(self) -> int:
        preview = self.query_one(OutputPreview)
        return preview.room if preview.region else 0

    def show(self, picture: ListPicture) -> None:
        request, snapshot = picture.request, picture.snapshot
        if self._is_obsolete(picture):
            self.expect_other()
            return
        if self._shown != request.filter:
            self._arrive(request.follow, snapshot.window)
        self._shown, self._hidden = request.filter, picture.hidden
        self.table.set_sorted(self.order.column, reverse=self.order.reverse)
        self.table.show_window(
            snapshot.window, now=snapshot.at, followed=request.follow, vanished=picture.vanished
        )
        self._workers = snapshot.workers
        self.query_one(StoreHeader).show_status(snapshot.status)
        if (request.follow, request.preview_lines) == (self.table.cursor_key, self._preview_lines):
            self.query_one(OutputPreview).show(picture.preview)
        elif self._preview_lines:
            self.ask()
        self.show_list(picture)
        self.table.show_watched(self.session.watched)
        self._look_at_progress()
        self._show_title()

    def _arrive(self, followed: str | None, window: Window) -> None:
        """In another list the cursor stays on its job, or else goes to the top."""
        if followed is None or window.position is None:
            self.table.forget_place()
        elif followed != self.table.cursor_key:
            self.table.seek(followed)

    def _is_obsolete(self, picture: ListPicture) -> bool:
        """Whether something else is asked for by now, or the cursor is on another job."""
        request = picture.request
        if (request.filter, request.order) != (self.filter, self.order):
            return True
        if self._shown != request.filter:
            return request.follow != self._came_from
        return self._lost_in(picture)

    def _lost_in(self, picture: ListPicture) -> bool:
        """Whether the cursor went to another row meanwhile, whose new place isn't known."""
        key, window = self.table.cursor_key, picture.snapshot.window
        if key in (None, picture.request.follow):
            return False
        return all(job.id != key for job in window.rows)

    def tick(self, now: int) -> None:
        self.table.tick(now)
        self._look_at_progress()

    def _look_at_progress(self) -> None:
        running = self.table.running_in_sight()
        if not self._reading_progress and (running or self._progressing):
            self._reading_progress = True
            self._read_progress(running)

    @work(group="progress")
    async def _read_progress(self, running: Sequence[str]) -> None:
        table = self.table
        try:
            progress = await self.session.call(
                Lane.PROGRESS, lambda queue: read_progress(queue, running)
            )
        except (QueueError, OSError):
            progress = {}
        self._reading_progress = False
        self._progressing = bool(progress)
        if table.is_attached:
            table.show_progress(progress)

    def show_health(self, health: Health) -> None:
        self.query_one(StoreHeader).show_health(health)
        self.query_one(Banner).show_error(health.error)

    def _show_title(self) -> None:
        table = self.table
        self.query_one(ListTitle).show_list(
            filter=self.filter,
            order=self.order,
            visible=table.visible_range,
            total=table.total,
            marked=table.marked,
            hidden=min(self._hidden, len(table.marks)),
            in_range=table.in_range,
            follows=table.keeps_in_sight,
        )

    # -- table and filter

    @on(JobTable.CursorMoved)
    def _cursor_moved(self, event: JobTable.CursorMoved) -> None:
        self._show_title()
        if self._preview_lines and event.key is not None:
            self.ask()

    @on(JobTable.Scrolled)
    @on(JobTable.MarksChanged)
    def _title_changed(self) -> None:
        self._show_title()

    @on(JobTable.RowsWanted)
    def _rows_wanted(self) -> None:
        self.ask_and_hold()

    @on(OutputPreview.RoomChanged)
    def _room_changed(self) -> None:
        self.ask()

    @on(JobTable.Opened)
    def _opened(self, event: JobTable.Opened) -> None:
        self.app.push_screen(JobScreen(self.session, event.key))

    def on_click(self) -> None:
        self._origin = None

    @on(JobTable.RangeEnded)
    def _range_ended(self, event: JobTable.RangeEnded) -> None:
        wanted, order = self.filter, self.order
        self._mark(lambda queue: _between(queue, wanted, order, event))

    @on(JobTable.AllWanted)
    def _all_wanted(self) -> None:
        wanted = self.filter
        self._mark(lambda queue: _all_that_match(queue, wanted))

    @on(JobTable.AllMarked)
    def _all_marked(self) -> None:
        complain(self, r"All that match are marked: \ unmarks them, then mark single ones")

    @work(group=ACT)
    async def _mark(self, read: Callable[[Queue], Sequence[str] | int]) -> None:
        try:
            with working(self.app, Progress("Marking")):
                found = await self.session.call(Lane.DETAILS, read)
        except (QueueError, OSError) as error:
            complain(self, str(error))
            return
        if isinstance(found, int):
            self.table.mark_everything(found)
        else:
            self.table.mark(found)

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        self.asked = event.wanted
        self.list_another()

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self.table.focus()

    # -- actions

    def targets(self) -> tuple[str, ...]:
        """The marked jobs, or the one under the cursor."""
        table = self.table
        if table.marks:
            return table.marks
        return () if table.cursor_key is None else (table.cursor_key,)

    def seek(self, job_id: str) -> None:
        """Puts the cursor on a job once the list is read again, if it is in the list."""
        self.table.seek(job_id)
        self.expect()

    def set_filter(self, line: str) -> None:
        """Filters by ``line``, as if it had been typed."""
        self.query_one(FilterBar).put(line)

    def set_order(self, order: Order) -> None:
        self.order = order
        self.table.announce_sort(order.column)
        self.session.memory.note(f"sort.{self.list_name}", order_text(order))
        self.expect_other()

    def act(self, action: Action) -> None:
        """Acts on the targets there are now; what was done to is marked no more."""
        if not self.table.everything_marked:
            self._act(action, self.targets(), self.filter)
        elif mass := self.actions.to_all(action):
            self._act_on_all(mass, self.filter)
        else:
            complain(self, _TOO_MANY)

    @work(group=ACT)
    async def _act_on_all(
        self, mass: Callable[[JobFilter], Awaitable[bool]], wanted: JobFilter
    ) -> None:
        if await mass(wanted):
            self.table.action_unmark()
        self.expect()

    @work(group=ACT)
    async def _act(self, action: Action, targets: Sequence[str], listed: JobFilter) -> None:
        if await action(targets, listed=listed):
            self.table.unmark(targets)
        self.expect()

    def action_output(self) -> None:
        self.table.action_open()

    def action_retry(self) -> None:
        self.act(self.actions.retry)

    def action_retry_all(self) -> None:
        self._retry_all(self.filter)

    @work(group=ACT)
    async def _retry_all(self, wanted: JobFilter) -> None:
        await self.actions.retry_matching(wanted)
        self.expect()

    def action_delete(self) -> None:
        self.act(self.actions.delete)

    def action_edit(self) -> None:
        if self.table.cursor_key is not None:
            self._edit(self.table.cursor_key)

    @work(group=ACT)
    async def _edit(self, job_id: str) -> None:
        done = await edit(self, self.session, job_id)
        if done is not None:
            say(self, done)
            self.expect()

    def action_clone(self) -> None:
        if self.table.cursor_key is not None:
            self._clone(self.table.cursor_key)

    @work(group=ACT)
    async def _clone(self, job_id: str) -> None:
        if await self.actions.clone(job_id) is not None:
            self.expect()

    def action_filter(self) -> None:
        self.query_one(FilterBar).open()

    def action_back(self) -> None:
        bar = self.query_one(FilterBar)
        if bar.line:
            bar.action_clear()
        elif self.table.marked:
            self.table.action_unmark()
        else:
            self.leave_by_escape()

    def leave_by_escape(self) -> None:
        """Esc, with nothing left to clear."""

    def action_sort(self) -> None:
        self.app.push_screen(SortPicker(self.order), self._sort_chosen)

    def _sort_chosen(self, chosen: Order | None) -> None:
        if chosen is not None:
            self.set_order(chosen)

    def action_sort_by(self, step: int) -> None:
        column = self.table.column_at(step)
        if column is not None:
            self.set_order(Order(column, reverse=self.order.reverse))

    def action_invert(self) -> None:
        self.set_order(Order(self.order.column, reverse=not self.order.reverse))

    def action_copy_id(self) -> None:
        job = self.table.current
        if job is not None:
            copy(self, job.id, job.id)

    def action_copy_command(self) -> None:
        job = self.table.current
        if job is not None:
            copy(self, job.line, f"the command of {job.id}")

    def action_copy(self) -> None:
        job = self.table.current
        if job is not None:
            offered = copyables(job, self.table.marks)
            self.app.push_screen(CopyText(self.session.memory, offered))

    def action_watch(self) -> None:
        """Watches the marked jobs, or the one at the cursor; not, if all of them are watched."""
        if self.table.everything_marked:
            complain(self, _TOO_MANY)
            return
        targets, watched = set(self.targets()), self.session.watched
        unwatch = bool(targets) and targets <= watched
        (watched.difference_update if unwatch else watched.update)(targets)
        if targets:
            name = f"{len(targets):,} jobs" if len(targets) > 1 else next(iter(targets))
            say(self, f"No longer watching {name}" if unwatch else f"Watching {name}")
        self.table.show_watched(watched)

    def action_follow(self) -> None:
        table = self.table
        table.keeps_in_sight = not table.keeps_in_sight
        table.move_to(table.cursor)
        self._show_title()

    def action_zoom(self) -> None:
        self.toggle_class("-zoomed")

    @work
    async def action_export(self) -> None:
        listed = Listed(self.filter, self.order)
        await export(self, self.session, listed, self.table.total)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        typing = isinstance(self.focused, Input)
        if typing and action == "back":
            return False
        return super().check_action(action, parameters)


def _all_that_match(queue: Queue, wanted: JobFilter) -> Sequence[str] | int:
    """Their ids, or how many they are if that is too many to name."""
    ids = queue.ids(wanted, limit=_MOST_MARKED + 1)
    return ids if len(ids) <= _MOST_MARKED else queue.count(wanted)


def _between(queue: Queue, wanted: JobFilter, order: Order, ends: JobTable.RangeEnded) -> list[str]:
    """The rows from one end to the other, wherever they stand now."""
    start = queue.window(wanted, order, offset=0, limit=1, follow=ends.start).position
    end = queue.window(wanted, order, offset=0, limit=1, follow=ends.end).position
    end = ends.row if end is None else end
    first, last = sorted((end if start is None else start, end))
    return queue.ids(wanted, order, offset=first, limit=min(last - first, _MOST_MARKED) + 1)
