"""Random frames, as hostile as a screen may get, and a terminal to show them on."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import pyte
from pyte.screens import Char
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

from queuectl_tui.frame_diff import FrameDiff, Pen, Row

SYSTEMS = (ColorSystem.STANDARD, ColorSystem.EIGHT_BIT, ColorSystem.TRUECOLOR)
_LETTERS = ("a", "b", "│", "─", "●", "…", "é", "e\u0301", "日", "木", "Ａ")
_COLOURS = (None, None, "default", "red", "bright_blue", "color(200)", "#10203f", "#fefefe")
_LOOKS = ("bold", "italic", "underline", "blink", "reverse", "strike")  # what pyte can show
_FROM_OTHERS = ("\x07", "\x1b]52;c;Zm9v\x07", "\x1b[?1003h", "\x1b[?2026h\x1b[?2026l", "\x1b[?25l")


class Stage:
    """One terminal, and the frames it is sent in turn."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._colours = self._chance.choice((*SYSTEMS, None))
        self._styles = [self._style() for _ in range(5)]
        self._open(erases=self._chance.random() < 0.7)

    def frames(self, count: int) -> Iterator[tuple[list[list[Char]], list[list[Char]]]]:
        """For ``count`` frames, what the terminal shows, and what it is to show."""
        for _ in range(count):
            self._next()
            sent = self._diff.update(
                self._rows, self._chance.choice((None, (0, 0), (self._width // 2, 1)))
            )
            self._stream.feed(sent)
            assert self._diff.update(self._rows) == ""
            yield self._shown(), self._wanted()

    def _open(self, *, erases: bool) -> None:
        self._width, self._height = self._chance.randint(1, 24), self._chance.randint(2, 5)
        self._screen = pyte.Screen(self._width, self._height)
        self._stream = pyte.Stream(self._screen)
        self._stream.feed("\x1b[?7l")  # as the driver has it: no line goes on in the next
        self._diff = FrameDiff(self._width, self._height, erases_in_colour=erases)
        self._rows = [self._row(self._width) for _ in range(self._height)]

    def _next(self) -> None:
        what = self._chance.random()
        if what < 0.02:
            self._open(erases=self._chance.random() < 0.7)
        elif what < 0.04:  # an editor had the terminal
            self._stream.feed("\x1b[2;2H\x1b[7;31mvim\x1b[?1049l\x1b[?1049h\x1b[K")
            self._diff.forget()
        elif what < 0.10:
            self._stream.feed(self._chance.choice(_FROM_OTHERS))
        elif what < 0.20:
            self._rows = [self._row(self._width) for _ in range(self._height)]
        self._rows = self._rows.copy()
        for _ in range(self._chance.randint(0, 4)):
            y, x = self._chance.randrange(self._height), self._chance.randrange(self._width)
            part = self._row(self._chance.randint(1, self._width - x))
            self._rows[y] = self._rows[y].with_part(x, part)

    def _row(self, width: int) -> Row:
        segments = []
        for _ in range(self._chance.randint(0, 4)):
            letters = self._chance.choices(_LETTERS, k=self._chance.randint(0, 6))
            letters += " " * self._chance.choice((0, 0, 1, 3, 12))
            if self._chance.random() < 0.5:
                self._chance.shuffle(letters)
            segments.append(Segment("".join(letters), self._chance.choice((*self._styles, None))))
        return Row.of(segments, width, self._colours or ColorSystem.TRUECOLOR)

    def _style(self) -> Style:
        looks = {name: self._chance.random() < 0.2 for name in _LOOKS}
        if self._colours is None:  # NO_COLOR
            return Style(**looks)  # type: ignore[arg-type]
        colour, behind = self._chance.choices(_COLOURS, k=2)
        return Style(color=colour, bgcolor=behind, **looks)  # type: ignore[arg-type]

    def _shown(self) -> list[list[Char]]:
        rows = (self._screen.buffer[y] for y in range(self._height))
        return [[_as_seen(row[x]) for x in range(self._width)] for row in rows]

    def _wanted(self) -> list[list[Char]]:
        return [
            [
                _as_seen(_char(pen)._replace(data=unicodedata.normalize("NFC", text)))
                for text, pen in zip([*row.texts[:-1], row.texts[-1][:1]], row.pens, strict=True)
            ]
            for row in self._rows
        ]


@lru_cache(maxsize=4096)
def _char(pen: Pen) -> Char:
    """A cell that is written with ``pen`` alone."""
    screen = pyte.Screen(2, 1)
    codes = [code for bit, code in enumerate("123456789") if pen.attributes & 1 << bit]
    codes += [code for code in (pen.foreground, pen.background) if code]
    pyte.Stream(screen).feed(f"\x1b[0;{';'.join(codes)}mx" if codes else "x")
    return screen.buffer[0][0]


def _as_seen(cell: Char) -> Char:
    """Of a space one sees what is behind it, and lines."""
    if cell.data != " " or cell.reverse or cell.underscore or cell.strikethrough:
        return cell
    return cell._replace(fg="default", bold=False, italics=False, blink=False)
