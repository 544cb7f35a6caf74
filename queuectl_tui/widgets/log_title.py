"""The line under a log: which output it is, and where in it one is."""

from __future__ import annotations

from collections.abc import Mapping

from queuectl_tui.text import size
from queuectl_tui.widgets.log_view import LogView
from queuectl_tui.widgets.one_line import OneLine, Part, Piece, fit
from store import Stream


class LogTitle(OneLine):
    """Says when lines came that the reader hasn't seen."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[Part] = []

    def on_resize(self) -> None:
        self._compose_line()

    def show_nothing(self) -> None:
        self._parts = []
        self._compose_line()

    def show_log(
        self,
        *,
        number: int,
        stream: Stream,
        written: Mapping[Stream, int],
        lines: int,
        indexed: int,
        view: LogView,
        live: bool,
    ) -> None:
        """``lines`` is how many there are in the first ``indexed`` bytes; more come to a ``live``
        one."""
        parts = [Part(5, (Piece(f"attempt {number}"),))]
        for each in Stream:
            text = f"{each.value} {size(written.get(each, 0))}"
            parts.append(Part(6, (Piece(text, "bold" if each is stream else "dim"),)))
        parts.append(Part(4, (_counted(view, lines, indexed),)))
        if view.wrap:
            parts.append(Part(2, (Piece("wrapped", "dim"),)))
        if view.following:
            parts.append(
                Part(7, (Piece("following", "$success") if live else Piece("end", "dim"),))
            )
        elif view.new_lines > 0:
            new = f"{view.new_lines:,} new line{'s' * (view.new_lines != 1)} – G"
            parts.append(Part(8, (Piece(new, "bold $accent"),)))
        self._parts = parts
        self._compose_line()

    def _compose_line(self) -> None:
        self.show(fit(self._parts, self.size.width - 2, gap=" · "))


def _counted(view: LogView, lines: int, indexed: int) -> Piece:
    page, top = view.page, view.top_line
    if indexed < page.size:
        return Piece(f"counting lines {100 * indexed // page.size}%", "$warning")
    total = f"{lines:,} line{'s' * (lines != 1)}"
    if view.following or top is None:
        return Piece(total)
    percent = 100 * top.start // max(1, page.size)
    at = f"{percent}%" if view.top_number is None else f"line {view.top_number:,}"
    return Piece(f"{at} of {total}")
