"""What the app sends over the line: nothing while nothing happens, little when little does."""

from __future__ import annotations

import os
import time
from contextlib import suppress

import pytest
from rich.color import ColorSystem
from rich.segment import Segment
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from queuectl_tui.painting import SYNC_BEGIN, SYNC_END, Painting, is_clear
from queuectl_tui.widgets.one_line import Piece, changed_stretches
from tests.tui.stage import Backstage
from tests.tui.test_terminal import Terminal

_IDLE = 3.0
_ONE_CHANGE = 400
_COLOURS = ColorSystem.EIGHT_BIT


def _sent(terminal: Terminal, seconds: float) -> bytes:
    """What comes in the next ``seconds``."""
    before = len(terminal.raw)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        terminal._read(0.05)
    return terminal.raw[before:]


def test_an_idle_store_costs_nothing_and_a_change_little(backstage: Backstage) -> None:
    backstage.ended(*(f"done{number}" for number in range(20)), stdout=b"x\n")
    backstage.pending("wait1", delay=86_400.0)
    backstage.queue._clock = lambda now=backstage.queue._clock: now() - 3_600_000  # type: ignore[misc]
    terminal = Terminal(backstage.queue.path)
    try:
        terminal.until_shown("> wait1", "done19 +✓ DONE", "a add")
        _sent(terminal, 2.0)
        backstage.queue.registry.heartbeat(backstage.worker)
        assert _sent(terminal, _IDLE) == b""
        backstage.queue.cancel(["wait1"])
        change = _sent(terminal, 2.5)
        terminal.until_shown("wait1 +⊘ CANCELLED")
        assert 0 < len(change) <= _ONE_CHANGE, change
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("old", "new", "stretches"),
    [
        ("same", "same", []),
        ("1 job", "2 job", [(0, 1)]),
        ("ab", "abc", [(2, 3)]),
        ("abc", "ab", [(2, 3)]),
        ("x........y", "X........Y", [(0, 1), (9, 10)]),
        ("x..y", "X..Y", [(0, 4)]),
        ("日本", "日木", [(2, 4)]),
        ("日", "ab", [(0, 2)]),
    ],
)
def test_only_what_changed_in_a_line_is_painted(
    old: str, new: str, stretches: list[tuple[int, int]]
) -> None:
    assert changed_stretches([Piece(old)], [Piece(new)]) == stretches


def test_another_style_is_a_change() -> None:
    assert changed_stretches([Piece("ab")], [Piece("a"), Piece("b", "bold")]) == [(1, 2)]


def _wide(*cells: str) -> Strip:
    return Strip([Segment(cell) for cell in cells])


def test_a_stretch_is_cut_out_of_its_widget() -> None:
    painting = Painting()
    painting.take(LayoutUpdate([[_wide("日本語abc", "next")]], Region(0, 0, 13, 1)), _COLOURS)
    painting.frame(None, synchronized=False)
    strips = {0: _wide("日木語xyz"), 9: _wide("NEXT")}
    update = ChopsUpdate([strips], [(0, 2, 4), (0, 8, 10)], [[9, 13]])
    painting.take(update, _COLOURS)
    assert painting.frame(None, synchronized=False) == "\x1b[3G木\x1b[9GzN"


def test_only_a_long_frame_is_told_to_be_shown_at_once() -> None:
    painting = Painting()
    text = "".join(chr(97 + at % 26) for at in range(2000))
    painting.take(LayoutUpdate([[_wide(text)]], Region(0, 0, 2000, 1)), _COLOURS)
    frame = painting.frame(None, synchronized=True)
    assert frame.startswith(SYNC_BEGIN)
    assert frame.endswith(SYNC_END)
    painting.take(LayoutUpdate([[_wide("X" + text[1:])]], Region(0, 0, 2000, 1)), _COLOURS)
    assert painting.frame(None, synchronized=True) == "\rX"
    assert painting.frame(None, synchronized=True) == ""


def test_a_line_is_clear_until_bytes_wait_in_it() -> None:
    ours, theirs = os.openpty()
    try:
        assert is_clear(theirs)
        os.set_blocking(theirs, False)
        with suppress(BlockingIOError):
            while True:
                os.write(theirs, b"x" * 1000)
        assert not is_clear(theirs)
        os.read(ours, 65_536)
        os.read(ours, 65_536)
        assert is_clear(theirs)
    finally:
        os.close(ours)
        os.close(theirs)
