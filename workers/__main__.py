"""The processes behind ``worker start``; people start them with ``queuectl-tui worker start``.

python -P -m queuectl_tui.process worker STORE ID --file=DEVICE:INODE [OPTION…] [QUEUE…]
python -P -m queuectl_tui.process supervisor STORE POOL COUNT [OPTION…] [QUEUE…]
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from store import QueueError, open_store

PATIENCE = 0.3  # seconds to wait for the store before looking at signals and orders again


def worker(url: str, worker_id: str, *rest: str) -> int:
    from workers.presence import FILE_OPTION, require_file
    from workers.worker import Worker

    file = _value(rest, FILE_OPTION)
    require_file(url, file)  # or opening it could change what isn't the supervisor's
    queue = open_store(url, create=False, durable=False, patience=PATIENCE)
    require_file(url, file)
    one = Worker(
        queue,
        worker_id,
        queues=_names(rest),
        report="--report" in rest,
        paused="--paused" in rest,
        log=_log,
    )
    gc.freeze()  # what is there by now stays: no collection need look through it
    one.run()
    return 0


def supervisor(url: str, pool: str, count: str, *rest: str) -> int:
    from workers import run_supervisor

    starter = _Starter(rest)

    def narrate(event: str) -> None:
        starter.let_go()  # whoever narrates is up
        _log(event)

    try:
        return run_supervisor(
            url,
            pool=pool,
            count=int(count),
            queues=_names(rest),
            narrate=narrate,
            until_empty="--until-empty" in rest,
        )
    except (QueueError, OSError) as error:
        starter.tell(_reason(error))
        raise


class _Starter:
    """Who started a supervisor: hears through a descriptor of its own why it doesn't come up."""

    def __init__(self, words: Sequence[str]) -> None:
        number = _value(words, "--errors=")
        self._fd = int(number) if number else None

    def tell(self, why: str) -> None:
        if self._fd is not None:
            with suppress(OSError):
                os.write(self._fd, why.encode(errors="replace"))

    def let_go(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _value(words: Sequence[str], option: str) -> str:
    return next((word.removeprefix(option) for word in words if word.startswith(option)), "")


def _names(words: Sequence[str]) -> list[str]:
    """Those that are no options."""
    return [word for word in words if not word.startswith("--")]


def _log(event: str) -> None:
    """Into the supervisor's log, which is its standard error."""
    from datetime import datetime

    with suppress(OSError):  # a log that can't be written stops nobody
        os.write(2, f"{datetime.now():%Y-%m-%d %H:%M:%S} {event}\n".encode(errors="replace"))


def _reason(error: QueueError | OSError) -> str:
    if isinstance(error, QueueError) or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def main(arguments: Sequence[str]) -> int:
    role, *rest = arguments
    roles: dict[str, Callable[..., int]] = {"worker": worker, "supervisor": supervisor}
    try:
        return roles[role](*rest)
    except (QueueError, OSError) as error:
        _log(f"Error: {_reason(error)}")
        return error.exit_code if isinstance(error, QueueError) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
