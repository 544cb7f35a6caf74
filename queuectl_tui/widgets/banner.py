"""A line that shows only when something is wrong or missing, and what to do about it."""

from __future__ import annotations

from queuectl_tui.widgets.one_line import OneLine, Piece
from store import Status


class Banner(OneLine):
    """An error of the store comes before the want of workers."""

    def __init__(self) -> None:
        super().__init__()
        self._error = ""
        self._want = ""
        self.display = False

    def show_error(self, error: str) -> None:
        self._error = error
        self._update()

    def show_status(self, status: Status) -> None:
        """Says so when jobs wait and nobody is there to run them."""
        due = status.oldest_pending_seconds is not None
        self._want = (
            "Jobs wait and no worker is up: w starts workers"
            if (due and not status.workers_up)
            else ""
        )
        self._update()

    def _update(self) -> None:
        text, style = (self._error, "bold $error") if self._error else (self._want, "bold $warning")
        self.display = bool(text)
        self.show([Piece("▲ ", style), Piece(text, style)] if text else [])
