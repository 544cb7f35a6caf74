"""Choosing the sort column."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from queuectl_tui.screens.picker import Picker
from store import SORT_COLUMNS, Order

_NAMES = {"created": "age", "run_at": "next run", "attempts": "tries", "exit": "exit code"}


class SortPicker(Picker[Order]):
    """Lists the store's sort columns. Choosing the one in use turns it round."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,s", "leave", "leave", id="sort.leave", tooltip="Leave the order"),
        Binding("j", "step(1)", "down", id="sort.down", tooltip="One down"),
        Binding("k", "step(-1)", "up", id="sort.up", tooltip="One up"),
    ]

    def __init__(self, order: Order) -> None:
        super().__init__()
        self._order = order

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog narrow"):
            yield Static(Content("Sort by"), classes="dialog-title")
            yield OptionList(*(self._option(column) for column in SORT_COLUMNS))

    def on_mount(self) -> None:
        self.query_one(OptionList).highlighted = SORT_COLUMNS.index(self._order.column)

    def _option(self, column: str) -> Option:
        arrow = ("↓" if self._order.reverse else "↑") if column == self._order.column else " "
        return Option(Content(f"{arrow} {_NAMES.get(column, column)}"), id=column)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        column = SORT_COLUMNS[event.option_index]
        same = column == self._order.column
        self.dismiss(Order(column, reverse=not self._order.reverse if same else False))
