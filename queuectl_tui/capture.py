"""What a job takes along from the environment that it was enqueued in."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.queue import Queue


def captured_env(
    queue: Queue, environ: Mapping[str, str] = os.environ, extra: Collection[str] = ()
) -> dict[str, str]:
    """The variables that setting ``capture_env`` names, and those in ``extra``."""
    return select_env(queue.settings.get("capture_env"), environ, extra)


def select_env(
    patterns: str, environ: Mapping[str, str], extra: Collection[str] = ()
) -> dict[str, str]:
    """The variables of ``environ`` that match one of ``patterns``, parted by blanks, or are named.

    What isn't text can't be stored and stays behind.
    """
    wanted = patterns.split()
    return {
        name: value
        for name, value in environ.items()
        if (name in extra or any(fnmatchcase(name, pattern) for pattern in wanted))
        and _is_text(name + value)
    }


def _is_text(value: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in value)
