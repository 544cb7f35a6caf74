"""The main screen: every job, live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from queuectl_tui.screens.job_list import JobListScreen
from queuectl_tui.screens.listing import ListPicture
from queuectl_tui.screens.session import Session
from queuectl_tui.widgets.banner import Banner
from queuectl_tui.widgets.filter_bar import FilterBar
from queuectl_tui.widgets.job_columns import job_columns, sort_titles
from queuectl_tui.widgets.job_table import JobTable
from queuectl_tui.widgets.key_hints import KeyHints
from queuectl_tui.widgets.list_title import ListTitle
from queuectl_tui.widgets.output_preview import OutputPreview
from queuectl_tui.widgets.state_tabs import TABS, StateTabs
from queuectl_tui.widgets.store_header import StoreHeader
from queuectl_tui.widgets.worker_table import WorkerTable
from store import JobState


class JobsScreen(JobListScreen):
    """Jobs in any state; workers and output below where there is room."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "cancel", "cancel", id="jobs.cancel", tooltip="Cancel the marked jobs"),
        Binding(
            "H",
            "hold_job",
            "hold job",
            id="jobs.hold_job",
            tooltip="Keep waiting jobs from being started, or release them",
        ),
        Binding(
            "Z",
            "pause_job",
            "pause job",
            id="jobs.pause_job",
            tooltip="Stop running jobs where they are, or let them go on",
        ),
        Binding("q", "leave", "quit", id="live.leave", tooltip="Back; out, at the top"),
        *(
            Binding(
                str(number),
                f"state({number})",
                state.label if state else "all",
                id=f"jobs.state_{number}",
                tooltip=f"Show jobs that are {state.label}" if state else "Show all jobs",
            )
            for number, state in enumerate(TABS)
        ),
    ]

    HINTS = (
        "app.add", "jobs.retry", "jobs.cancel", "jobs.output", "live.leave", "app.help",
        "jobs.filter", "app.workers", "app.dead", "app.command_line", "jobs.mark", "jobs.sort",
        "app.start_workers", "jobs.retry_all", "jobs.edit", "jobs.delete", "jobs.copy_id",
        "live.pause", "app.palette", "app.queues", "app.schedules",
    )  # fmt: skip

    list_name = "jobs"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012 - as Textual has it
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._states: frozenset[JobState] = frozenset()

    def compose(self) -> ComposeResult:
        yield StoreHeader(self.session.place, read_only=self.session.read_only)
        yield StateTabs()
        yield Banner()
        yield ListTitle("Jobs", sort_titles(job_columns(8)))
        yield FilterBar()
        yield JobTable(job_columns, chosen=self.columns)
        with Horizontal(id="below"):
            yield WorkerTable(brief=True)
            yield OutputPreview()
        yield KeyHints(self.HINTS)

    def on_mount(self) -> None:
        self.table.focus()

    @property
    def states(self) -> frozenset[JobState]:
        return self._states

    def show_list(self, picture: ListPicture) -> None:
        snapshot = picture.snapshot
        self._notice_counts(snapshot.status.counts)
        self.query_one(Banner).show_status(snapshot.status)
        strip = self.query_one(WorkerTable)
        strip.set_empty("No worker is up: w starts some")
        strip.show_rows(snapshot.workers, now=snapshot.at)
        if any(snapshot.status.counts.values()):
            self.table.set_empty("No job matches: 0 shows all, esc clears the filter")
        else:
            self.table.set_empty(
                "No jobs yet.",
                "",
                "a  adds one here",
                "queuectl-tui enqueue 'make test'  adds one from a shell",
                "w  starts workers to run it",
            )

    def _notice_counts(self, counts: Mapping[JobState, int]) -> None:
        """Shows the counts; those of the states that are listed by name are seen with it."""
        seen = self.session.seen
        for state, count in counts.items():
            if state not in seen or state in self.filter.states:
                seen[state] = count
        self.query_one(StateTabs).show_counts(counts, self.filter.states, seen)

    def action_state(self, number: int) -> None:
        state = TABS[number]
        self._states = frozenset() if state is None else frozenset({state})
        self.query_one(StateTabs).show_counts(self.query_one(StateTabs).counts, self.filter.states)
        self.list_another(hold=True)

    def list_queue(self, name: str) -> None:
        """Lists the jobs of one queue, in any state."""
        self.action_state(0)
        self.set_filter(f"queue:{name}")

    def action_cancel(self) -> None:
        self.act(self.actions.cancel)

    def action_hold_job(self) -> None:
        self.act(self.actions.hold_or_release)

    def action_pause_job(self) -> None:
        self.act(self.actions.pause_or_resume)

    def leave_by_escape(self) -> None:
        if self._states:
            self.action_state(0)

    def action_leave(self) -> None:
        self.app.exit()
