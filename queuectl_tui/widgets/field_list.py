"""Names and values, one below the other; what is too long goes on below its beginning."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widgets import Static

from queuectl_tui.widgets.log_rows import wrapped

_NAMES = 16
_NARROWEST = 20
_MOST_LINES = 2000


class FieldList(Static):
    """Shows fields whose values are escaped already. A blank one is left out."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - as Textual has it
        super().__init__(id=id)
        self._fields: tuple[tuple[str, str], ...] = ()

    def show_fields(self, fields: Iterable[tuple[str, str]]) -> None:
        shown = tuple((name, value) for name, value in fields if value)
        if shown != self._fields:
            self._fields = shown
            self._compose_text()

    def on_resize(self) -> None:
        self._compose_text()

    @property
    def room(self) -> int:
        """How many cells a line of a value has."""
        return max(_NARROWEST, self.content_size.width - _NAMES)

    def _compose_text(self) -> None:
        room = self.room
        lines: list[Content] = []
        for name, value in self._fields:
            first, *rest = _wrapped(value, room)
            lines.append(Content.assemble((f"{name:<{_NAMES}}", "dim"), first))
            lines += [Content(" " * _NAMES + line) for line in rest]
        self.update(Content("\n").join(lines))


def _wrapped(value: str, room: int) -> list[str]:
    lines: list[str] = []
    for line in value.split("\n"):
        text = line.expandtabs(8)
        lines += [text[row.start : row.stop] for row in wrapped(0, text, room)]
        if len(lines) > _MOST_LINES:
            return [*lines[:_MOST_LINES], "…"]
    return lines
