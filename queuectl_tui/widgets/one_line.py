"""A line of text that is painted again only when it says something else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from rich.cells import cell_len
from textual.content import Content
from textual.geometry import Region
from textual.style import Style
from textual.widget import Widget

from queuectl_tui.text import escape

_CLOSE = 6
"""Cells between two changes that cost less to send than another beginning."""

_SLACK = 4


class Piece(NamedTuple):
    """A stretch of a line. ``text`` may come from outside; ``action`` is what a click does."""

    text: str
    style: str = ""
    action: str | None = None


class Part(NamedTuple):
    """Pieces that are shown together or not at all; those with the lowest ``keep`` go first."""

    keep: int
    pieces: tuple[Piece, ...]


class OneLine(Widget):
    """One line of pieces. Never takes focus."""

    can_focus = False

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._pieces: tuple[Piece, ...] = ()

    @property
    def plain(self) -> str:
        """What the line says, without its style."""
        return "".join(escape(piece.text) for piece in self._pieces)

    def show(self, pieces: Iterable[Piece]) -> None:
        old, self._pieces = self._pieces, tuple(pieces)
        stretches = changed_stretches(old, self._pieces)
        if stretches:
            self.refresh(*(Region(start, 0, end - start, 1) for start, end in stretches))

    def render(self) -> Content:
        return Content.assemble(*(_styled(piece) for piece in self._pieces))


def _styled(piece: Piece) -> Content:
    content = Content.styled(escape(piece.text), piece.style)
    if piece.action is None:
        return content
    return content.stylize(Style.from_meta({"@click": piece.action}))


def changed_stretches(old: Sequence[Piece], new: Sequence[Piece]) -> list[tuple[int, int]]:
    """From which cell to which the lines differ; what lies close together is one stretch."""
    stretches: list[tuple[int, int]] = []
    pairs = zip_longest(_cells(old), _cells(new))
    for at, _ in (found for found in enumerate(pairs) if found[1][0] != found[1][1]):
        if stretches and at - stretches[-1][1] < _CLOSE:
            stretches[-1] = (stretches[-1][0], at + 1)
        else:
            stretches.append((at, at + 1))
    return stretches


def _cells(pieces: Iterable[Piece]) -> Iterator[tuple[str, str, str | None]]:
    """What each cell shows; a wide character's second one changes with the first."""
    for piece in pieces:
        for char in escape(piece.text):
            yield char, piece.style, piece.action
            if cell_len(char) == 2:
                yield f"{char}_", piece.style, piece.action


def measure(pieces: Sequence[Piece]) -> int:
    """How many cells ``pieces`` take."""
    return sum(cell_len(escape(piece.text)) for piece in pieces)


def steady(room: int, needed: int) -> int:
    """How much room of ``room`` to keep for what needs ``needed`` cells now, so that a digit more
    or less moves nothing beside it."""
    return room if room - _SLACK <= needed <= room else needed


def fit(parts: Sequence[Part], width: int, *, gap: str = "   ") -> list[Piece]:
    """As many of ``parts`` as find room in ``width`` cells, in order, ``gap`` between them."""
    kept = list(parts)
    while len(kept) > 1 and _width(kept, gap) > width:
        kept.remove(min(kept, key=lambda part: part.keep))
    pieces: list[Piece] = []
    for part in kept:
        if pieces:
            pieces.append(Piece(gap))
        pieces += part.pieces
    return pieces


def _width(parts: Sequence[Part], gap: str) -> int:
    return sum(measure(part.pieces) for part in parts) + len(gap) * (len(parts) - 1)
