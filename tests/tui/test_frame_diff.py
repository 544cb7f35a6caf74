"""The few bytes that are sent show exactly what sending everything would."""

from __future__ import annotations

import os
import random

import pytest
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

from queuectl_tui import frame_diff
from queuectl_tui.frame_diff import PLAIN, FrameDiff, Pen, Row, erases_in_colour
from tests.tui.frames import Stage

_FRAMES = int(os.environ.get("QUEUECTL_FRAMES", "3000"))
_A_TERMINAL = 100  # frames before one with other colours is opened


@pytest.mark.parametrize("seed", range(_FRAMES // _A_TERMINAL))
def test_what_is_shown_equals_a_full_repaint(seed: int) -> None:
    for shown, wanted in Stage(seed).frames(_A_TERMINAL):
        assert shown == wanted


def _row(*parts: str | tuple[str, str], width: int = 12) -> Row:
    segments = [
        Segment(part) if isinstance(part, str) else Segment(part[0], Style.parse(part[1]))
        for part in parts
    ]
    return Row.of(segments, width, ColorSystem.EIGHT_BIT)


def _sent(old: Row, new: Row) -> str:
    diff = FrameDiff(12, 1)
    diff.update([old])
    return diff.update([new])


@pytest.mark.parametrize(
    ("old", "new", "sent"),
    [
        (_row("same"), _row("same"), ""),
        (_row("job 1 of 9"), _row("job 2 of 9"), "\x1b[5G2"),
        (_row("abcdefghij"), _row("Xbcdefghij"), "\rX"),
        (_row("abcdefghij"), _row("XbcXefghij"), "\rXbcX"),
        (_row("abcdefghijkl"), _row("XbcdefghijkX"), "\rX\x1b[12GX"),
        (_row("abcdefghijkl"), _row("abc"), "\x1b[4G\x1b[K"),
        (_row("a", ("bc", "red")), _row("A", ("BC", "red")), "\rA\x1b[31mBC\x1b[m"),
        (_row(), _row(("a", "red"), ("b", "bold red"), ("c", "red")),
         "\x1b[31ma\x1b[1mb\x1b[22mc\x1b[m"),
        (_row(), _row(("a", "red"), " ", ("c", "red")), "\x1b[31ma c\x1b[m"),
        (_row(), _row(("日本", "on red")), "\x1b[41m日本\x1b[m"),
        (_row("日本"), _row("a 本"), "\ra "),
        (_row(), _row("e\u0301" * 12), "e\u0301" * 11 + "e"),  # as terminals combine it
        (_row("日本"), _row("木本"), "\r木"),
    ],
)  # fmt: skip
def test_as_few_bytes_as_it_takes(old: Row, new: Row, sent: str) -> None:
    assert _sent(old, new) == sent


def test_only_what_differs_from_what_was_sent_is_sent() -> None:
    diff = FrameDiff(12, 2)
    frame = [_row("one"), _row("two")]
    assert "one" in diff.update(frame)
    assert diff.update(frame) == ""
    assert diff.update([_row("one"), _row("too")]) == "\b\bo"
    diff.forget()
    assert "one" in diff.update(frame)


def test_the_cursor_is_left_where_it_matters() -> None:
    diff = FrameDiff(12, 1)
    diff.update([_row("abc")], (3, 0))
    assert diff.update([_row("abcd")], (4, 0)) == "d"
    assert diff.update([_row("abcd")], (4, 0)) == ""
    assert diff.update([_row("abcd")], (0, 0)) == "\r"


def test_a_column_is_gone_down() -> None:
    diff = FrameDiff(12, 3)
    diff.update([_row("job", "  9s")] * 3)
    assert diff.update([_row("job", " 10s")] * 3) == "\x1b[;5H10\x1b[B\b\b10\x1b[B\b\b10"


def test_a_half_of_a_wide_character_is_a_space() -> None:
    row = _row("日本語", width=6)
    assert row.with_part(1, _row("x", width=1)).texts == [" ", "x", "本", "", "語", ""]
    assert row.with_part(2, _row("x", width=1)).texts == ["日", "", "x", " ", "語", ""]
    assert _row("日本", width=3).texts == ["日", "", " "]


def test_nothing_that_acts_on_a_terminal_gets_into_a_cell() -> None:
    assert _row("a\x1bb\x07\u0301日\x9b", width=5).texts == ["a", "b\u0301", "日", "", " "]


def test_each_style_is_reached_from_each() -> None:
    chance = random.Random(1)
    pens = [
        Pen(chance.choice(("", "31", "38;5;7")), chance.choice(("", "41")), chance.getrandbits(13))
        for _ in range(60)
    ]
    for old in (None, PLAIN, *pens):
        for new in (PLAIN, *pens):
            assert _applied(old, frame_diff._turned(old, new)) == new


def _applied(pen: Pen | None, sequence: str) -> Pen | None:
    """``pen`` after an SGR sequence, by the standard's table."""
    if not sequence:
        return pen
    codes = sequence.removeprefix("\x1b[").removesuffix("m").split(";")
    codes = [code or "0" for code in codes]
    on = {code: 1 << bit for bit, code in enumerate(frame_diff._ATTRIBUTES.values())}
    off = {"22": "1 2", "23": "3", "24": "4 21", "25": "5 6", "27": "7", "28": "8", "29": "9"}
    off |= {"54": "51 52", "55": "53"}
    while codes:
        code = codes.pop(0)
        if code == "0":
            pen = PLAIN
            continue
        assert pen is not None
        if code in on:
            pen = pen._replace(attributes=pen.attributes | on[code])
        elif code in off:
            lost = sum(on[each] for each in off[code].split())
            pen = pen._replace(attributes=pen.attributes & ~lost)
        elif code == "38":
            pen = pen._replace(foreground=";".join((code, codes.pop(0), codes.pop(0))))
        else:
            field = "foreground" if code.startswith("3") else "background"
            pen = pen._replace(**{field: "" if code.endswith("9") else code})
    return pen


def test_only_gnu_screen_erases_without_colour() -> None:
    assert erases_in_colour({"TERM": "xterm-256color"})
    assert not erases_in_colour({"TERM": "screen-256color"})
    assert erases_in_colour({"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0"})
    assert erases_in_colour({"TERM": "screen-256color-bce"})
    screen = FrameDiff(12, 1, erases_in_colour=False)
    assert screen.update([_row((" " * 12, "on red"))]) == f"\x1b[H\x1b[0;41m{' ' * 12}\x1b[m"
