"""Recurring jobs: when they come next, what became of the last ones, and orders to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget

from queuectl_tui.schedule_text import when
from queuectl_tui.screens.confirm import Question
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.live import ACT
from queuectl_tui.screens.schedule_form import ScheduleForm
from queuectl_tui.screens.table_screen import TableScreen, counted
from queuectl_tui.screens.talk import complain, say
from queuectl_tui.widgets.one_line import Piece
from queuectl_tui.widgets.schedule_detail import ScheduleDetail
from queuectl_tui.widgets.schedule_table import ScheduleTable
from queuectl_tui.widgets.store_header import StoreHeader
from store import Job, JobFilter, Order, Schedule, Snapshot, WorkerKind

if TYPE_CHECKING:
    from store.queue import Queue


@dataclass(frozen=True, slots=True)
class SchedulesPicture:
    """``ticks`` and ``jobs`` are those of the schedule called ``followed``."""

    snapshot: Snapshot
    schedules: tuple[Schedule, ...]
    followed: str | None
    ticks: tuple[int, ...]
    jobs: tuple[Job, ...]


class SchedulesScreen(TableScreen[SchedulesPicture]):
    """Orders go to the marked schedules, or to the one under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", id="schedules.back", tooltip="Back to the jobs"),
        Binding("p", "hold", "pause", id="schedules.pause",
                tooltip="Pause the marked schedules, or go on with their next tick"),
        Binding("a", "add", "add", id="schedules.add", tooltip="Add a schedule"),
        Binding("e", "edit", "edit", id="schedules.edit",
                tooltip="Edit the schedule: its times, and what it runs"),
        Binding("X", "delete", "remove", id="schedules.remove",
                tooltip="Remove schedules; the jobs they made stay"),
        Binding("o", "open", "last job", id="schedules.open",
                tooltip="Open the job that the last tick made"),
    ]  # fmt: skip

    HINTS = (
        "schedules.add", "schedules.pause", "schedules.edit", "schedules.open", "live.leave",
        "app.help", "schedules.remove", "marks.mark", "app.jobs", "app.queues", "app.workers",
    )  # fmt: skip

    def body(self) -> Iterable[Widget]:
        yield ScheduleTable()
        yield ScheduleDetail()

    def on_mount(self) -> None:
        self.table.set_empty(
            "No schedules yet.",
            "",
            "a  adds one: a line for the shell, run at times or every so often",
            "queuectl-tui schedule add beat --every 10m 'date'  adds one from a shell",
        )

    @property
    def table(self) -> ScheduleTable:
        return self.query_one(ScheduleTable)

    def reading(self) -> Callable[[Queue], SchedulesPicture]:
        name = self.table.cursor_key
        return lambda queue: _read(queue, name)

    def show(self, picture: SchedulesPicture) -> None:
        snapshot = picture.snapshot
        self.query_one(StoreHeader).show_status(snapshot.status)
        self.table.show_all(picture.schedules, now=snapshot.at)
        current = self.table.current
        if current is not None and current.name != picture.followed:
            self.ask()
        else:
            self.query_one(ScheduleDetail).show_schedule(
                current, picture.ticks, picture.jobs, snapshot.at
            )
        self._show_title(picture)

    def _show_title(self, picture: SchedulesPicture) -> None:
        schedules = picture.schedules
        paused = sum(schedule.paused for schedule in schedules)
        seen_to = any(one.kind is WorkerKind.SUPERVISOR for one in picture.snapshot.workers)
        missed = len(schedules) > paused and not seen_to
        self.show_title(
            Piece("Schedules", "bold"),
            Piece(f"   {len(schedules):,}"),
            Piece(f" · {paused:,} paused" if paused else "", "bold $warning"),
            note="nobody sees to them: w starts workers" if missed else "",
        )

    @on(ScheduleTable.CursorMoved)
    def _cursor_moved(self) -> None:
        self.ask()

    # -- orders

    @on(ScheduleTable.Opened)
    def action_open(self) -> None:
        schedule = self.table.current
        if schedule is None:
            return
        if schedule.last is None:
            complain(self, f"{schedule.name} has made no job yet")
        else:
            self.app.push_screen(JobScreen(self.session, schedule.last.id))

    @work(group=ACT)
    async def action_hold(self) -> None:
        """Pauses those that are active, or where all are paused lets them go on."""
        chosen = self.table.chosen
        if not chosen:
            complain(self, "No schedule is chosen")
            return
        active = [schedule.name for schedule in chosen if not schedule.paused]
        names = active or [schedule.name for schedule in chosen]
        await self.order(
            lambda queue: queue.schedules.set_paused(names, bool(active)),
            lambda _: f"{'Paused' if active else 'Resumed'} {_amount(names)}",
        )

    @work(group=ACT)
    async def action_delete(self) -> None:
        chosen = self.table.chosen
        if not chosen:
            complain(self, "No schedule is chosen")
            return
        names = [schedule.name for schedule in chosen]
        question = Question(
            title=f"Remove {_amount(names)}?",
            keep="Keep it" if len(names) == 1 else "Keep them",
            act=f"Remove {_amount(names)}",
            names=[_describe(schedule) for schedule in chosen],
            note="The jobs made so far stay.",
        )
        if await self.voice.ask(question):
            await self.order(
                lambda queue: queue.schedules.remove(names),
                lambda _: f"Removed {_amount(names)}",
            )

    @work(group=ACT)
    async def action_add(self) -> None:
        self._told(await self.app.push_screen_wait(ScheduleForm(self.session, None)))

    @work(group=ACT)
    async def action_edit(self) -> None:
        schedule = self.table.current
        if schedule is not None:
            self._told(await self.app.push_screen_wait(ScheduleForm(self.session, schedule)))

    def _told(self, done: str | None) -> None:
        if done is not None:
            say(self, done)
            self.expect()


def _read(queue: Queue, name: str | None) -> SchedulesPicture:
    schedules = tuple(queue.schedules.all())
    followed = next((each for each in schedules if each.name == name), None)
    ticks = [] if followed is None or followed.paused else queue.schedules.upcoming(followed)
    jobs = [] if followed is None else queue.schedules.jobs(followed.name)
    return SchedulesPicture(
        queue.snapshot(JobFilter(), Order(), offset=0, limit=0),
        schedules,
        name,
        tuple(ticks),
        tuple(jobs),
    )


def _describe(schedule: Schedule) -> str:
    return f"{schedule.name}  {when(schedule)}  {schedule.job.line[:200]}"


def _amount(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else counted(len(names), "schedule")
