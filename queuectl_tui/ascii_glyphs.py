"""What stands for a character that the terminal's encoding doesn't have: as wide, so all aligns."""

from __future__ import annotations

import codecs

from queuectl_tui.text import width

ERRORS = "ascii-glyphs"
"""The name of the error handler, for ``str.encode`` and text streams."""

_GLYPHS = {
    **str.maketrans("·…•●○◌▶▷⏸↻↺✓✗⊘▲▽‖◷♪", "..**oo>>=~<+x/!v=t!"),  # states and marks
    **str.maketrans("│┃─━└┌├┐┘╭╮╰╯▔▕", "||--`,|,'++++-|"),  # lines
    **str.maketrans("▏▎▍▌▋▊▉█▁▂▃▄▅▆▇", "|||#####_.:-=+*"),  # bars
    **str.maketrans("⏎⇥⇧↑↓←→−–—×½“”‘’", "<>^^v<>---x%\"\"''"),  # keys and signs
}


def install() -> None:
    """Register the error handler; that costs nothing where everything can be encoded."""
    codecs.register_error(ERRORS, _replaced)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(_GLYPHS)
    return "".join(char if char.isascii() else "?" * width(char) for char in text), error.end
