"""What a failed command said was wrong: the one line of its stderr that a person would quote.

Compilers point below their error with a caret, interpreters list a stack behind it, ``make`` and
``cargo`` count afterwards: the last line says little, so the last that looks like an error is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST = 1000
"""Characters of the line that are kept."""

_JUDGED = 500  # characters of a line that are looked at
_ERROR = "|".join(
    (
        r"(?<![\w./=-])(?i:error|fatal|panic|panicked|exception|aborted)(?![\w/-]|\.\w)",
        r"(?<=[A-Za-z])(?:Error|Exception)\b",
        r"(?i:\b(?:cannot|can't|could not|couldn't|unable to|failed to|undefined reference)\b)",
        r"(?i:no such file|not found|permission denied|access denied|refused|timed out|failed:)",
        r"(?i:no space left|out of memory|segmentation fault|core dumped|\*\*\* no rule|npm err!)",
    )
)
_SUMMARY = "|".join(
    (
        r"\*\*\* .*\bError \d+$",
        r"^\d+ (?:errors?|warnings?)\b",
        r"\bprevious errors?\b",
        r"\b(?:ld returned|linker command failed|Error is not recoverable)\b",
        r"\bexit(?:ed with)? (?:status|code)\b",
    )
)
"""What tells only that something failed, or how often."""
_FAILURE = r"(?i:\bfail(?:ed|ure)?\b)"
_ASIDE = "|".join(
    (
        r"(?:^|: )(?i:note|hint|help|info|warn|warning|debug|trace)(?:\[[\w-]+\])?:(?: |$)",
        r"^(?:\S+ ){0,5}\[?(?:INFO|DEBUG|TRACE|NOTICE|WARN|WARNING)\b",
        r"(?i:for more information|background on this error|complete log of this|^npm warn)",
        r"\b(?i:(?:0|no|without|zero) (?:\w+ )?(?:errors?|failures?|failed))\b",
        r"\b(?i:errors|failures|failed)[:=] ?0\b",
    )
)
"""What mentions errors, and tells of none."""
_POINTER = r"(?=[^|^~]*[|^~])[\s\d|^~>.+=-]*$"
_NPM = r"npm (?:ERR!|error)"
_NPM_DETAIL = (
    _NPM + r"(?: \d{3})?(?: (?:code|errno|syscall|path|dest|cwd|signal|command|location)\b"
    r"| \w+ This is related|(?: \w+)?$)"
)
_TRACEBACK = "Traceback (most recent call last):"
_COLOURS = r"\x1b\[[0-9;]*m"

_Rank = tuple[bool, bool]
_TELLING: _Rank = (False, False)


def telling_line(stderr: str) -> str:
    """The line to quote, without colours and the blanks around it; empty if there is none.

    Of those that look like an error it is the last, else the last that says anything.
    """
    parts = re.split(r"[\r\n]+", re.sub(_COLOURS, "", stderr))
    lines = [_without_progress(part.rstrip()) for part in parts if part.strip()]
    at = _last_error(lines)
    if at is None:
        return _last_words(lines)[-LONGEST:]
    said = lines[at].strip()
    if said.endswith(":") and at + 1 < len(lines):
        said = f"{said} {lines[at + 1].strip()}"
    return said[:LONGEST]


def _last_error(lines: Sequence[str]) -> int | None:
    """The place of the line that tells most, the last of those that tell as much."""
    best: dict[_Rank, int] = {}
    for at in range(len(lines) - 1, -1, -1):
        if lines[at] == _TRACEBACK:
            return _raised(lines, at)
        rank = _rank(lines[at][:_JUDGED])
        if rank == _TELLING:
            return _first_of_npm(lines, at)
        if rank is not None:
            best.setdefault(rank, at)
    return best[min(best)] if best else None


def _rank(line: str) -> _Rank | None:
    """Whether the line only sums up, and whether it is indented; None if it is no error."""
    if re.search(_ASIDE, line) or re.match(_NPM_DETAIL, line):
        return None
    if re.search(_SUMMARY, line):
        return True, line[0].isspace()
    if re.search(_ERROR, line):
        return False, line[0].isspace()
    return (True, line[0].isspace()) if re.search(_FAILURE, line) else None


def _raised(lines: Sequence[str], traceback: int) -> int | None:
    """The exception of a traceback: the first line below it that is not indented."""
    below = range(traceback + 1, len(lines))
    return next((at for at in below if not lines[at][0].isspace()), None)


def _first_of_npm(lines: Sequence[str], at: int) -> int:
    """npm explains an error below it, in lines marked like itself."""
    first = at
    while at >= 0 and re.match(_NPM, lines[at]):
        if not re.match(_NPM_DETAIL, lines[at]):
            first = at
        at -= 1
    return first


def _last_words(lines: Sequence[str]) -> str:
    """The last line that doesn't only point at one above."""
    said = [line.strip() for line in reversed(lines)]
    return next((line for line in said if not re.match(_POINTER, line)), *said[:1] or [""])


def _without_progress(line: str) -> str:
    """``curl`` ends the line of its progress with the error."""
    progress, mark, error = line.partition("curl: (")
    return f"{mark}{error}" if "--:--" in progress else line
