"""The line where one types what to search a log for."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from queuectl_tui.widgets.one_line import OneLine, Piece


class SearchBar(Horizontal):
    """Hidden while nothing is searched for."""

    DEFAULT_CSS = """
    SearchBar { height: 1; background: $background; }
    SearchBar Input { width: 1fr; height: 1; border: none; padding: 0; background: $background; }
    SearchBar .search-sign { width: 2; padding: 0 0 0 1; }
    SearchBar .search-note { width: 34; padding: 0 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "clear", id="log.search_clear", tooltip="Search no more"),
        Binding("down", "keep", "keep", id="log.search_keep", tooltip="Back to the lines"),
    ]

    class Changed(Message):
        """Another text is searched for; none if it is blank."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """Typing is over."""

    def compose(self) -> ComposeResult:
        yield OneLine(classes="search-sign")
        box = Input(compact=True, select_on_focus=False)
        box.cursor_blink = False
        yield box
        yield OneLine(classes="search-note")

    def on_mount(self) -> None:
        self.query_one(".search-sign", OneLine).show([Piece("/", "bold $accent")])
        self.display = False

    def open(self) -> None:
        self.display = True
        self.query_one(Input).focus()

    def note(self, text: str, style: str = "dim") -> None:
        self.query_one(".search-note", OneLine).show([Piece(text, style)])

    def clear(self) -> None:
        self.query_one(Input).value = ""
        self.display = False

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_keep()

    def action_keep(self) -> None:
        self.display = bool(self.query_one(Input).value)
        self.post_message(self.Left())

    def action_clear(self) -> None:
        self.clear()
        self.post_message(self.Left())
