"""The dead letter queue: jobs whose retries are exhausted, and why."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from queuectl_tui.screens.error_groups import ErrorGroupsScreen
from queuectl_tui.screens.job_list import JobListScreen
from queuectl_tui.screens.listing import ListPicture
from queuectl_tui.screens.session import Session
from queuectl_tui.widgets.banner import Banner
from queuectl_tui.widgets.filter_bar import FilterBar
from queuectl_tui.widgets.job_columns import dead_columns, sort_titles
from queuectl_tui.widgets.job_table import JobTable
from queuectl_tui.widgets.key_hints import KeyHints
from queuectl_tui.widgets.list_title import ListTitle
from queuectl_tui.widgets.output_preview import OutputPreview
from queuectl_tui.widgets.store_header import StoreHeader
from store import JobFilter, JobState, Order, Stream

_DEAD = frozenset({JobState.DEAD})


class DeadScreen(JobListScreen):
    """Dead jobs, the latest first, with what the one under the cursor wrote last."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("E", "groups", "by error", id="dead.groups", tooltip="Group by error, with counts"),
    ]

    HINTS = (
        "jobs.retry", "jobs.retry_all", "jobs.edit", "jobs.delete", "live.leave", "app.help",
        "dead.groups", "jobs.output",
        "jobs.mark", "jobs.mark_all", "jobs.filter", "app.jobs", "app.workers", "jobs.sort",
        "jobs.copy_command",
    )  # fmt: skip

    VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall")]  # noqa: RUF012 - as Textual has it
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (150, "-wide")]  # noqa: RUF012

    list_name = "dead"
    initial_order = Order("finished", reverse=True)
    preview_first: ClassVar[Stream] = Stream.STDERR

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._cause: str | None = None

    def compose(self) -> ComposeResult:
        yield StoreHeader(self.session.place, read_only=self.session.read_only)
        yield Banner()
        yield ListTitle("Dead letter queue", sort_titles(dead_columns(8)))
        yield FilterBar()
        with Container(id="dead"):
            yield JobTable(dead_columns, chosen=self.columns)
            yield OutputPreview()
        yield KeyHints(self.HINTS)

    def on_mount(self) -> None:
        self.table.focus()

    @property
    def states(self) -> frozenset[JobState]:
        return _DEAD

    @property
    def filter(self) -> JobFilter:
        return super().filter._replace(error=self._cause)

    def show_list(self, picture: ListPicture) -> None:
        self.query_one(Banner).show_status(picture.snapshot.status)
        dead = picture.snapshot.status.counts.get(JobState.DEAD, 0)
        self.session.seen[JobState.DEAD] = dead
        if dead:
            self.table.set_empty("No dead job matches: esc clears the filter")
        else:
            self.table.set_empty(
                "Nothing is dead.", "", "A job whose retries are exhausted ends here."
            )

    def action_groups(self) -> None:
        self.app.push_screen(ErrorGroupsScreen(self.session, self.filter, self._open_group))

    def _open_group(self, error: str | None) -> None:
        self._cause = error
        self.table.forget_place()
        self.list_another()

    def leave_by_escape(self) -> None:
        """From the jobs of one error back to the errors, from all dead jobs back to the jobs."""
        if self._cause is None:
            self.action_leave()
        else:
            self._open_group(None)
            self.action_groups()
