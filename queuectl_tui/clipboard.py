"""Reaching the clipboard of the terminal that a person sits before, however far away."""

from __future__ import annotations

import subprocess
from base64 import b64encode

_PATIENCE = 2.0  # seconds; a tmux that stands still must not hold anything up


def load_tmux_buffer(text: str) -> bool:
    """Make ``text`` tmux's newest buffer, which it may pass on to the clipboard of its terminal.

    False where tmux can't be reached, or is older than 3.2. It may take seconds.
    """
    try:
        done = subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],  # noqa: S607 - the one that the PATH has
            check=False,
            input=text.encode("utf-8", "replace"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def osc52(text: str, *, tmux: bool) -> str:
    """What makes a terminal copy ``text``.

    tmux takes it for itself where ``set-clipboard`` is on, and hands the wrapped one through where
    ``allow-passthrough`` is.
    """
    code = b64encode(text.encode("utf-8", "replace")).decode()
    plain = f"\x1b]52;c;{code}\x07"
    return plain + wrapped(plain) if tmux else plain


def wrapped(sequence: str) -> str:
    """``sequence`` for the terminal that tmux itself runs in."""
    doubled = sequence.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{doubled}\x1b\\"
