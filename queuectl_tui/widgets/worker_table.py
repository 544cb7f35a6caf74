"""Supervisors and their workers."""

from __future__ import annotations

import os
from functools import cache

from queuectl_tui.text import PAUSED_GLYPH, age, size
from queuectl_tui.widgets.columns import Cell, Column
from queuectl_tui.widgets.row_table import RowTable
from store import Worker, WorkerKind, WorkerState

_BAR = 7
_EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_LATE = 12.5
"""Seconds without a heartbeat after which it is worth a glance: a worker beats every five, and its
supervisor writes that down as often."""

_STATES = {
    WorkerState.IDLE: Cell("○ IDLE", "dim"),
    WorkerState.BUSY: Cell("● BUSY", "processing"),
    WorkerState.DRAINING: Cell("▽ DRAINING", "warn"),
    WorkerState.PAUSED: Cell(f"{PAUSED_GLYPH} PAUSED", "warn"),
    WorkerState.STALE: Cell("▲ STALE", "bad"),
}


class WorkerTable(RowTable[Worker]):
    """All columns, or with ``brief`` those that a strip under the jobs has room for."""

    def __init__(self, *, brief: bool = False) -> None:
        super().__init__(_BRIEF if brief else _FULL, key=lambda worker: worker.id)
        self.can_focus = not brief


def _name(worker: Worker, _: int) -> Cell:
    if worker.kind is WorkerKind.SUPERVISOR:
        return Cell(f"{worker.pool} ({worker.id})", "strong")
    return Cell(f"└ {worker.id}", "id")


def _pid(worker: Worker, _: int) -> Cell:
    return Cell(str(worker.pid), "dim")


def _state(worker: Worker, _: int) -> Cell:
    if worker.kind is WorkerKind.SUPERVISOR and worker.state is WorkerState.IDLE:
        return Cell("○ UP", "good")
    return _STATES[worker.state]


def _job(worker: Worker, _: int) -> Cell:
    if worker.kind is WorkerKind.SUPERVISOR:
        return Cell(f"keeps {worker.count}", "dim")
    if worker.job is None:
        return Cell("-", "dim")
    return (
        Cell(f"{PAUSED_GLYPH} {worker.job}", "warn")
        if worker.is_job_paused
        else Cell(worker.job, "strong")
    )


def _cpu(worker: Worker, _: int) -> Cell:
    return Cell("-" if worker.cpu_percent is None else f"{worker.cpu_percent:.0f}")


def _memory(worker: Worker, _: int) -> Cell:
    return Cell("-" if worker.rss_bytes is None else size(worker.rss_bytes))


def _cpu_bar(worker: Worker, _: int) -> Cell:
    return Cell(bar((worker.cpu_percent or 0) / 100, _BAR), "processing")


def _memory_bar(worker: Worker, _: int) -> Cell:
    return Cell(bar((worker.rss_bytes or 0) / _machine_memory(), _BAR), "processing")


@cache
def _machine_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def bar(fraction: float, cells: int) -> str:
    """A bar of at most ``cells``, by eighths."""
    eighths = round(max(0.0, min(1.0, fraction)) * cells * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8]


def _done(worker: Worker, _: int) -> Cell:
    return Cell(str(worker.done))


def _failed(worker: Worker, _: int) -> Cell:
    return Cell(str(worker.failed), "bad" if worker.failed else "dim")


def _up(worker: Worker, now: int) -> Cell:
    return Cell(age((now - worker.started_at) / 1000), "dim")


def _beat(worker: Worker, _: int) -> Cell:
    """The age of the heartbeat, only when it is late: a quiet screen sends nothing."""
    if worker.heartbeat_age < _LATE:
        return Cell("ok", "dim")
    return Cell(age(worker.heartbeat_age), "bad" if worker.state is WorkerState.STALE else "warn")


def _queues(worker: Worker, _: int) -> Cell:
    return Cell(", ".join(worker.queues) or "all queues", "dim")


_FULL: tuple[Column[Worker], ...] = (
    Column("NAME", 16, _name, keep=10),
    Column("PID", 7, _pid, keep=4),
    Column("STATE", 10, _state, keep=9),
    Column("JOB", 12, _job, keep=8, share=2),
    Column("CPU%", 5, _cpu, keep=6, right=True),
    Column("", _BAR, _cpu_bar, keep=0),
    Column("MEM", 8, _memory, keep=5, right=True),
    Column("", _BAR, _memory_bar, keep=0),
    Column("DONE", 6, _done, keep=7, right=True),
    Column("FAILED", 6, _failed, keep=7, right=True),
    Column("UP", 6, _up, keep=2, right=True),
    Column("BEAT", 5, _beat, keep=3, right=True),
    Column("QUEUES", 10, _queues, keep=1, share=1),
)
_BRIEF: tuple[Column[Worker], ...] = (
    Column("WORKER", 14, _name, keep=10),
    Column("STATE", 10, _state, keep=9),
    Column("JOB", 10, _job, keep=8, share=1),
    Column("CPU%", 5, _cpu, keep=6, right=True),
    Column("MEM", 9, _memory, keep=5, right=True),
    Column("BEAT", 5, _beat, keep=3, right=True),
)
