"""What ``pause`` and ``resume`` share: the wait until the workers have done it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

import click

from queuectl_tui import streams
from queuectl_tui.commands.options import Duration
from queuectl_tui.commands.polling import until_changed
from queuectl_tui.text import duration
from store import PauseProgress, WorkerState

if TYPE_CHECKING:
    from store.queue import Queue

TIMED_OUT = 124
_PATIENCE = 10.0
_NAMED = 5

timeout_option = click.option(
    "--timeout",
    type=Duration(),
    default=_PATIENCE,
    show_default="10s",
    help="Give up waiting for the worker after this long (exit code 124).",
)


class Wish(Enum):
    """What was asked of the workers; the value is how it reads once done."""

    PAUSE = "paused"
    RESUME = "resumed"


def until_done(
    queue: Queue, wish: Wish, attempts: Sequence[int], timeout: float, *, named: bool
) -> int:
    """Wait until the workers have done as they were asked, and tell; the exit code.

    ``named``: each job was, and is told of.
    """
    deadline = time.monotonic() + timeout
    while True:
        token = queue.change_token()
        progress = queue.pausing(attempts)
        # a job that has ended since it was resumed did go on
        undone = [one for one in progress if one.is_paused is not (wish is Wish.PAUSE)]
        late = [one for one in undone if one.runs and not one.is_refused]
        if not late or time.monotonic() >= deadline:
            break
        until_changed(queue, token, deadline=deadline)
    _tell_done([one.job_id for one in progress if one not in undone], wish, named=named)
    failed = [one for one in undone if one not in late]
    for one in failed:
        streams.narrate(f"Error: {_why_not(one)}")
    if late:
        streams.narrate(f"Error: {_late(queue, late, wish, timeout)}")
        return TIMED_OUT
    return 1 if failed else 0


def _why_not(one: PauseProgress) -> str:
    if one.runs:
        return f"{one.job_id} runs on: {one.pause.problem}"
    return f"{one.job_id} ended before it was paused"


def _tell_done(ids: Sequence[str], wish: Wish, *, named: bool) -> None:
    if not named:
        streams.narrate(f"{len(ids)} {wish.value}")
        return
    for job_id in ids:
        streams.narrate(f"{job_id}: {wish.value}")


def _late(queue: Queue, late: Sequence[PauseProgress], wish: Wish, timeout: float) -> str:
    heard = {worker.id for worker in queue.workers() if worker.state is not WorkerState.STALE}
    jobs = [f"{one.job_id} (worker {one.worker}{_silence(one, heard)})" for one in late[:_NAMED]]
    more = ", …" if len(late) > _NAMED else ""
    return (
        f"not {wish.value} after {duration(timeout)}: {', '.join(jobs)}{more};"
        " still asked for, and done as soon as the worker can"
    )


def _silence(one: PauseProgress, heard: set[str]) -> str:
    return "" if one.worker in heard else " is silent"
