"""A table of few rows, all of them held, that can be marked: queues, schedules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from queuectl_tui.widgets.columns import Column, Row
from queuectl_tui.widgets.row_table import RowTable


class NamedTable(RowTable[Row]):
    """Marks follow the rows' names; what vanishes is unmarked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark", id="marks.mark", tooltip="Mark or unmark the row"),
        Binding("asterisk", "mark_all", "mark all", key_display="*", id="marks.all",
                tooltip="Mark every row"),
        Binding("backslash", "unmark", "unmark", key_display="\\", id="marks.none",
                tooltip="Remove every mark"),
    ]  # fmt: skip

    class MarksChanged(Message):
        """Other rows are marked than before."""

    def __init__(self, columns: Sequence[Column[Row]], *, key: Callable[[Row], str]) -> None:
        super().__init__(columns, key=key)
        self._marks: set[str] = set()
        self._keyd: Sequence[Row] = ()

    def show_all(self, rows: Sequence[Row], *, now: int) -> None:
        """Shows ``rows``, all there are."""
        self._keyd = rows
        self._marks &= set(map(self._key, rows))
        self.show_rows(rows, now=now, followed=self.cursor_key)

    @property
    def marked(self) -> int:
        return len(self._marks)

    @property
    def chosen(self) -> list[Row]:
        """The marked rows, or the one under the cursor."""
        if self._marks:
            return [row for row in self._keyd if self._key(row) in self._marks]
        return [] if self.current is None else [self.current]

    def marker(self, key: str) -> str:
        return "●" if key in self._marks else " "

    def action_mark(self) -> None:
        if self.cursor_key is not None:
            self._mark(self._marks ^ {self.cursor_key})
            self.action_move(1)

    def action_mark_all(self) -> None:
        self._mark(set(map(self._key, self._keyd)))

    def action_unmark(self) -> None:
        self._mark(set())

    def _mark(self, names: set[str]) -> None:
        self._marks = names
        self.repaint()
        self.post_message(self.MarksChanged())
