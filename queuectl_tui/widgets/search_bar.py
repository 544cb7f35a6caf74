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

    def __init__(self) -> None:
        super().__init__()
        self._box = Input(compact=True, select_on_focus=False)
        self._box.cursor_blink = False
        self._note = OneLine(classes="search-note")

    def compose(self) -> ComposeResult:
        sign = OneLine(classes="search-sign")
        sign.show([Piece("/", "bold $accent")])
        yield sign
        yield self._box
        yield self._note

    def on_mount(self) -> None:
        self.display = False

    def open(self) -> None:
        self.display = True
        self._box.focus()

    def note(self, text: str, style: str = "dim") -> None:
        self._note.show([Piece(text, style)])

    def clear(self) -> None:
        self._box.value = ""
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
        self.display = bool(self._box.value)
        self.post_message(self.Left())

    def action_clear(self) -> None:
        self.clear()
        self.post_message(self.Left())
