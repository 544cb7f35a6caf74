"""What a terminal must be sent so that it shows the next frame: few bytes, whatever changed.

A frame is one ``Row`` for each line of the screen, cell by cell. ``FrameDiff`` keeps the frame
that the terminal shows and sends the cells that differ from it, with the shortest way there and
the shortest change of style.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from rich.cells import split_graphemes
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

_ATTRIBUTES = {
    "bold": "1",
    "dim": "2",
    "italic": "3",
    "underline": "4",
    "blink": "5",
    "blink2": "6",
    "reverse": "7",
    "conceal": "8",
    "strike": "9",
    "underline2": "21",
    "frame": "51",
    "encircle": "52",
    "overline": "53",
}
"""What turns on each attribute; its place is its bit."""
_OFF = {
    0b0_0000_0000_0011: "22",  # bold, dim
    0b0_0000_0000_0100: "23",  # italic
    0b0_0010_0000_1000: "24",  # underlined once, twice
    0b0_0000_0011_0000: "25",  # blinking slowly, fast
    0b0_0000_0100_0000: "27",  # reversed
    0b0_0000_1000_0000: "28",  # concealed
    0b0_0001_0000_0000: "29",  # struck through
    0b0_1100_0000_0000: "54",  # framed, encircled
    0b1_0000_0000_0000: "55",  # overlined
}
"""What turns off which attributes."""
_SEEN_ON_SPACES = 0b1_1111_0100_1000  # lines around and through, and what is reversed
_BRIDGED = 16
"""Unchanged cells over which one may be as well off writing as moving."""


class Pen(NamedTuple):
    """How cells are written: SGR codes of the colours, and the bits of the attributes."""

    foreground: str = ""
    background: str = ""
    attributes: int = 0


PLAIN = Pen()


class Row(NamedTuple):
    """One line of a frame; neither list is ever changed.

    A cell's text is a character with what combines with it. The second cell of a wide character
    has none, and the same pen.
    """

    texts: list[str]
    pens: list[Pen]

    @classmethod
    def of(cls, segments: Iterable[Segment], width: int, colours: ColorSystem) -> Row:
        """The first ``width`` cells of ``segments``, filled up with plain spaces."""
        texts: list[str] = []
        pens: list[Pen] = []
        for text, style, control in segments:
            if control or not text:
                continue
            pen = _pen(style, colours) if style else PLAIN
            cells: Sequence[str] = text if _is_simple(text) else _cells(text)
            texts.extend(cells)
            blank = _blank(pen)
            if pen is blank or " " not in cells:
                pens.extend([pen] * len(cells))
            else:
                pens.extend([blank if cell == " " else pen for cell in cells])
        missing = width - len(texts)
        if missing > 0:
            texts.extend(" " * missing)
            pens.extend([PLAIN] * missing)
        elif missing < 0:
            if texts[width] == "":
                texts[width - 1], pens[width - 1] = " ", _blank(pens[width - 1])
            del texts[width:], pens[width:]
        return cls(texts, pens)

    def with_part(self, start: int, part: Row) -> Row:
        """This row with ``part`` from cell ``start`` on; half a wide character is a space."""
        stop = start + len(part.texts)
        texts, pens = self.texts.copy(), self.pens.copy()
        if stop < len(texts) and texts[stop] == "":
            texts[stop], pens[stop] = " ", _blank(pens[stop])
        if start and texts[start] == "":
            texts[start - 1], pens[start - 1] = " ", _blank(pens[start - 1])
        texts[start:stop], pens[start:stop] = part
        return Row(texts, pens)

    def tail(self) -> int:
        """The cell from which on the row is empty, in one colour."""
        at = len(self.texts)
        pen = self.pens[-1]
        while at and self.texts[at - 1] == " " and self.pens[at - 1] == pen:
            at -= 1
        return at if not pen.attributes else len(self.texts)


def erases_in_colour(environ: Mapping[str, str]) -> bool:
    """Whether what the terminal erases gets the background that is set, as in all but GNU screen
    (tmux may go by the same name)."""
    name = environ.get("TERM", "")
    return not name.startswith("screen") or "bce" in name or "TMUX" in environ


class FrameDiff:
    """The terminal as it is, ``width`` × ``height`` cells; what it shows isn't known at first."""

    def __init__(self, width: int, height: int, *, erases_in_colour: bool = True) -> None:
        self.width = width
        self.height = height
        self._erases_in_colour = erases_in_colour
        self._out: list[str] = []
        self.forget()

    def forget(self) -> None:
        """Something else has written to the terminal: the next frame is sent whole."""
        self._shown: list[Row | None] = [None] * self.height
        self._pen: Pen | None = None
        self._x: int | None = None
        self._y: int | None = None

    def update(self, frame: Sequence[Row], cursor: tuple[int, int] | None = None) -> str:
        """What makes the terminal show ``frame``, and leaves the cursor at column and line
        ``cursor``, if that matters; nothing if it is so already."""
        for y, row in enumerate(frame):
            old = self._shown[y]
            if old is not row:
                self._paint(y, row, list(_changes(old, row)))
                self._shown[y] = row
        if self._pen != PLAIN:  # what else writes to the terminal counts on it
            self._set(PLAIN)
        if cursor is not None and cursor != (self._x, self._y):
            self._go(*cursor)
        sent = "".join(self._out)
        self._out.clear()
        return sent

    # -- one line

    def _paint(self, y: int, row: Row, changes: list[tuple[int, int]]) -> None:
        if not changes:
            return
        tail = row.tail() if self._can_erase(row.pens[-1]) else self.width
        for start, stop in changes:
            if stop > tail:
                empty = max(start, tail)
                if changes[-1][1] - empty > len("\x1b[K"):
                    self._write(y, row, start, empty)
                    self._erase_to_end(y, row, empty)
                    return
            self._write(y, row, start, stop)

    def _erase_to_end(self, y: int, row: Row, start: int) -> None:
        self._reach(y, row, start)
        if self._pen is None or not self._erases_as(row.pens[-1]):
            self._set(row.pens[-1])
        self._out.append("\x1b[K")

    def _write(self, y: int, row: Row, start: int, stop: int) -> None:
        """Cells ``start`` to ``stop``, what is empty for long in them erased."""
        done = start
        for empty, end in self._stretches(row, start, stop):
            if empty > done:
                self._reach(y, row, done)
                self._text(row, done, empty)
            self._reach(y, row, empty)
            if not self._erases_as(row.pens[empty]):
                self._set(row.pens[empty])
            self._out.append(f"\x1b[{end - empty}X")
            done = end
        if stop > done:
            self._reach(y, row, done)
            self._text(row, done, stop)

    def _stretches(self, row: Row, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Where so many empty cells of one colour follow each other that erasing is shorter."""
        at = start
        while (at := _find_space(row.texts, at, stop)) < stop:
            pen = row.pens[at]
            end = at + 1
            while end < stop and row.texts[end] == " " and row.pens[end] == pen:
                end += 1
            shortest = len("\x1b[9X") if end == stop else len("\x1b[99X\x1b[99C")
            if end - at > shortest and not pen.attributes and self._can_erase(pen):
                yield at, end
            at = end

    def _can_erase(self, pen: Pen) -> bool:
        return self._erases_in_colour or not pen.background

    def _erases_as(self, pen: Pen) -> bool:
        """Whether what is erased now looks like a space written with ``pen``."""
        now = self._pen
        return now is not None and _blank(now) == pen and not now.attributes & _SEEN_ON_SPACES

    def _text(self, row: Row, start: int, stop: int) -> None:
        """Write these cells; the cursor is where the first of them is."""
        text, self._pen = _written(row, start, stop, self._pen)
        self._out.append(text)
        certain = stop < self.width and len(row.texts[stop - 1]) < 2
        self._x = stop if certain else None

    # -- style and place

    def _set(self, pen: Pen) -> None:
        self._out.append(_turned(self._pen, pen))
        self._pen = pen

    def _reach(self, y: int, row: Row, x: int) -> None:
        """Go to where cell ``x`` of line ``y`` is written: over what is there, if that is shorter
        and changes nothing."""
        if (self._x, self._y) == (x, y):
            return
        if self._y == y and self._x is not None and 0 < x - self._x <= _BRIDGED:
            over, pen = _written(row, self._x, x, self._pen)
            wanted = row.pens[x]
            there = _bytes(over) + len(_turned(pen, wanted))
            move = _move(self._x, self._y, x, y) + _turned(self._pen, wanted)
            between = row.texts[self._x : x]
            if there <= len(move) and between[0] and all(len(text) < 2 for text in between):
                self._out.append(over)
                self._pen, self._x = pen, x
                return
        self._go(x, y)

    def _go(self, x: int, y: int) -> None:
        self._out.append(_move(self._x, self._y, x, y))
        self._x, self._y = x, y


def _changes(old: Row | None, new: Row) -> Iterator[tuple[int, int]]:
    """From which cell to which the rows differ."""
    if old is None:
        yield 0, len(new.texts)
        return
    if old.texts == new.texts and old.pens == new.pens:
        return
    start = None
    cells = zip(old.texts, new.texts, old.pens, new.pens, strict=True)
    for at, (text, other, pen, another) in enumerate(cells):
        if text == other and (pen is another or pen == another):
            if start is not None and other:  # else it belongs to the character before
                yield start, at
                start = None
        elif start is None:
            start = at
    if start is not None:
        yield start, len(new.texts)


def _find_space(texts: list[str], start: int, stop: int) -> int:
    try:
        return texts.index(" ", start, stop)
    except ValueError:
        return stop


def _written(row: Row, start: int, stop: int, pen: Pen | None) -> tuple[str, Pen | None]:
    """These cells as they are written with ``pen`` in hand, and the pen after them."""
    texts, pens = row
    out: list[str] = []
    for at in range(start, stop):
        wanted = pens[at]
        if wanted is not pen and wanted != pen:
            if texts[at] != " ":
                out.append(_turned(pen, wanted))
                pen = wanted
            elif pen is None or _blank(pen) != wanted:
                wanted = _for_space(row, at, stop, pen)
                out.append(_turned(pen, wanted))
                pen = wanted
        # In the last column the cursor stays where it is: what combines would go one cell before.
        out.append(texts[at] if at + 1 < len(texts) else texts[at][:1])
    return "".join(out), pen


def _for_space(row: Row, at: int, stop: int, pen: Pen | None) -> Pen:
    """With what to write the space in cell ``at``: what follows it, or what is in hand, may do."""
    wanted = row.pens[at]
    if wanted.attributes:
        return wanted
    for after in range(at + 1, stop):
        if row.texts[after] != " ":
            if _blank(row.pens[after]) == wanted:
                return row.pens[after]
            break
    if pen is None or pen.attributes & _SEEN_ON_SPACES:
        return wanted
    return pen._replace(background=wanted.background)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


@lru_cache(maxsize=4096)
def _turned(old: Pen | None, new: Pen) -> str:
    """The shortest sequence from one pen to the other."""
    if old == new:
        return ""
    whole = ["0", *_on(new.attributes), *filter(None, new[:2])]
    codes = ";".join(whole) if len(whole) > 1 else ""
    if old is not None:
        lost = old.attributes & ~new.attributes
        off = [code for bits, code in _OFF.items() if lost & bits]
        gone = sum(bits for bits in _OFF if lost & bits)
        step = [*off, *_on(new.attributes & (~old.attributes | gone))]
        if old.foreground != new.foreground:
            step.append(new.foreground or "39")
        if old.background != new.background:
            step.append(new.background or "49")
        codes = min(";".join(step), codes, key=len)
    return f"\x1b[{codes}m"


def _on(attributes: int) -> list[str]:
    return [code for bit, code in enumerate(_ATTRIBUTES.values()) if attributes & 1 << bit]


def _move(old_x: int | None, old_y: int | None, x: int, y: int) -> str:
    """The shortest sequence from one place to the other."""
    line, column = str(y + 1) if y else "", f";{x + 1}" if x else ""
    ways = [f"\x1b[{line}{column}H"]
    if old_y == y:
        ways.append(_along(old_x, x))
    elif old_y is not None:
        if old_x is not None:
            ways.append(_by(y - old_y, "B", "A") + _along(old_x, x))
        if x == 0 and y == old_y + 1:
            ways.append("\r\n")
    return min(ways, key=len)


def _along(old: int | None, x: int) -> str:
    """From one column to the other."""
    if old == x:
        return ""
    ways = [f"\x1b[{x + 1}G"] if x else ["\r"]
    if old is not None:
        ways.append(_by(x - old, "C", "D"))
        if x < old:
            ways.append("\b" * (old - x))
    return min(ways, key=len)


def _by(cells: int, forth: str, back: str) -> str:
    count = abs(cells)
    return f"\x1b[{count if count > 1 else ''}{forth if cells > 0 else back}"


# -- cells of segments


def _is_simple(text: str) -> bool:
    """Whether each character takes one cell."""
    return text.isascii() and text.isprintable()


@lru_cache(maxsize=4096)
def _cells(text: str) -> tuple[str, ...]:
    cells: list[str] = []
    for start, stop, width in split_graphemes(text)[0]:
        shown = "".join(char for char in text[start:stop] if char.isprintable() or char > "\x9f")
        if width and shown:
            cells += [shown, ""] if width == 2 else [shown]
    return tuple(cells)


@lru_cache(maxsize=8192)
def _pen(style: Style, colours: ColorSystem) -> Pen:
    attributes = sum(1 << bit for bit, name in enumerate(_ATTRIBUTES) if getattr(style, name))
    codes = ["", ""]
    for at, colour in enumerate((style.color, style.bgcolor)):
        if colour is not None and not colour.is_default:
            codes[at] = ";".join(colour.downgrade(colours).get_ansi_codes(foreground=at == 0))
    return _kept(codes[0], codes[1], attributes)


@lru_cache(maxsize=4096)
def _kept(foreground: str, background: str, attributes: int) -> Pen:
    """One and the same pen for the same looks: rows compare faster."""
    return Pen(foreground, background, attributes)


@lru_cache(maxsize=4096)
def _blank(pen: Pen) -> Pen:
    """How a space that is written with ``pen`` looks."""
    return pen if pen.attributes & _SEEN_ON_SPACES else _kept("", pen.background, 0)
