"""The history of a job: one row an attempt."""

from __future__ import annotations

from queuectl_tui.text import duration, local_time, signal_name, size
from queuectl_tui.widgets.columns import Cell, Column
from queuectl_tui.widgets.row_table import RowTable
from store import Attempt, AttemptState

_STATES = {
    AttemptState.RUNNING: Cell("▶ running", "processing"),
    AttemptState.COMPLETED: Cell("✓ completed", "completed"),
    AttemptState.FAILED: Cell("✗ failed", "dead"),
    AttemptState.TIMED_OUT: Cell("◷ timed out", "dead"),
    AttemptState.CANCELLED: Cell("⊘ cancelled", "cancelled"),
    AttemptState.RELEASED: Cell("↺ released", "dim"),
    AttemptState.LOST: Cell("? lost", "warn"),
}


class AttemptTable(RowTable[Attempt]):
    """Its keys are the attempts' numbers."""

    def __init__(self) -> None:
        super().__init__(_COLUMNS, key=lambda attempt: str(attempt.number))
        self.id = "attempts"


def _number(attempt: Attempt, _: int) -> Cell:
    return Cell(str(attempt.number), "id")


def _state(attempt: Attempt, _: int) -> Cell:
    return _STATES[attempt.state]


def _started(attempt: Attempt, now: int) -> Cell:
    without_year = local_time(attempt.started_at, now)[-11:]
    return Cell(without_year)


def _took(attempt: Attempt, now: int) -> Cell:
    if attempt.finished_at is None:
        return Cell(duration(max(0, now - attempt.started_at) // 1000), "strong")
    return Cell(duration((attempt.finished_at - attempt.started_at) / 1000))


def _exit(attempt: Attempt, _: int) -> Cell:
    if attempt.signal is not None:
        return Cell(signal_name(attempt.signal), "bad")
    if attempt.exit_code is None:
        return Cell("-", "dim")
    return Cell(str(attempt.exit_code), "bad" if attempt.exit_code else "dim")


def _cpu(attempt: Attempt, _: int) -> Cell:
    return Cell("-" if attempt.cpu_seconds is None else duration(attempt.cpu_seconds))


def _memory(attempt: Attempt, _: int) -> Cell:
    return Cell("-" if attempt.max_rss_bytes is None else size(attempt.max_rss_bytes))


def _written(attempt: Attempt, _: int) -> Cell:
    if attempt.stdout_bytes is None and attempt.stderr_bytes is None:
        return Cell("-", "dim")
    return Cell(size((attempt.stdout_bytes or 0) + (attempt.stderr_bytes or 0)))


def _worker(attempt: Attempt, _: int) -> Cell:
    return Cell(attempt.worker, "dim")


def _error(attempt: Attempt, _: int) -> Cell:
    return Cell(attempt.error or "")


_COLUMNS: tuple[Column[Attempt], ...] = (
    Column("#", 3, _number, keep=10, right=True),
    Column("STATE", 11, _state, keep=9),
    Column("STARTED", 11, _started, keep=7),
    Column("TOOK", 6, _took, keep=8, right=True),
    Column("EXIT", 7, _exit, keep=8, right=True),
    Column("CPU", 6, _cpu, keep=4, right=True),
    Column("MEM", 8, _memory, keep=5, right=True),
    Column("OUTPUT", 8, _written, keep=6, right=True),
    Column("WORKER", 8, _worker, keep=2),
    Column("ERROR", 12, _error, keep=3, share=1),
)
