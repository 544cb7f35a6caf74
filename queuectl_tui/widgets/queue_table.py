"""Queues: whether they are open, what waits and runs in them, and their limits."""

from __future__ import annotations

from collections.abc import Sequence

from queuectl_tui.queue_limits import limits_text
from queuectl_tui.text import age
from queuectl_tui.widgets.columns import Cell, Column, fitting
from queuectl_tui.widgets.named_table import NamedTable
from store import JobState, QueueDepth, QueueInfo


class QueueTable(NamedTable[QueueDepth]):
    """One row a queue, by name; its columns are as wide as what they say."""

    def __init__(self) -> None:
        super().__init__(_columns(()), key=lambda depth: depth.info.name)

    def show_all(self, rows: Sequence[QueueDepth], *, now: int) -> None:
        self.set_columns(_columns(rows))
        super().show_all(rows, now=now)


def slots_text(info: QueueInfo) -> str:
    """The slots as they are typed: ``GPU=0,1``."""
    return f"{info.slot_name}={','.join(info.slots)}" if info.slot_name else ""


def _name(depth: QueueDepth, _: int) -> Cell:
    return Cell(depth.info.name, "id")


def _state(depth: QueueDepth, _: int) -> Cell:
    return Cell("‖ PAUSED", "warn") if depth.info.paused else Cell("▷ OPEN", "good")


def _running(depth: QueueDepth, _: int) -> Cell:
    running, most = depth.info.processing, depth.info.max_running
    limits = [limit for limit in (most, len(depth.info.slots) or None) if limit is not None]
    if not limits:
        return Cell(f"{running:,}", "processing" if running else "dim")
    tone = "warn" if running >= min(limits) else "processing" if running else "dim"
    return Cell(f"{running:,}/{min(limits):,}", tone)


def _count(state: JobState, tone: str) -> Column[QueueDepth]:
    def cell(depth: QueueDepth, _: int) -> Cell:
        number = depth.counts.get(state, 0)
        return Cell(f"{number:,}", tone if number else "dim")

    keep = {JobState.PENDING: 9, JobState.FAILED: 5, JobState.BLOCKED: 4, JobState.DEAD: 6}
    return Column(state.label, max(7, len(state.label)), cell, keep=keep[state], right=True)


def _oldest(depth: QueueDepth, _: int) -> Cell:
    waited = depth.oldest_pending_seconds
    return Cell("-", "dim") if waited is None else Cell(age(waited))


def _rate(depth: QueueDepth, _: int) -> Cell:
    rate = depth.completed_per_minute
    return Cell(f"{rate:g}", "plain" if rate else "dim")


def _slots(depth: QueueDepth, _: int) -> Cell:
    return Cell(slots_text(depth.info) or "-", "plain" if depth.info.slot_name else "dim")


def _limits(depth: QueueDepth, _: int) -> Cell:
    text, stops = limits_text(depth.info), depth.info.rate_opens_at is not None
    return Cell(text or "-", "warn" if stops else "plain" if text else "dim")


_MIDDLE: tuple[Column[QueueDepth], ...] = (
    Column("STATE", 8, _state, keep=10),
    _count(JobState.PENDING, "plain"),
    Column("RUNNING", 9, _running, keep=9, right=True),
    _count(JobState.FAILED, "failed"),
    _count(JobState.BLOCKED, "blocked"),
    _count(JobState.DEAD, "dead"),
    Column("OLDEST", 6, _oldest, keep=7, right=True),
    Column("/MIN", 5, _rate, keep=3, right=True),
)


def _columns(depths: Sequence[QueueDepth]) -> tuple[Column[QueueDepth], ...]:
    name = fitting("NAME", _name, depths, most=24, keep=10)
    slots = fitting("SLOTS", _slots, depths, most=30, keep=2)
    if not any(limits_text(depth.info) for depth in depths):
        return (name, *_MIDDLE, slots)
    return (name, *_MIDDLE, fitting("LIMITS", _limits, depths, most=30, keep=8), slots)
