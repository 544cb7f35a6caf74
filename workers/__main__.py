"""The processes behind ``worker start``; people start them with ``queuectl-tui worker start``.

python -P -m queuectl_tui.process worker STORE ID [--report] [--paused] [QUEUE…]
python -P -m queuectl_tui.process supervisor STORE POOL COUNT [--until-empty] [QUEUE…]
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence

from store import QueueError, open_store

PATIENCE = 0.3  # seconds to wait for the store before looking at signals and orders again


def worker(url: str, worker_id: str, *rest: str) -> int:
    from workers.worker import Worker

    queue = open_store(url, create=False, durable=False, patience=PATIENCE)
    one = Worker(
        queue, worker_id, queues=_names(rest), report="--report" in rest, paused="--paused" in rest
    )
    gc.freeze()  # what is there by now stays: no collection need look through it
    one.run()
    return 0


def supervisor(url: str, pool: str, count: str, *rest: str) -> int:
    from workers import run_supervisor

    return run_supervisor(
        url,
        pool=pool,
        count=int(count),
        queues=_names(rest),
        narrate=_log,
        until_empty="--until-empty" in rest,
    )


def _names(words: Sequence[str]) -> list[str]:
    """Those that are no options."""
    return [word for word in words if not word.startswith("--")]


def _log(event: str) -> None:
    """Into the supervisor's log, which is its standard error."""
    from datetime import datetime

    os.write(2, f"{datetime.now():%Y-%m-%d %H:%M:%S} {event}\n".encode(errors="replace"))


def main(arguments: Sequence[str]) -> int:
    role, *rest = arguments
    roles: dict[str, Callable[..., int]] = {"worker": worker, "supervisor": supervisor}
    try:
        return roles[role](*rest)
    except QueueError as error:
        _log(f"Error: {error}")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
