"""Schedules: when they tick, and what became of what the last tick made."""

from __future__ import annotations

from collections.abc import Sequence

from queuectl_tui.schedule_text import when
from queuectl_tui.widgets.columns import Cell, Column, fitting
from queuectl_tui.widgets.job_columns import state, until
from queuectl_tui.widgets.named_table import NamedTable
from store import Schedule


class ScheduleTable(NamedTable[Schedule]):
    """One row a schedule, by name; its columns are as wide as what they say."""

    def __init__(self) -> None:
        super().__init__(_columns(()), key=lambda schedule: schedule.name)

    def show_all(self, rows: Sequence[Schedule], *, now: int) -> None:
        self.set_columns(_columns(rows))
        super().show_all(rows, now=now)


def _name(schedule: Schedule, _: int) -> Cell:
    return Cell(schedule.name, "id")


def _state(schedule: Schedule, _: int) -> Cell:
    return Cell("‖ PAUSED", "warn") if schedule.paused else Cell("▷ ACTIVE", "good")


def _next(schedule: Schedule, now: int) -> Cell:
    if schedule.paused:
        return Cell("-", "dim")
    wait = schedule.next_at - now
    return Cell(f"in {until(wait)}") if wait > 0 else Cell("due", "warn")


def _when(schedule: Schedule, _: int) -> Cell:
    return Cell(when(schedule))


def _last(schedule: Schedule, _: int) -> Cell:
    return Cell(schedule.last.id if schedule.last else "-", "dim")


def _result(schedule: Schedule, now: int) -> Cell:
    return Cell("-", "dim") if schedule.last is None else state(schedule.last, now)


def _overlap(schedule: Schedule, _: int) -> Cell:
    return Cell(schedule.overlap.value, "dim")


def _catch_up(schedule: Schedule, _: int) -> Cell:
    return Cell("yes") if schedule.catch_up else Cell("no", "dim")


def _command(schedule: Schedule, _: int) -> Cell:
    return Cell(schedule.job.line)


def _columns(schedules: Sequence[Schedule]) -> tuple[Column[Schedule], ...]:
    return (
        fitting("NAME", _name, schedules, most=24, keep=10),
        Column("STATE", 8, _state, keep=10),
        Column("NEXT", 10, _next, keep=9),
        fitting("WHEN", _when, schedules, most=40, keep=7),
        fitting("LAST JOB", _last, schedules, most=18, keep=5),
        Column("RESULT", 11, _result, keep=8),
        Column("OVERLAP", 7, _overlap, keep=3),
        Column("CATCH-UP", 8, _catch_up, keep=2),
        Column("COMMAND", 16, _command, keep=4, share=2),
    )
