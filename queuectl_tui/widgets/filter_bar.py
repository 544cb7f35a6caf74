"""The line where a filter is typed; it works as you type."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from queuectl_tui.widgets.one_line import OneLine, Piece
from store import JobFilter, JobState
from store.filtering import completions, parse_filter

_HELP = "words, !word, ~regex, state: … · ⇥ completes"


_STATES = [state.label.lower() for state in JobState]


class FilterBar(Horizontal):
    """Hidden while nothing is typed in it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "clear", id="filter.clear", tooltip="Clear the filter"),
        Binding(
            "tab",
            "complete",
            "complete",
            key_display="⇥",
            id="filter.complete",
            tooltip="Complete a term or its value",
        ),
        Binding("down", "keep", "keep", id="filter.keep", tooltip="Keep it, back to the rows"),
    ]

    class Changed(Message):
        """Another filter is asked for."""

        def __init__(self, wanted: JobFilter) -> None:
            super().__init__()
            self.wanted = wanted

    class Left(Message):
        """Typing is over; the filter stays."""

    def __init__(self) -> None:
        super().__init__()
        self._wanted = JobFilter()
        self.values: Mapping[str, list[str]] = {}
        """What there is of queues and the like, for completion."""

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
        wanted, problem = parse_filter(event.value)
        self._note(problem)
        if wanted != self._wanted:
            self._wanted = wanted
            self.post_message(self.Changed(wanted))

    def action_complete(self) -> None:
        """Writes what all that may follow begins with, and names what that is."""
        box = self.query_one(Input)
        found = completions(box.value, {"state": _STATES, **self.values})
        if not found:
            return
        box.value = os.path.commonprefix(found)  # noqa: RUF071 - of characters
        box.cursor_position = len(box.value)
        if len(found) > 1:
            self._note(" ".join(each.rpartition(" ")[2] for each in found))

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
