"""The limits of a queue as people write them, on the command line and in the app."""

from __future__ import annotations

import re

from store import InvalidInput
from store.documents import check_strings

_NONE = "none"
_VARIABLE = "[A-Za-z_][A-Za-z0-9_]*"
_MOST = 1_000_000


def most_running(text: str) -> int | None:
    """How many may run at once; ``None`` for ``none``. Raises ``InvalidInput``."""
    if text.lower() == _NONE:
        return None
    if text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= _MOST:
        return int(text)
    raise InvalidInput(
        f"must be from 1 to {_MOST}, or none, not {text[:40]!r}; to run none, pause the queue"
    )


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
