"""Dead jobs by what killed them."""

from __future__ import annotations

from queuectl_tui.widgets.columns import Cell, Column
from queuectl_tui.widgets.row_table import RowTable
from store import ErrorGroup


class ErrorTable(RowTable[ErrorGroup]):
    """One row an error, the most frequent first."""

    def __init__(self) -> None:
        super().__init__(_COLUMNS, key=lambda group: group.error)


def _count(group: ErrorGroup, _: int) -> Cell:
    return Cell(f"{group.count:,}", "strong")


def _error(group: ErrorGroup, _: int) -> Cell:
    return Cell(group.error, "dead") if group.error else Cell("(none was recorded)", "dim")


def _example(group: ErrorGroup, _: int) -> Cell:
    return Cell(group.example, "id")


_COLUMNS: tuple[Column[ErrorGroup], ...] = (
    Column("JOBS", 9, _count, keep=9, right=True),
    Column("LAST ERROR", 20, _error, keep=10, share=1),
    Column("SUCH AS", 16, _example, keep=5),
)
