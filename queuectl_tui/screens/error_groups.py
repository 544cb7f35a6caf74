"""The dead letter queue by error: how many died of what."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget

from queuectl_tui.screens.job_actions import JobActions
from queuectl_tui.screens.live import ACT
from queuectl_tui.screens.session import Session
from queuectl_tui.screens.table_screen import TableScreen, counted
from queuectl_tui.widgets.banner import Banner
from queuectl_tui.widgets.error_table import ErrorTable
from queuectl_tui.widgets.one_line import Piece
from queuectl_tui.widgets.store_header import StoreHeader
from store import ErrorGroup, JobFilter, JobState, Order, Snapshot
from workers import as_seen

if TYPE_CHECKING:
    from store.queue import Queue


@dataclass(frozen=True, slots=True)
class GroupsPicture:
    snapshot: Snapshot
    groups: tuple[ErrorGroup, ...]


class ErrorGroupsScreen(TableScreen[GroupsPicture]):
    """``wanted`` are the dead jobs that are grouped; ``open_group`` is told the error chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,E", "leave", "ungroup", id="groups.leave", tooltip="Back to single jobs"),
        Binding("r,R", "retry_all", "retry group", id="groups.retry",
                tooltip="Retry every job of the group"),
    ]  # fmt: skip

    HINTS = (
        "table.open", "groups.retry", "groups.leave", "live.leave", "app.help", "app.undo",
        "app.jobs", "app.workers",
    )  # fmt: skip

    def __init__(
        self, session: Session, wanted: JobFilter, open_group: Callable[[str], None]
    ) -> None:
        super().__init__(session)
        self._wanted = wanted._replace(error=None)
        self._open_group = open_group
        self.actions = JobActions(session, self.voice)

    def body(self) -> Iterable[Widget]:
        yield ErrorTable()

    def on_mount(self) -> None:
        self.table.set_empty("Nothing is dead.")

    @property
    def table(self) -> ErrorTable:
        return self.query_one(ErrorTable)

    def reading(self) -> Callable[[Queue], GroupsPicture]:
        wanted = self._wanted
        return lambda queue: GroupsPicture(
            as_seen(queue.snapshot(JobFilter(), Order(), offset=0, limit=0)),
            tuple(queue.error_groups(wanted)),
        )

    def show(self, picture: GroupsPicture) -> None:
        status = picture.snapshot.status
        self.query_one(StoreHeader).show_status(status)
        self.query_one(Banner).show_status(status)
        self.table.show_rows(picture.groups, now=picture.snapshot.at)
        dead = sum(group.count for group in picture.groups)
        self.show_title(
            Piece("Dead letter queue by error", "bold"),
            Piece(f"   {counted(len(picture.groups), 'error')} · {counted(dead, 'job')}"),
        )

    @on(ErrorTable.Opened)
    def _opened(self, event: ErrorTable.Opened) -> None:
        self._open_group(event.key)
        self.app.pop_screen()

    @work(group=ACT)
    async def action_retry_all(self) -> None:
        error = self.table.cursor_key
        if error is not None:
            dead = frozenset({JobState.DEAD})
            await self.actions.retry_matching(self._wanted._replace(states=dead, error=error))
            self.expect()
