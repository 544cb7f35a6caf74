"""Wait for the store to change: a cheap question, asked some twenty times a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.queue import Queue

INTERVAL = 0.05


def until_changed(
    queue: Queue, token: int, *, deadline: float | None = None, rest: float = 0.0
) -> bool:
    """Return when the change token is no longer ``token``: False if ``deadline`` came first.

    ``deadline`` is by ``time.monotonic()``. Nothing is asked in the next ``rest`` seconds, however
    much changes.
    """
    until = time.monotonic() + rest
    time.sleep(max(0.0, (until if deadline is None else min(until, deadline)) - time.monotonic()))
    while queue.change_token() == token:
        pause = INTERVAL if deadline is None else min(INTERVAL, deadline - time.monotonic())
        if pause <= 0:
            return False
        time.sleep(pause)
    return True
