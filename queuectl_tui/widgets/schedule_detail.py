"""The schedule under the cursor: its next ticks, what the last ones made, and what it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from queuectl_tui.text import (
    duration,
    escape,
    escape_lines,
    local_time,
    signal_name,
    state_with_glyph,
)
from queuectl_tui.widgets.field_list import FieldList
from store import Job, Schedule
from store.kinds import MASK


class ScheduleDetail(FieldList):
    """Blank where there is no schedule."""

    DEFAULT_CSS = """
    ScheduleDetail {
        height: auto; max-height: 60%; padding: 0 1; border-top: solid $surface-lighten-2;
    }
    """

    def show_schedule(
        self, schedule: Schedule | None, ticks: Sequence[int], jobs: Sequence[Job], now: int
    ) -> None:
        self.display = schedule is not None
        if schedule is not None:
            times = [local_time(tick, now) for tick in ticks]
            upcoming = "none while it is paused" if schedule.paused else self._in_lines(times)
            self.show_fields(_fields(schedule, upcoming, jobs, now))

    def _in_lines(self, times: Sequence[str]) -> str:
        """Several on a line, none of them broken."""
        longest = max(map(len, times), default=1) + len(", ")
        each = max(1, self.room // longest)
        lines = [times[at : at + each] for at in range(0, len(times), each)]
        return ",\n".join(", ".join(line) for line in lines)


def _fields(
    schedule: Schedule, upcoming: str, jobs: Sequence[Job], now: int
) -> Iterable[tuple[str, str]]:
    job = schedule.job
    return (
        ("next ticks", upcoming),
        ("last jobs", "\n".join(_result(each, now) for each in jobs) or "none yet"),
        ("command", escape_lines(job.line)),
        ("queue", escape(job.queue)),
        ("folder", escape(job.cwd or "")),
        ("label", escape(job.label or "")),
        ("env", " ".join(f"{escape(name)}={MASK}" for name in sorted(job.env))),
    )


def _result(job: Job, now: int) -> str:
    parts = [f"{escape(job.id)}  {state_with_glyph(job)}"]
    if job.signal is not None:
        parts.append(signal_name(job.signal))
    elif job.exit_code:
        parts.append(f"exit {job.exit_code}")
    parts.append(local_time(job.started_at or job.created_at, now))
    if job.started_at is not None and job.finished_at is not None:
        parts.append(f"took {duration((job.finished_at - job.started_at) / 1000)}")
    return "  ".join(parts)
