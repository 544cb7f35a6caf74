"""What is said about one field of a job: where, what, and the wrong value quoted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from store.errors import InvalidInput

_LONG = 10**40  # more digits than are worth reading


class FieldError(InvalidInput):
    """One field of one job is wrong. ``field`` is empty where the job as a whole is."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem


def refuse(field: str, problem: str) -> NoReturn:
    """Say what is wrong with a field. Raises ``FieldError``."""
    raise FieldError(field, problem)


def shown(value: object) -> str:
    """A value as an error message quotes it: on one line, short, printable."""
    if isinstance(value, str):
        return f'"{_printable(value)}"'
    if isinstance(value, list):
        return "an array"
    if isinstance(value, int) and abs(value) > _LONG:
        return f"{str(value)[:20]}… (too {'large' if value > 0 else 'small'})"
    if value is None or isinstance(value, int | float):
        import json

        return _printable(json.dumps(value))
    return "an object"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question to append to an error about a misspelt word, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(word.lower().replace("-", "_"), [*known], 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""


def field_name(name: str) -> str:
    """The name of a field that came from outside, as ``FieldError`` takes it."""
    return _printable(name) or '""'


def _printable(text: str, limit: int = 40) -> str:
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
