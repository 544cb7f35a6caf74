"""Named queues: what waits and runs in them, and orders to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget

from queuectl_tui.screens.confirm import Question
from queuectl_tui.screens.live import ACT
from queuectl_tui.screens.queue_form import QueueForm
from queuectl_tui.screens.table_screen import TableScreen, counted
from queuectl_tui.screens.talk import complain, say
from queuectl_tui.widgets.banner import Banner
from queuectl_tui.widgets.one_line import Piece
from queuectl_tui.widgets.queue_table import QueueTable
from queuectl_tui.widgets.store_header import StoreHeader
from store import JobFilter, Order, QueueDepth, Snapshot

if TYPE_CHECKING:
    from store.queue import Queue


@dataclass(frozen=True, slots=True)
class QueuesPicture:
    snapshot: Snapshot
    depths: tuple[QueueDepth, ...]


class QueuesScreen(TableScreen[QueuesPicture]):
    """Orders go to the marked queues, or to the one under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", id="queues.back", tooltip="Back to the jobs"),
        Binding("p", "hold", "pause", id="queues.pause",
                tooltip="Pause the marked queues, or resume them; what runs goes on"),
        Binding("e", "edit", "limits", id="queues.edit",
                tooltip="Set how many run at once, how many begin in a time, and the slots"),
        Binding("a", "add", "add", id="queues.add", tooltip="Add a queue"),
        Binding("P", "hold_all(True)", "pause all", id="queues.pause_all",
                tooltip="Pause every queue"),
        Binding("R", "hold_all(False)", "resume all", id="queues.resume_all",
                tooltip="Resume every queue"),
        Binding("o", "jobs", "jobs", id="queues.open", tooltip="List the jobs of the queue"),
    ]  # fmt: skip

    HINTS = (
        "table.open", "queues.pause", "queues.edit", "queues.add", "live.leave", "app.help",
        "queues.pause_all", "queues.resume_all", "marks.mark", "app.jobs", "app.schedules",
        "app.workers", "app.dead",
    )  # fmt: skip

    @dataclass
    class JobsWanted(Message):
        """The jobs of a queue are to be listed."""

        queue: str

    _known: tuple[QueueDepth, ...] = ()

    def body(self) -> Iterable[Widget]:
        yield QueueTable()

    def on_mount(self) -> None:
        self.table.set_empty(
            "No queues yet.",
            "",
            "A queue is there from its first job on.",
            "a  adds one with limits; J a  adds a job",
        )

    @property
    def table(self) -> QueueTable:
        return self.query_one(QueueTable)

    def reading(self) -> Callable[[Queue], QueuesPicture]:
        return lambda queue: QueuesPicture(
            queue.snapshot(JobFilter(), Order(), offset=0, limit=0), tuple(queue.queues.all())
        )

    def show(self, picture: QueuesPicture) -> None:
        status = picture.snapshot.status
        self._known = picture.depths
        self.query_one(StoreHeader).show_status(status)
        self.query_one(Banner).show_status(status)
        self.table.show_all(picture.depths, now=picture.snapshot.at)
        paused = sum(depth.info.paused for depth in picture.depths)
        self.show_title(
            Piece("Queues", "bold"),
            Piece(f"   {len(picture.depths):,}"),
            Piece(f" · {paused:,} paused" if paused else "", "bold $warning"),
        )

    # -- orders

    @on(QueueTable.Opened)
    def action_jobs(self) -> None:
        depth = self.table.current
        if depth is not None:
            self.post_message(self.JobsWanted(depth.info.name))

    @work(group=ACT)
    async def action_hold(self) -> None:
        """Pauses those that are open, or where all are paused resumes them."""
        chosen = self.table.chosen
        if not chosen:
            complain(self, "No queue is chosen")
            return
        names = [depth.info.name for depth in chosen if not depth.info.paused]
        pause = bool(names)
        await self._set_paused(names or [depth.info.name for depth in chosen], paused=pause)

    @work(group=ACT)
    async def action_hold_all(self, pause: bool) -> None:
        concerned = [depth for depth in self._known if depth.info.paused is not pause]
        if not concerned:
            complain(self, f"No queue is {'open' if pause else 'paused'}")
            return
        amount = counted(len(concerned), "queue")
        question = Question(
            title=f"{'Pause' if pause else 'Resume'} {amount}?",
            keep="Leave them open" if pause else "Leave them paused",
            act=f"{'Pause' if pause else 'Resume'} {amount}",
            names=[_describe(depth) for depth in concerned],
            note="What runs goes on; nothing else is started." if pause else "",
        )
        if await self.voice.ask(question):
            await self._set_paused([depth.info.name for depth in concerned], paused=pause)

    async def _set_paused(self, names: Sequence[str], *, paused: bool) -> None:
        await self.order(
            lambda queue: queue.queues.set_paused(names, paused),
            lambda done: (
                f"{'Paused' if paused else 'Resumed'} "
                + (f"queue {done[0]}" if len(done) == 1 else f"{len(done):,} queues")
            ),
        )

    @work(group=ACT)
    async def action_edit(self) -> None:
        depth = self.table.current
        if depth is not None:
            self._told(await self.app.push_screen_wait(QueueForm(self.session, depth.info)))

    @work(group=ACT)
    async def action_add(self) -> None:
        self._told(await self.app.push_screen_wait(QueueForm(self.session, None)))

    def _told(self, done: str | None) -> None:
        if done is not None:
            say(self, done)
            self.expect()


def _describe(depth: QueueDepth) -> str:
    info = depth.info
    return f"{info.name}  {info.pending:,} pending, {info.processing:,} running"
