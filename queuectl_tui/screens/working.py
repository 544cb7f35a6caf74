"""What is shown while something takes longer than a moment: how far it is, and how to stop it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

_A_MOMENT = 0.5
_REFRESH = 0.25


@dataclass(slots=True)
class Progress:
    """``done`` of ``total`` are done; without a total it is one step, which can't be stopped."""

    title: str
    total: int = 0
    done: int = 0
    stopped: bool = False


class Working(ModalScreen[None]):
    """Takes no key but the one that stops."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "stop", id="working.stop", tooltip="Stop after this step"),
    ]

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._is_over = False
        self.seen_at: float | None = None
        """When it was on the screen (``time.monotonic``)."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content(self._progress.title), classes="dialog-title")
            yield Static(Content(""), classes="dialog-note")

    def on_mount(self) -> None:
        self._tell()
        self.set_interval(_REFRESH, self._tell)
        self.call_after_refresh(self._seen)

    def _seen(self) -> None:
        self.seen_at = time.monotonic()

    def _tell(self) -> None:
        progress = self._progress
        if not progress.total:
            note = "Waiting for the store …"
        elif progress.stopped:
            note = f"{progress.done:,} of {progress.total:,} · stops after this step"
        else:
            note = f"{progress.done:,} of {progress.total:,} · esc stops after this step"
        self.query_one(".dialog-note", Static).update(Content(note))

    def on_screen_resume(self) -> None:
        if self._is_over:
            self.dismiss()

    def end(self) -> None:
        """To be called when what it tells of is over."""
        self._is_over = True
        if self.is_current:
            self.dismiss()

    def action_stop(self) -> None:
        self._progress.stopped = bool(self._progress.total)
        self._tell()


@contextmanager
def working(app: App[Any], progress: Progress) -> Iterator[None]:
    """Shows the progress once what is done inside has taken longer than a moment."""
    shown = Working(progress)
    timer = app.set_timer(_A_MOMENT, lambda: app.push_screen(shown))
    try:
        yield
    finally:
        timer.stop()
        shown.end()
