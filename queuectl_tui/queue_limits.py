"""The limits of a queue as people write them, on the command line and in the app."""

from __future__ import annotations

import re

from store import InvalidInput, QueueInfo, Rate
from store.documents import check_strings
from store.timespec import duration_text, parse_duration

_NONE = "none"
_VARIABLE = "[A-Za-z_][A-Za-z0-9_]*"
_MOST = 1_000_000
_MOST_STARTS = 10_000
_SHORTEST_WINDOW, _LONGEST_WINDOW = 0.001, 366 * 86_400.0


def most_running(text: str) -> int | None:
    """How many may run at once; ``None`` for ``none``. Raises ``InvalidInput``."""
    if text.lower() == _NONE:
        return None
    number = _whole(text)
    if number is not None and 1 <= number <= _MOST:
        return number
    raise InvalidInput(
        f"must be from 1 to {_MOST}, or none, not {text[:40]!r}; to run none, pause the queue"
    )


def start_rate(text: str) -> Rate | None:
    """The rate in ``10/1m``, attempts in a time; ``None`` for ``none``. Raises ``InvalidInput``."""
    if text.lower() == _NONE:
        return None
    number, _, window = text.partition("/")
    starts, seconds = _whole(number.strip()), _window(window.strip())
    if starts is None or seconds is None:
        raise InvalidInput(f"must be attempts in a time, such as 10/1m, or none, not {text[:40]!r}")
    if not 1 <= starts <= _MOST_STARTS:
        raise InvalidInput(
            f"must be 1 to {_MOST_STARTS} attempts in a time, not {number[:40]!r};"
            " to begin none, pause the queue"
        )
    if not _SHORTEST_WINDOW <= seconds <= _LONGEST_WINDOW:
        raise InvalidInput(f"must be in a time from 0.001s to 366d, not {window[:40]!r}")
    return Rate(starts, seconds)


def rate_text(rate: Rate) -> str:
    """The rate as it is typed: ``10/1m``."""
    window = duration_text(rate.seconds)
    return f"{rate.starts}/{window}{'s' if window[-1].isdigit() else ''}"


def limits_text(info: QueueInfo) -> str:
    """What bounds a queue beside ``max_running`` and its slots."""
    per_label = [f"{info.max_per_label} per label"] if info.max_per_label else []
    return ", ".join([*per_label, *([rate_text(info.rate)] if info.rate else [])])


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _window(text: str) -> float | None:
    """Seconds of a duration; a unit alone is one of it, as in ``10/m``."""
    try:
        return parse_duration(f"1{text}" if text in ("s", "m", "h", "d") else text)
    except InvalidInput:
        return None


def slot_values(text: str) -> tuple[str | None, list[str]]:
    """The variable and its values in ``VAR=A,B``; nothing for ``none``. Raises ``InvalidInput``."""
    if text.lower() == _NONE:
        return None, []
    variable, _, given = text.partition("=")
    values = given.split(",")
    if not (variable and all(values)):
        raise InvalidInput(
            "must be a variable and its values, such as CUDA_VISIBLE_DEVICES=0,1, or none"
        )
    if re.fullmatch(_VARIABLE, variable) is None:
        raise InvalidInput(f"must name a variable of letters, digits and _, not {variable[:40]!r}")
    check_strings({"slots": text})
    return variable, values
