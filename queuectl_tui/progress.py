"""How far a running command says it is, read from the end of what it wrote."""

from __future__ import annotations

import re
from collections.abc import Callable

HEAD = 8_192
TAIL = 2_048
"""Bytes from the beginning and the end of an output that are looked at."""

Found = tuple[int, float]
"""Where in the text it stands, and the fraction done."""

_PERCENT = re.compile(r"(?<![\d.\w-])(\d{1,3}(?:\.\d+)?) ?%")
_OF = re.compile(r"(?<![\w./:-])(\d{1,12}) ?(?:/| of ) ?(\d{1,12})(?![\w/.:-]|%)")
_SIZE = r"[\d.]+[kMGTP]?"
_CURL = re.compile(
    rf"^ *(\d{{1,3}}) +{_SIZE} +\d{{1,3}} +{_SIZE} +\d{{1,3}} +{_SIZE} [^\n]*[\d-]:[\d-][\d-]:",
    re.MULTILINE,
)
_TIME = r"(\d+):([0-5]\d):([0-5]\d(?:\.\d+)?)"
_DURATION = re.compile(rf"Duration: {_TIME}")
_REACHED = re.compile(rf"\btime={_TIME}")


def progress_of(head: bytes, tail: bytes) -> float | None:
    """The fraction done, 0 to 1, by the last that ``tail`` says of it; None if it says nothing.

    Understands percentages (tqdm, rsync, apt, wget, curl -#), curl's table, ``n/m`` and ``n of
    m``, and ffmpeg's ``time=``, whose whole stands in ``head``.
    """
    text = tail.decode("utf-8", "replace").replace("\r", "\n")
    found = [each for each in (look(text) for look in _LOOKS) if each is not None]
    reached = _ffmpeg(head.decode("utf-8", "replace"), text)
    if reached is not None:
        found.append(reached)
    return max(found)[1] if found else None


def _percent(text: str) -> Found | None:
    return _last(_PERCENT, text, lambda match: float(match[1]) / 100)


def _of(text: str) -> Found | None:
    return _last(_OF, text, lambda match: _ratio(float(match[1]), float(match[2])))


def _curl(text: str) -> Found | None:
    return _last(_CURL, text, lambda match: float(match[1]) / 100)


_LOOKS = (_percent, _of, _curl)


def _ffmpeg(head: str, text: str) -> Found | None:
    whole = _DURATION.search(head)
    if whole is None:
        return None
    return _last(_REACHED, text, lambda match: _ratio(_seconds(match), _seconds(whole)))


def _last(
    pattern: re.Pattern[str], text: str, value: Callable[[re.Match[str]], float]
) -> Found | None:
    last = None
    for match in pattern.finditer(text):
        fraction = value(match)
        if 0 <= fraction <= 1:
            last = (match.start(), fraction)
    return last


def _ratio(part: float, whole: float) -> float:
    """Below 0 where there is no sense in it: a whole of 1 says nothing."""
    return part / whole if whole > 1 else -1


def _seconds(match: re.Match[str]) -> float:
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
