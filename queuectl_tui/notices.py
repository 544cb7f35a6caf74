"""Reaching a person who looks elsewhere: terminal bell, OSC 9 and 777, notify-send."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Collection
from contextlib import suppress

from queuectl_tui.clipboard import wrapped
from queuectl_tui.text import escape

TITLE = "queuectl"
_LONGEST = 200
_PATIENCE = 10


class Notices:
    """``ways`` are of ``config.NOTICES``; ``write`` sends to the terminal."""

    def __init__(self, ways: Collection[str], *, write: Callable[[str], None], tmux: bool) -> None:
        self._ways = ways
        self._write = write
        self._tmux = tmux

    def tell(self, sentence: str) -> None:
        """Sends ``sentence`` by every way that was asked for, and that there is."""
        text = escape(sentence)[:_LONGEST]
        if "bell" in self._ways:
            self._write("\x07")
        if "osc" in self._ways:
            for sequence in osc_notices(text):
                self._write(wrapped(sequence) if self._tmux else sequence)
        if "desktop" in self._ways:
            _on_the_desktop(text)


def osc_notices(text: str) -> tuple[str, str]:
    """For terminals that know OSC 9, and for those that know OSC 777, whose fields end at ``;``."""
    return f"\x1b]9;{text}\x07", f"\x1b]777;notify;{TITLE};{text.replace(';', ',')}\x07"


def _on_the_desktop(text: str) -> None:
    program = shutil.which("notify-send")
    if program is not None:
        threading.Thread(target=_send, args=(program, text), daemon=True).start()


def _send(program: str, text: str) -> None:
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [program, f"--app-name={TITLE}", "--", TITLE, text],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
