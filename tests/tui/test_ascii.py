"""A terminal that knows ASCII alone is sent nothing else, and every column stands where it did."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from queuectl_tui.streams import encoded
from queuectl_tui.text import width
from tests.tui.stage import Backstage
from tests.tui.test_terminal import Terminal

_ASCII = {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def test_the_app_paints_with_ascii(backstage: Backstage) -> None:
    backstage.dead("dead1", label="日本語")
    backstage.pending("wait1", command="echo …日本語|")
    terminal = Terminal(backstage.queue.path, **_ASCII)
    try:
        terminal.until_shown(r"> wait1 +\. PENDING", r"dead1 +x DEAD", r"echo \.\?\?\?\?\?\?\|")
        terminal.press("D")
        terminal.until_shown("> dead1")
        assert terminal.raw.isascii()
        assert b"\\u" not in terminal.raw
        terminal.press("q")
        terminal.press("q")
        assert terminal.until_gone() == 0
    finally:
        terminal.close()


def _glyphs() -> list[str]:
    source = Path(__file__).parents[2] / "queuectl_tui"
    text = "".join(path.read_text() for path in source.rglob("*.py"))
    return sorted({char for char in text if not char.isascii()})


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
def test_a_stand_in_is_as_wide_as_the_character(encoding: str) -> None:
    for char in (*_glyphs(), "日", "é", "e\u0301", "\U0001f600"):
        shown = encoded(char, encoding).decode(encoding)
        assert width(shown) == width(char), char
        assert "?" not in shown or char not in _glyphs() or char in "日本語é", char


def test_what_can_be_encoded_is_kept() -> None:
    assert encoded("é · ✓", "iso-8859-1").decode("iso-8859-1") == "é · +"
    assert encoded("é ✓", None) == "é ✓".encode()
    assert re.fullmatch(rb"a\?\?b", encoded("a日b", "ascii"))
