"""``wait``: return when jobs have ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from queuectl_tui import streams
from queuectl_tui.commands.options import Duration, ids_argument
from queuectl_tui.commands.polling import is_over, until_changed
from queuectl_tui.session import current_queue
from store import FINISHED, JobFilter, JobState, NoSuchJob, Order

if TYPE_CHECKING:
    from store.queue import Queue

TIMED_OUT = 124
_NAMED = 5


@click.command("wait")
@ids_argument
@click.option("--all", "everything", is_flag=True, help="Those that are unfinished now.")
@click.option("--timeout", type=Duration(), help="Give up after this long (exit code 124).")
def command(ids: tuple[str, ...], everything: bool, timeout: float | None) -> int:
    """Wait until jobs end: exit code 0 if all completed, else 1.

    A job that is blocked behind a dead or cancelled one has ended.
    """
    if bool(ids) is everything:
        raise click.UsageError("Give ids, or --all.")
    queue = current_queue()
    deadline = None if timeout is None else time.monotonic() + timeout
    waiting = _unfinished(queue) if everything else [queue.job(job_id).id for job_id in ids]
    completed = True
    for at, job_id in enumerate(waiting):
        if not _until_over(queue, job_id, deadline):
            return _give_up(queue, waiting[at:])
        completed &= _state(queue, job_id) is JobState.COMPLETED
    return 0 if completed else 1


def _unfinished(queue: Queue) -> list[str]:
    wanted = JobFilter(states=frozenset(JobState) - FINISHED)
    return [job.id for job in queue.jobs(wanted, Order())]


def _until_over(queue: Queue, job_id: str, deadline: float | None) -> bool:
    while True:
        token = queue.change_token()
        try:
            if is_over(queue, job_id):
                return True
        except NoSuchJob:
            return True
        if not until_changed(queue, token, deadline=deadline):
            return False


def _state(queue: Queue, job_id: str) -> JobState | None:
    """The job's state; ``None`` when it was deleted meanwhile."""
    try:
        return queue.job(job_id).state
    except NoSuchJob:
        return None


def _give_up(queue: Queue, waiting: list[str]) -> int:
    late = [job_id for job_id in waiting if not _until_over(queue, job_id, 0.0)]
    names = ", ".join(late[:_NAMED]) + (", …" if len(late) > _NAMED else "")
    streams.narrate(f"Error: timed out; {len(late)} unfinished: {names}")
    return TIMED_OUT
