"""What the app sends over the line: nothing while nothing happens, little when little does."""

from __future__ import annotations

import time

import pytest
from rich.console import Console
from rich.segment import Segment
from textual.strip import Strip

from queuectl_tui.tight_update import TightUpdate
from queuectl_tui.widgets.one_line import Piece, changed_stretches
from tests.tui.stage import Backstage
from tests.tui.test_terminal import Terminal

_IDLE = 3.0
_ONE_CHANGE = 600


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


def test_a_stretch_is_cut_out_of_its_widget() -> None:
    strips = {0: Strip([Segment("日本語abc")]), 9: Strip([Segment("next")])}
    update = TightUpdate([strips], [(0, 2, 4), (0, 8, 10)], [[9, 13]])
    assert update.render_segments(Console()) == "\x1b[1;3H本\x1b[1;9Hc\x1b[1;10Hn"
