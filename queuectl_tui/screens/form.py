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

from queuectl_tui.memory import Memory
from queuectl_tui.text import escape
from queuectl_tui.widgets.form_field import FormField
from queuectl_tui.widgets.one_line import OneLine, Piece
from store import QueueError

Result = TypeVar("Result")


class Form(ModalScreen[Result | None]):
    """Dismissed with what ``submit`` returns, or None."""

    AUTO_FOCUS = "Input"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-tall")]  # noqa: RUF012 - as Textual has it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", id="form.leave", tooltip="Leave, nothing is done"),
        Binding("ctrl+s", "submit", "submit", id="form.submit", tooltip="Submit", priority=True),
        Binding("tab", "app.focus_next", "next", key_display="⇥", id="form.next",
                tooltip="Next field"),
        Binding("shift+tab", "app.focus_previous", "previous", key_display="⇧⇥",
                id="form.previous", tooltip="Field above"),
    ]  # fmt: skip

    title_text: ClassVar[str]

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self._memory = memory

    @abstractmethod
    def fields(self) -> Iterable[FormField]:
        """The fields, top to bottom."""

    @abstractmethod
    async def submit(self, values: dict[str, str]) -> Result:
        """Does it. Raises ``QueueError`` with what to show if that can't be done."""

    def changes(self) -> dict[str, str]:
        """The text of the fields in which there is another than at first."""
        return {field.name or "": field.text for field in self.query(FormField) if field.changed}

    def explain(self, field: FormField) -> str:
        """What to say about a field that is right so far."""
        return field.hint

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog form"):
            yield Static(Content(escape(self.title_text)), classes="dialog-title")
            with VerticalScroll(can_focus=False, classes="form-fields"):
                for field in self.fields():
                    field.earlier = self._memory.typed(field.name or "")
                    yield field
            yield Static(id="form-note")
            keys = OneLine(classes="dialog-keys")
            keys.show(self.keys())
            yield keys

    def keys(self) -> list[Piece]:
        """What the bottom line says about the keys."""
        return [
            Piece("⏎", "bold $accent"), Piece(" save   "),
            Piece("⇥", "bold $accent"), Piece(" next   "),
            Piece("↑↓", "bold $accent"), Piece(" earlier values   "),
            Piece("esc", "bold $accent"), Piece(" leave"),
        ]  # fmt: skip

    @on(FormField.Told)
    def _told(self, event: FormField.Told) -> None:
        if event.field.problem:
            self._note(event.field.problem, problem=True)
        elif event.field.has_focus_within:
            self._note(self.explain(event.field))

    def _note(self, text: str, *, problem: bool = False) -> None:
        note = self.query_one("#form-note", Static)
        note.set_class(problem, "-problem")
        note.update(Content(escape(text)))

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.action_submit()

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_submit(self) -> None:
        self._submit()

    @work(exclusive=True)
    async def _submit(self) -> None:
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
        for name, text in values.items():
            self._memory.add_typed(name, text)
        self.dismiss(result)
