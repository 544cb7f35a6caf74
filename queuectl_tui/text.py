"""Text from outside, made safe to show, and quantities, made short to read.

Everything that a job or a user supplied passes ``escape`` exactly once, on its way out to a
terminal, whether a table, a log, a toast or an error message shows it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from store import Job, JobState

# C0, DEL and C1 controls, bidirectional and invisible formatting, line separators, surrogates,
# non-characters, private use and tag characters: what can drive, reorder or blank a terminal line.
_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

GLYPHS = {
    JobState.PENDING: "·",
    JobState.BLOCKED: "◌",
    JobState.PROCESSING: "▶",
    JobState.FAILED: "↻",
    JobState.COMPLETED: "✓",
    JobState.DEAD: "✗",
    JobState.CANCELLED: "⊘",
}


PAUSED_GLYPH = "‖"


def state_with_glyph(job: Job) -> str:
    return f"{PAUSED_GLYPH if job.suspended else GLYPHS[job.state]} {job.shown_state}"


def escape(text: str) -> str:
    """``text`` on one line, with everything that could act on a terminal spelled out."""
    if text.isascii() and text.isprintable():
        return text
    return re.sub(_UNSAFE, _spell, text)


def escape_lines(text: str) -> str:
    """Like ``escape``, but line feeds and tabs stay, and CR LF is a line end."""
    return "\n".join(
        "\t".join(map(escape, line.removesuffix("\r").split("\t"))) for line in text.split("\n")
    )


def stand_in(text: str) -> str:
    """``text`` with one harmless character for each that ``escape`` would spell out."""
    return re.sub(_UNSAFE, "\ufffd", text)


def _spell(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def duration(seconds: float) -> str:
    """A short duration: ``0.4s``, ``42s``, ``4m10s``, ``2h05m``, ``3d4h``."""
    if seconds < 0:
        seconds = 0.0
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02d}m"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours}h"


def age(seconds: float) -> str:
    """How long ago, quiet on a screen: by the second under a minute, then by the minute."""
    if seconds < 60:
        return f"{max(0, int(seconds))}s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02d}m"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours}h"


def size(count: int) -> str:
    """Bytes for people: ``512 B``, ``1.2 MB`` (powers of 1024, as ``ls -h`` has them)."""
    if count < 1024:
        return f"{count} B"
    value = count / 1024
    for unit in ("KB", "MB", "GB", "TB"):
        if value < 1023.95:
            return f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} PB"


def counted(number: int, noun: str) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; ``signal 77`` where the system has no name."""
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def timestamp(ms: int) -> str:
    """RFC 3339, UTC, milliseconds: ``2026-11-24T10:30:00.000Z``."""
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def local_time(ms: int, now_ms: int) -> str:
    """Local wall-clock time; the date only when it isn't today."""
    moment = datetime.fromtimestamp(ms / 1000)
    if moment.date() == datetime.fromtimestamp(now_ms / 1000).date():
        return f"{moment:%H:%M:%S}"
    return f"{moment:%Y-%m-%d %H:%M}"


def width(text: str) -> int:
    """How many terminal cells ``text``, escaped, takes up."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def fit(text: str, cells: int) -> str:
    """``text``, escaped, cut to at most ``cells`` with an ellipsis."""
    if width(text) <= cells:
        return text
    used = 0
    for at, char in enumerate(text):
        used += _cells(char)
        if used > cells - 1:
            return text[:at] + "…"[:cells]
    return text


def _cells(char: str) -> int:
    import unicodedata

    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
