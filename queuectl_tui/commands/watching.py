"""Print again whenever something changes: in place on a terminal, else one after another."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from queuectl_tui.commands.polling import until_changed
from queuectl_tui.streams import can_paint, flush, write

if TYPE_CHECKING:
    from store.queue import Queue

_REFRESH = 1.0  # seconds: ages grow even when nothing else changes
_BETWEEN = 0.2  # seconds, at least: no eye follows faster
_CLEAR = "\x1b[H\x1b[2J"


def watch(queue: Queue, show: Callable[[], None], *, as_json: bool) -> None:
    """Call ``show`` until interrupted."""
    in_place = can_paint() and not as_json
    while True:
        token = queue.change_token()
        write(_CLEAR if in_place else "")
        show()
        write("" if in_place or as_json else "\n")
        flush()
        time.sleep(_BETWEEN)
        until_changed(queue, token, deadline=time.monotonic() + _REFRESH if in_place else None)
