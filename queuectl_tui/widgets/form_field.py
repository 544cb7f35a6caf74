"""A line of a form: a name, an input, and a mark once what is typed can't be right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.strip import Strip
from textual.widgets import Input

from queuectl_tui.memory import Recall
from queuectl_tui.text import stand_in
from queuectl_tui.widgets.one_line import OneLine, Piece
from store import InvalidInput


class PlainInput(Input):
    """Shows a stand-in for each character that could act on the terminal; the value keeps it."""

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        segments = [Segment(stand_in(text), style) for text, style, _ in strip]
        return Strip(segments).adjust_cell_length(strip.cell_length)


class FormField(Horizontal):
    """``check`` raises ``InvalidInput`` for what can't be right; a blank field isn't checked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "recall(-1)", "earlier", id="form.earlier",
                tooltip="What was typed here before"),
        Binding("down", "recall(1)", "later", id="form.later",
                tooltip="Back to what was typed last"),
    ]  # fmt: skip

    @dataclass
    class Told(Message):
        """What to say about the field that has the focus: its hint, or its problem."""

        field: FormField

    def __init__(
        self, name: str, label: str, *, hint: str, check: Callable[[str], object], value: str = ""
    ) -> None:
        super().__init__(name=name, classes="form-field")
        self._label = label
        self._check = check
        self._value = value
        self.hint = hint
        self.problem = ""
        self.earlier: Sequence[str] = ()
        self._recall: Recall | None = None

    @property
    def input(self) -> Input:
        return self.query_one(Input)

    @property
    def text(self) -> str:
        return self.input.value.strip()

    @property
    def changed(self) -> bool:
        """Whether there is other text in it than at first."""
        return self.text != self._value.strip()

    def compose(self) -> ComposeResult:
        yield OneLine(classes="form-label")
        box = PlainInput(self._value, compact=True, select_on_focus=False)
        box.cursor_blink = False
        yield box
        yield OneLine(classes="form-mark")

    def on_mount(self) -> None:
        self.query_one(".form-label", OneLine).show([Piece(self._label)])

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.set_problem(self._problem_with(self.text))

    def set_problem(self, problem: str) -> None:
        self.problem = problem
        glyph, style = ("✗", "bold $error") if problem else ("✓" if self.text else " ", "$success")
        self.query_one(".form-mark", OneLine).show([Piece(glyph, style)])
        self.post_message(self.Told(self))

    def _problem_with(self, text: str) -> str:
        if not text:
            return ""
        try:
            self._check(text)
        except InvalidInput as error:
            return str(error)
        return ""

    def action_recall(self, steps: int) -> None:
        if self._recall is None:
            self._recall = Recall(self.earlier)
        self.input.value = self._recall.step(self.input.value, steps)
        self.input.cursor_position = len(self.input.value)

    def on_descendant_focus(self) -> None:
        self.post_message(self.Told(self))
