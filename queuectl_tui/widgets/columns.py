"""Columns of a table: what a cell says, and which columns find room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from rich.cells import cell_len, set_cell_size, split_text

from queuectl_tui.text import escape

Row = TypeVar("Row")

GAP = 1
_LONGEST = 4096
"""Characters of a cell that are looked at: nobody scrolls sideways through 64 KiB."""


class Cell(NamedTuple):
    """What one cell says. ``text`` may come from outside: the table escapes it."""

    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column of ``width`` cells, or one that shares what is left if ``share`` is above 0.

    Where there is no room for all, the columns with the lowest ``keep`` go first. One with a
    ``keep`` below 0 is an extra: it comes where the others have their ``ample`` width beside it.
    ``cell`` gets the row and the time (UTC milliseconds). ``sort`` names the store's sort column.
    """

    title: str
    width: int
    cell: Callable[[Row, int], Cell]
    keep: int = 9
    share: int = 0
    right: bool = False
    sort: str | None = None
    ample: int = 0

    @property
    def name(self) -> str:
        """What a config file calls it: ``next`` for ``NEXT/DUR``."""
        return self.title.lower().partition("/")[0].replace(" ", "_")


def fitting(
    title: str, cell: Callable[[Row, int], Cell], rows: Iterable[Row], *, most: int, keep: int
) -> Column[Row]:
    """A column as wide as the longest of its cells, up to ``most``; beyond, it shares what is left.

    What its cells say must not depend on the time.
    """
    texts = [title, *(escape(cell(row, 0).text) for row in rows)]
    longest = max(map(cell_len, texts))
    return Column(title, min(longest, most), cell, keep=keep, share=int(longest > most))


@dataclass(frozen=True)
class Placed(Generic[Row]):
    """A column that found room: it covers ``width`` cells from ``x`` on."""

    column: Column[Row]
    x: int
    width: int


def place(columns: Sequence[Column[Row]], width: int, *, indent: int = 0) -> list[Placed[Row]]:
    """Lays out as many of ``columns`` as ``width`` cells can hold, the most important first."""
    kept = list(columns)
    while len(kept) > 1 and _needed(_widths(kept)) + indent > width:
        kept.remove(min(kept, key=lambda column: column.keep))
    widths = _widths(kept)
    spare = max(0, width - indent - _needed(widths))
    shares = sum(column.share for column in kept)
    placed: list[Placed[Row]] = []
    x = indent
    for column, least in zip(kept, widths, strict=True):
        extra = spare * column.share // shares if shares else 0
        placed.append(Placed(column, x, least + extra))
        x += least + extra + GAP
    return placed


def _widths(columns: Sequence[Column[Row]]) -> list[int]:
    """What each takes at least."""
    if any(column.keep < 0 for column in columns):
        return [max(column.width, column.ample) for column in columns]
    return [column.width for column in columns]


def _needed(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def cut(text: str, width: int, *, shift: int = 0, right: bool = False) -> str:
    """``text`` escaped, in exactly ``width`` cells, ``…`` where something is missing.

    ``shift`` cells are skipped at the left, for sideways scrolling.
    """
    safe = escape(text[:_LONGEST])
    if shift and safe:
        safe = "…" + _beyond(safe, shift + 1)
    length = cell_len(safe)
    if length > width:
        return set_cell_size(safe, width - 1) + "…" if width else ""
    return " " * (width - length) + safe if right else set_cell_size(safe, width)


def _beyond(text: str, cells: int) -> str:
    return split_text(text, cells)[1] if cells < cell_len(text) else ""
