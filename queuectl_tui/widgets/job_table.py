"""The table of jobs: rows come in slices from the store, marks stay on their jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from queuectl_tui.widgets.job_columns import JobColumn
from queuectl_tui.widgets.row_table import WATCHED, RowTable
from store import Job, JobState, Window

_ID_WIDTHS = (8, 18)
JobColumns = Callable[[int, Mapping[str, float]], tuple[JobColumn, ...]]


class JobTable(RowTable[Job]):
    """A window over the store's jobs, with a cursor and marks that follow ids."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark", id="jobs.mark", tooltip="Mark or unmark the job"),
        Binding("V", "mark_range", "range", id="jobs.mark_range", tooltip="Mark from here to …"),
        Binding(
            "asterisk", "mark_all", "mark all", key_display="*", id="jobs.mark_all",
            tooltip="Mark all that match the filter",
        ),
        Binding(
            "backslash", "unmark", "unmark", key_display="\\", id="jobs.unmark",
            tooltip="Remove every mark",
        ),
    ]  # fmt: skip

    class MarksChanged(Message):
        """Other jobs are marked than before, or a range was begun or ended."""

    class RangeEnded(Message):
        """All from job ``start`` to ``end`` are to be marked; ``row`` is where ``end`` was seen."""

        def __init__(self, start: str, end: str, row: int) -> None:
            super().__init__()
            self.start = start
            self.end = end
            self.row = row

    class AllWanted(Message):
        """All that match the filter are to be marked."""

    class AllMarked(Message):
        """A single mark was to be changed, but all that match are marked."""

    def __init__(self, columns: JobColumns, *, chosen: Sequence[str] = ()) -> None:
        self._id_width = _ID_WIDTHS[0]
        self._columns_for = columns
        self._chosen = tuple(chosen)
        self._progress: dict[str, float] = {}
        super().__init__(self._wanted_columns(), key=lambda job: job.id)
        self._marks: dict[str, None] = {}
        self._everything = 0
        self._anchor: str | None = None
        self._watched: Collection[str] = ()

    def choose_columns(self, names: Sequence[str]) -> None:
        """Shows the columns with these names, in their order; all if there are none."""
        self._chosen = tuple(names)
        self.set_columns(self._wanted_columns())

    @property
    def column_names(self) -> tuple[str, ...]:
        """Those there are."""
        return tuple(column.name for column in self._columns_for(self._id_width, self._progress))

    @property
    def marks(self) -> tuple[str, ...]:
        """The ids of the marked jobs."""
        return tuple(self._marks)

    @property
    def marked(self) -> int:
        """How many jobs are marked."""
        return self._everything or len(self._marks)

    @property
    def everything_marked(self) -> bool:
        """Whether all that match are marked, more than are known by id."""
        return bool(self._everything)

    def mark_everything(self, number: int) -> None:
        """All ``number`` jobs of the list are marked, as long as it is this list."""
        self._marks.clear()
        self._everything = number
        self._marks_changed()

    @property
    def in_range(self) -> bool:
        """Whether a range was begun with V and not ended yet."""
        return self._anchor is not None

    def show_window(
        self, window: Window, *, now: int, followed: str | None, vanished: Iterable[str] = ()
    ) -> None:
        """Shows a slice of the list; the jobs that ``vanished`` lose their marks."""
        self._fit_ids(window.rows)
        self.unmark(vanished)
        self.show_rows(
            window.rows,
            now=now,
            offset=window.offset,
            total=window.total,
            followed=followed,
            position=window.position,
        )

    def running_in_sight(self) -> tuple[str, ...]:
        """The ids of the running jobs in sight."""
        first, last = self.visible_range
        jobs = [self.row(index) for index in range(max(0, first - 1), last)]
        return tuple(job.id for job in jobs if job and job.state is JobState.PROCESSING)

    def show_progress(self, progress: Mapping[str, float]) -> None:
        """How far running jobs are, by id."""
        self._progress.clear()
        self._progress.update(progress)
        self.repaint()

    def show_watched(self, watched: Collection[str]) -> None:
        """Which jobs are watched; the collection is looked at whenever a row is painted."""
        self._watched = watched
        self.repaint()

    def mark(self, ids: Iterable[str]) -> None:
        self._marks.update(dict.fromkeys(ids))
        self._marks_changed()

    def unmark(self, ids: Iterable[str]) -> None:
        gone = [job_id for job_id in ids if job_id in self._marks]
        for job_id in gone:
            del self._marks[job_id]
        if gone:
            self._marks_changed()

    def marker(self, key: str) -> str:
        if key == self._anchor:
            return "V"
        if self._everything or key in self._marks:
            return "●"
        return WATCHED if key in self._watched else " "

    def _fit_ids(self, rows: Iterable[Job]) -> None:
        longest = max((len(job.id) for job in rows), default=0)
        width = max(self._id_width, min(longest, _ID_WIDTHS[1]))
        if width != self._id_width:
            self._id_width = width
            self.set_columns(self._wanted_columns())

    def _wanted_columns(self) -> tuple[JobColumn, ...]:
        known = self._columns_for(self._id_width, self._progress)
        # one that was chosen is no extra any more
        columns = {column.name: replace(column, keep=max(column.keep, 1)) for column in known}
        return tuple(columns[name] for name in self._chosen if name in columns) or known

    def _marks_changed(self) -> None:
        self.repaint()
        self.post_message(self.MarksChanged())

    def action_mark(self) -> None:
        job = self.current
        if job is None:
            return
        if self._everything:
            self.post_message(self.AllMarked())
            return
        if job.id in self._marks:
            del self._marks[job.id]
        else:
            self._marks[job.id] = None
        self._marks_changed()
        self.action_move(1)

    def action_mark_range(self) -> None:
        job = self.current
        if job is None:
            return
        if self._everything:
            self.post_message(self.AllMarked())
            return
        if self._anchor is None:
            self._anchor = job.id
        else:
            self.post_message(self.RangeEnded(self._anchor, job.id, self.cursor))
            self._anchor = None
        self._marks_changed()

    def action_mark_all(self) -> None:
        self.post_message(self.AllWanted())

    def action_unmark(self) -> None:
        self._marks.clear()
        self._everything = 0
        self._anchor = None
        self._marks_changed()
