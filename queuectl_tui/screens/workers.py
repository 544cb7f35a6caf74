"""Supervisors and workers: who runs what, and orders to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget

from queuectl_tui.screens.confirm import Question
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.live import ACT
from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.screens.table_screen import TableScreen
from queuectl_tui.screens.talk import complain
from queuectl_tui.screens.workers_picture import WorkersPicture, read_workers
from queuectl_tui.text import duration
from queuectl_tui.widgets.one_line import Piece
from queuectl_tui.widgets.output_preview import OutputPreview
from queuectl_tui.widgets.store_header import StoreHeader
from queuectl_tui.widgets.worker_table import WorkerTable
from store import JobState, NoSuchJob, Status, Worker, WorkerKind, WorkerState
from workers import has_gone

if TYPE_CHECKING:
    from store.queue import Queue


class WorkersScreen(TableScreen[WorkersPicture]):
    """Orders go to the supervisor of the row under the cursor; what it runs is shown below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", id="workers.back", tooltip="Back to the jobs"),
        Binding("s", "app.start_workers", "start", id="workers.start", tooltip="Start workers"),
        Binding("plus", "scale(1)", "one more", key_display="+", id="workers.more",
                tooltip="Keep one worker more"),
        Binding("minus", "scale(-1)", "one less", key_display="-", id="workers.less",
                tooltip="Keep one worker less; it finishes its job"),
        Binding("p", "pause_workers", "pause", id="workers.pause",
                tooltip="Take no more jobs, or go on"),
        Binding("d", "drain", "drain", id="workers.drain",
                tooltip="Finish what runs, then stop"),
        Binding("x", "stop_now", "stop now", id="workers.stop",
                tooltip="Stop at once; what runs goes back to its queue"),
        Binding("o", "open", "job", id="workers.open", tooltip="Open the job it runs"),
    ]  # fmt: skip

    HINTS = (
        "workers.start", "workers.more", "workers.less", "workers.pause", "live.leave",
        "app.help", "workers.drain", "workers.stop", "workers.open", "app.jobs", "app.dead",
    )  # fmt: skip

    VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall")]  # noqa: RUF012 - as Textual has it

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._known: tuple[Worker, ...] = ()

    def body(self) -> Iterable[Widget]:
        yield WorkerTable()
        yield OutputPreview()

    def on_mount(self) -> None:
        self.table.set_empty(
            "No workers are up.", "", "s  starts some; they go on when the app is closed"
        )

    @property
    def table(self) -> WorkerTable:
        return self.query_one(WorkerTable)

    # -- live

    def reading(self) -> Callable[[Queue], WorkersPicture]:
        return partial(read_workers, followed=self.table.cursor_key, lines=self._preview_lines)

    @property
    def restless(self) -> bool:
        """A running job's output grows, and a worker is killed, without the store changing."""
        row = self.table.current
        follows = bool(self._preview_lines) and row is not None and row.job is not None
        return follows or has_gone(self._known)

    @property
    def _preview_lines(self) -> int:
        preview = self.query_one(OutputPreview)
        return preview.room if preview.region else 0

    def show(self, picture: WorkersPicture) -> None:
        snapshot = picture.snapshot
        self._known = snapshot.workers
        self.table.show_rows(
            snapshot.workers, now=snapshot.at, followed=self.table.cursor_key, position=None
        )
        if picture.followed == self.table.cursor_key:
            self.query_one(OutputPreview).show(picture.preview)
        else:
            self.ask()
        self.query_one(StoreHeader).show_status(snapshot.status)
        self._show_title(snapshot.status)

    @on(WorkerTable.CursorMoved)
    @on(OutputPreview.RoomChanged)
    def _preview_wanted(self) -> None:
        if self._preview_lines:
            self.ask()

    def _show_title(self, status: Status) -> None:
        pieces = [Piece("Workers", "bold"), Piece(f"   {status.workers_up} up")]
        pieces.append(Piece(f" · {status.workers_busy} busy"))
        if status.workers_stale:
            pieces.append(Piece(f" · {status.workers_stale} STALE", "bold $error"))
        pending = status.counts.get(JobState.PENDING, 0)
        waiting = "1 job waits" if pending == 1 else f"{pending:,} jobs wait"
        pieces.append(Piece(f"   {waiting}", "dim"))
        self.show_title(*pieces)

    # -- orders

    @property
    def supervisor(self) -> Worker | None:
        """The supervisor of the row under the cursor."""
        row = self.table.current
        if row is None or row.kind is WorkerKind.SUPERVISOR:
            return row
        return next((each for each in self._known if each.id == row.supervisor), None)

    @on(WorkerTable.Opened)
    def action_open(self) -> None:
        row = self.table.current
        if row is not None and row.job is not None:
            self.app.push_screen(JobScreen(self.session, row.job))

    @work(group=ACT)
    async def action_scale(self, step: int) -> None:
        supervisor = self.supervisor
        if supervisor is None:
            complain(self, "No supervisor is up: s starts workers")
            return
        await self.order(
            lambda queue: queue.registry.order(
                supervisor.pool, count=_count(queue, supervisor, step)
            ),
            lambda now: f"Pool {now.pool} keeps {now.count} workers",
        )

    @work(group=ACT)
    async def action_pause_workers(self) -> None:
        supervisor = self.supervisor
        if supervisor is None:
            complain(self, "No supervisor is up: s starts workers")
            return
        pause = supervisor.state is not WorkerState.PAUSED
        await self.order(
            lambda queue: queue.registry.set_paused(supervisor.pool, pause),
            lambda _: f"Pool {supervisor.pool} " + ("takes no more jobs" if pause else "goes on"),
        )

    @work(group=ACT)
    async def action_drain(self) -> None:
        supervisor = self.supervisor
        if supervisor is None:
            complain(self, "No supervisor is up")
            return
        question = Question(
            title=f"Drain pool {supervisor.pool}?",
            keep="Keep working",
            act="Drain",
            names=[_describe(worker) for worker in self._of(supervisor)],
            note="Each worker finishes the job it runs, then all stop.",
        )
        if await self.voice.ask(question):
            await self.order(
                lambda queue: queue.registry.order(supervisor.pool, stop="drain"),
                lambda now: f"Pool {now.pool} drains",
            )

    @work(group=ACT)
    async def action_stop_now(self) -> None:
        supervisor = self.supervisor
        if supervisor is None:
            complain(self, "No supervisor is up")
            return
        busy = [worker.job for worker in self._of(supervisor) if worker.job is not None]
        names = await self.session.call(Lane.DETAILS, lambda queue: _running(queue, busy))
        question = Question(
            title=f"Stop pool {supervisor.pool} now?",
            keep="Keep running" if busy else "Keep working",
            act=f"Stop, interrupt {len(names)}" if names else "Stop",
            names=names,
            note="What it interrupts goes back to its queue; the attempt isn't counted."
            if names
            else "No job is running in it.",
        )
        if await self.voice.ask(question):
            await self.order(
                lambda queue: queue.registry.order(supervisor.pool, stop="now"),
                lambda now: f"Pool {now.pool} stops",
            )

    def _of(self, supervisor: Worker) -> list[Worker]:
        return [worker for worker in self._known if worker.supervisor == supervisor.id]


def _count(queue: Queue, supervisor: Worker, step: int) -> int:
    """``step`` more than the pool keeps as ordered now, so that quick presses add up."""
    kept = next((each.count for each in queue.workers() if each.id == supervisor.id), 0)
    return max(0, kept + step)


def _describe(worker: Worker) -> str:
    return f"{worker.id}  {worker.state.value}  {worker.job or ''}".rstrip()


def _running(queue: Queue, ids: list[str]) -> list[str]:
    names: list[str] = []
    for job_id in ids:
        try:
            job = queue.job(job_id)
        except NoSuchJob:
            continue
        since = queue.now() - (job.started_at or queue.now())
        names.append(f"{job.id}  running {duration(since / 1000)}  {job.line[:200]}")
    return names
