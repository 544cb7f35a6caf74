"""The three standard streams: stdout is data, stderr is narration.

A reader that went away ends the command in silence; narration that can't be written is dropped.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from click.exceptions import Exit


def ensure() -> None:
    """Open what is closed: descriptor 1 would be given to the next file opened, the store say."""
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def write(text: str) -> None:
    """Data for people: what their terminal can't encode has an ASCII character in its place."""
    write_bytes(encoded(text, sys.stdout.encoding))


def encoded(text: str, encoding: str | None) -> bytes:
    """``text`` for a stream of that encoding, each character as wide as it was."""
    try:
        return text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        from queuectl_tui import ascii_glyphs

        ascii_glyphs.install()
        return text.encode(encoding or "utf-8", ascii_glyphs.ERRORS)


def write_bytes(data: bytes) -> None:
    """Data as it is; ``flush`` sends it on its way."""
    with _writing():
        sys.stdout.buffer.write(data)


def flush() -> None:
    with _writing():
        sys.stdout.flush()


def narrate(text: str) -> None:
    """One line about what goes on, escaped."""
    from queuectl_tui.text import escape

    narrate_raw(encoded(f"{escape(text)}\n", sys.stderr.encoding))


def narrate_raw(data: bytes) -> None:
    """Bytes for stderr, after what was written to stdout before."""
    flush()
    with suppress(OSError):
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()


@contextmanager
def aside() -> Iterator[None]:
    """For what is found out and narrated after a change is stored: it can't fail the command."""
    from store import QueueError

    with suppress(QueueError):
        yield


def leave_closed_pipe() -> None:
    """Send what is left in stdout's buffer nowhere, so that nothing complains at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):
        os.dup2(null, sys.stdout.fileno())
    os.close(null)


@contextmanager
def _writing() -> Iterator[None]:
    """A reader that went away ends the command; whatever else fails says where it did."""
    try:
        yield
    except BrokenPipeError:
        leave_closed_pipe()
        raise Exit(0) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from None


def can_paint() -> bool:
    """Whether stdout is a terminal that understands more than lines of text."""
    return sys.stdout.isatty() and os.environ.get("TERM") not in (None, "", "dumb")


def has_terminal() -> bool:
    """Whether a person sits there who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
