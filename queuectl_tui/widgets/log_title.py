"""The line under a log: which output it is, and where in it one is."""

from __future__ import annotations

from collections.abc import Mapping

from queuectl_tui.text import size
from queuectl_tui.widgets.one_line import OneLine, Part, Piece, fit
from queuectl_tui.widgets.output_lines import LogPage
from store import Stream


class LogTitle(OneLine):
    """Says when lines came that the reader hasn't seen."""

    def show_log(
        self,
        *,
        number: int | None,
        stream: Stream,
        written: Mapping[Stream, int],
        page: LogPage,
        following: bool,
        new_lines: int,
    ) -> None:
        if number is None:
            self.show([])
            return
        parts = [Part(5, (Piece(f"attempt {number}"),))]
        for each in Stream:
            text = f"{each.value} {size(written.get(each, 0))}"
            parts.append(Part(6, (Piece(text, "bold" if each is stream else "dim"),)))
        parts.append(Part(4, (Piece(f"{page.total:,} line{'s' * (page.total != 1)}"),)))
        if not page.complete:
            percent = 100 * page.indexed // page.size
            parts.append(Part(7, (Piece(f"reading {percent}%", "$warning"),)))
        if following:
            parts.append(Part(7, (Piece("following", "$success"),)))
        elif new_lines > 0:
            parts.append(Part(8, (Piece(f"{new_lines:,} new lines – G", "bold $accent"),)))
        self.show(fit(parts, self.size.width - 2, gap=" · "))
