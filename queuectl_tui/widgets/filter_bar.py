"""The line where a filter is typed; it works as you type."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from queuectl_tui.widgets.filter_terms import Terms, parse_terms
from queuectl_tui.widgets.one_line import OneLine, Piece

_HELP = "state: queue: exit: · esc clears"


class FilterBar(Horizontal):
    """Hidden while nothing is typed in it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "clear", id="filter.clear", tooltip="Clear the filter"),
        Binding("down", "keep", "keep", id="filter.keep", tooltip="Keep it, back to the rows"),
    ]

    class Changed(Message):
        """Another filter is asked for."""

        def __init__(self, terms: Terms) -> None:
            super().__init__()
            self.terms = terms

    class Left(Message):
        """Typing is over; the filter stays."""

    def __init__(self) -> None:
        super().__init__()
        self._terms = Terms()

    @property
    def line(self) -> str:
        return self.query_one(Input).value

    def compose(self) -> ComposeResult:
        yield OneLine(classes="filter-sign")
        box = Input(compact=True, select_on_focus=False)
        box.cursor_blink = False
        yield box
        yield OneLine(classes="filter-note")

    def on_mount(self) -> None:
        self.query_one(".filter-sign", OneLine).show([Piece("/", "bold $accent")])
        self.display = False

    def open(self) -> None:
        self.display = True
        self.query_one(Input).focus()
        self._note()

    def put(self, line: str) -> None:
        """Filters by ``line``, and leaves the keys where they are."""
        self.query_one(Input).value = line
        self.display = bool(line.strip())

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        terms = parse_terms(event.value)
        self._note(terms.problem)
        if terms != self._terms:
            self._terms = terms
            self.post_message(self.Changed(terms))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_keep()

    def action_keep(self) -> None:
        self.display = bool(self.line.strip())
        self.post_message(self.Left())

    def action_clear(self) -> None:
        self.query_one(Input).value = ""
        self.display = False
        self.post_message(self.Left())

    def _note(self, problem: str = "") -> None:
        note = Piece(problem, "$error") if problem else Piece(_HELP, "dim")
        self.query_one(".filter-note", OneLine).show([note])
