"""Durations and points in time, as people and documents write them."""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import UTC, datetime, timedelta

from store.errors import InvalidInput
from store.fielderrors import shown

MAX_DURATION = 10 * 365 * 86_400.0
MAX_TIME = 32_503_680_000_000
"""The year 3000, in milliseconds: far enough, and every calendar can show it."""

_DURATION = (
    r"(?:([0-9]+(?:\.[0-9]+)?)d)?(?:([0-9]+(?:\.[0-9]+)?)h)?"
    r"(?:([0-9]+(?:\.[0-9]+)?)m)?(?:([0-9]+(?:\.[0-9]+)?)s)?"
)
_SECONDS = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_CLOCK = r"([01]?[0-9]|2[0-3]):([0-5][0-9])"
_DAYS = "today|tomorrow"
_STAMP = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNIT_SECONDS = (86_400, 3_600, 60, 1)
_DURATION_HINT = 'a duration such as 90, "10m" or "1h30m"'
_TIME_HINT = (
    'a time such as "2026-11-24T10:30:00Z", "2026-11-24 10:30", "tomorrow 9:00", "22:15" or "10m"'
    " (from now)"
)


def parse_duration(value: object) -> float:
    """Seconds of a number or of text such as ``90``, ``90s``, ``10m``, ``1h30m``.

    Raises ``InvalidInput`` that says what is expected.
    """
    if type(value) is int or type(value) is float:
        seconds = value
    elif type(value) is str:
        seconds = _duration_seconds(value)
    else:
        raise InvalidInput(f"must be {_DURATION_HINT}, not {shown(value)}")
    if not seconds >= 0:
        raise InvalidInput(f"must be {_DURATION_HINT}, not {shown(value)}")
    if not seconds <= MAX_DURATION:
        raise InvalidInput(f"must be at most 10 years, not {shown(value)}")
    return float(seconds)


def require_unit(text: str) -> None:
    """Raises ``InvalidInput`` for a number alone, other than 0: whether it means days is open."""
    word = text.strip()
    if re.fullmatch(_SECONDS, word) and float(word):
        raise InvalidInput(f"{word} what? give {word}s or {word}d")


def _duration_seconds(text: str) -> float:
    word = text.strip()
    if re.fullmatch(_SECONDS, word):
        return float(word)
    match = re.fullmatch(_DURATION, word)
    if match is None or not word:
        raise InvalidInput(f"must be {_DURATION_HINT}, not {shown(text)}")
    return sum(
        float(part) * unit
        for part, unit in zip(match.groups(), _UNIT_SECONDS, strict=True)
        if part is not None
    )


def duration_text(seconds: float) -> str:
    """The shortest text that ``parse_duration`` reads as exactly so many seconds."""
    if seconds == 0 or seconds != int(seconds):
        from decimal import Decimal

        return f"{Decimal(repr(seconds)).normalize():f}"
    parts, rest = [], int(seconds)
    for unit, letter in zip(_UNIT_SECONDS, "dhms", strict=True):
        number, rest = divmod(rest, unit)
        parts += [f"{number}{letter}"] if number else []
    return "".join(parts)


def parse_time(value: object, now: int) -> int:
    """UTC milliseconds of a date and time, of the next ``HH:MM``, or of a duration from now.

    Dates and times are RFC 3339, seconds may be left out; without a zone they are local, and so are
    ``HH:MM``, ``today HH:MM`` and ``tomorrow HH:MM``. Raises ``InvalidInput`` that says what is
    expected.
    """
    if type(value) is str:
        word = value.strip()
        if clock := re.fullmatch(rf"(?:({_DAYS}) +)?{_CLOCK}", word, re.IGNORECASE):
            wall = _at_clock_time(now, int(clock[2]), int(clock[3]))
            if clock[1] is None:
                return _next_clock_time(wall, now)
            return _local_times(wall + (clock[1].lower() == "tomorrow") * _DAY)[0]
        if re.fullmatch(_STAMP, word):
            return _stamp_milliseconds(word)
    try:
        return now + round(parse_duration(value) * 1000)
    except InvalidInput as error:
        if "at most" in str(error):
            raise
        raise InvalidInput(f"must be {_TIME_HINT}, not {shown(value)}") from None


def _stamp_milliseconds(word: str) -> int:
    try:
        moment = datetime.fromisoformat(word.upper().replace(" ", "T"))
    except ValueError as error:
        raise InvalidInput(f"is no date and time: {shown(word)} ({error})") from None
    if moment.tzinfo is None:
        milliseconds = _local_times(moment)[0] if 1970 <= moment.year <= 3000 else -1
    else:
        milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= milliseconds <= MAX_TIME:
        raise InvalidInput(f"must be a time between the years 1970 and 3000, not {shown(word)}")
    return milliseconds


def _at_clock_time(now: int, hour: int, minute: int) -> datetime:
    today = datetime.fromtimestamp(now / 1000)
    return today.replace(hour=hour, minute=minute, second=0, microsecond=0)


def _next_clock_time(today: datetime, now: int) -> int:
    times = *_local_times(today), *_local_times(today + _DAY)
    return min(moment for moment in times if moment > now)


def _local_times(wall: datetime) -> tuple[int, ...]:
    """When clocks here show ``wall``: twice where they are set back.

    Where they are set forward over it, the moment at which they are.
    """
    first, second = (int(wall.replace(microsecond=0, fold=fold).timestamp()) for fold in (0, 1))
    if first > second:
        span = range(second, first + 1)
        at = bisect_left(span, wall, key=datetime.fromtimestamp)
        return (span[at] * 1000,)
    milliseconds = wall.microsecond // 1000
    return tuple(seconds * 1000 + milliseconds for seconds in sorted({first, second}))
