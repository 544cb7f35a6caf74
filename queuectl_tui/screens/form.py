"""A form in front of a screen: fields, one line that explains, submit or leave."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar, TypeVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from queuectl_tui.text import escape
from queuectl_tui.widgets.form_field import FormField
from queuectl_tui.widgets.one_line import OneLine, Piece
from store import QueueError

Result = TypeVar("Result")


class Form(ModalScreen[Result | None]):
    """Dismissed with what ``submit`` returns, or None."""

    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", id="form.leave", tooltip="Leave, nothing is done"),
        Binding("ctrl+s", "submit", "submit", id="form.submit", tooltip="Submit", priority=True),
        Binding("down", "app.focus_next", "next", id="form.next", tooltip="Next field"),
        Binding("up", "app.focus_previous", "previous", id="form.previous", tooltip="Field above"),
    ]

    title_text: ClassVar[str]

    @abstractmethod
    def fields(self) -> Iterable[FormField]:
        """The fields, top to bottom."""

    @abstractmethod
    async def submit(self, values: dict[str, str]) -> Result:
        """Does it. Raises ``QueueError`` with what to show if that can't be done."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog form"):
            yield Static(Content(escape(self.title_text)), classes="dialog-title")
            with VerticalScroll(can_focus=False, classes="form-fields"):
                yield from self.fields()
            yield Static(id="form-note")
            keys = OneLine(classes="dialog-keys")
            keys.show([
                Piece("⏎ or ^s", "bold $accent"), Piece(" submit   "),
                Piece("⇥ ↑ ↓", "bold $accent"), Piece(" move   "),
                Piece("esc", "bold $accent"), Piece(" leave"),
            ])  # fmt: skip
            yield keys

    @on(FormField.Told)
    def _told(self, event: FormField.Told) -> None:
        if event.field.problem:
            self._note(event.field.problem, problem=True)
        elif event.field.has_focus_within:
            self._note(event.field.hint)

    def _note(self, text: str, *, problem: bool = False) -> None:
        note = self.query_one("#form-note", Static)
        note.set_class(problem, "-problem")
        note.update(Content(escape(text)))

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.action_submit()

    def action_leave(self) -> None:
        self.dismiss(None)

    @work(exclusive=True)
    async def action_submit(self) -> None:
        fields = list(self.query(FormField))
        wrong = next((field for field in fields if field.problem), None)
        if wrong is not None:
            wrong.input.focus()
            self._note(wrong.problem, problem=True)
            return
        values = {field.name or "": field.text for field in fields if field.text}
        self._note("One moment …")
        try:
            result = await self.submit(values)
        except (QueueError, OSError) as error:
            self._note(str(error), problem=True)
            return
        self.dismiss(result)
