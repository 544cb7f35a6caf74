"""Reaching the clipboard of the terminal that a person sits before, however far away."""

from __future__ import annotations

from base64 import b64encode


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
