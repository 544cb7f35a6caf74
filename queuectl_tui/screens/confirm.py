"""The question before something is destroyed. Its safe answer has the focus."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from queuectl_tui.text import escape

_NAMED = 200


@dataclass(frozen=True, slots=True)
class Question:
    """``keep`` says what stays as it is, ``act`` what happens.

    ``names`` are those concerned, and ``more`` that many others.
    """

    title: str
    keep: str
    act: str
    names: Sequence[str] = ()
    note: str = ""
    more: int = 0


class Confirm(ModalScreen[bool]):
    """Asks; True is the answer that changes something."""

    AUTO_FOCUS = "#keep"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n,q", "keep", "keep", id="confirm.keep", tooltip="Change nothing"),
        Binding("y", "act", "do it", id="confirm.act", tooltip="Go ahead"),
        Binding("left,right,h,l", "other", "other", id="confirm.other", tooltip="The other answer"),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question
        self.seen_at: float | None = None
        """When it was on the screen (``time.monotonic``)."""

    def compose(self) -> ComposeResult:
        question = self._question
        with Vertical(classes="dialog"):
            yield Static(Content(escape(question.title)), classes="dialog-title")
            if question.names:
                with VerticalScroll(classes="dialog-names", can_focus=False):
                    yield Static(Content("\n".join(_listed(question.names, question.more))))
            if question.note:
                yield Static(Content(escape(question.note)), classes="dialog-note")
            with Horizontal(classes="dialog-buttons"):
                yield Button(Content(f"{escape(question.keep)}"), id="keep", variant="primary")
                yield Button(Content(f"{escape(question.act)}"), id="act", variant="error")
            yield Static(Content("esc keeps · y does it · ⇥ switches"), classes="dialog-keys")

    def on_mount(self) -> None:
        self.call_after_refresh(self._seen)

    def _seen(self) -> None:
        self.seen_at = time.monotonic()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "act")

    def action_keep(self) -> None:
        self.dismiss(False)

    def action_act(self) -> None:
        self.dismiss(True)

    def action_other(self) -> None:
        self.focus_next(Button)


def _listed(names: Sequence[str], more: int) -> list[str]:
    lines = [f"• {escape(name)}" for name in names[:_NAMED]]
    further = max(0, len(names) - _NAMED) + more
    if further:
        lines.append(f"… and {further:,} more")
    return lines
