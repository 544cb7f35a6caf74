"""``wait``: return when jobs have ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import ANY, UNFINISHED, Chosen, chosen_jobs
from queuectl_tui.commands.options import Duration, json_option
from queuectl_tui.commands.polling import is_over, until_changed
from queuectl_tui.commands.show import with_history
from queuectl_tui.output import print_json_array
from queuectl_tui.session import current_queue
from store import JobFilter, JobState, NoSuchJob, Order, QueueError

if TYPE_CHECKING:
    from store.queue import Queue

TIMED_OUT = 124
_NAMED = 5


@click.command("wait")
@chosen_jobs(ANY, done="waited for", or_else="--all")
@click.option("--all", "everything", is_flag=True, help="Those that are unfinished now.")
@click.option("--timeout", type=Duration(), help="Give up after this long (exit code 124).")
@json_option
def command(
    *, chosen: Chosen, dry_run: bool, everything: bool, timeout: float | None, as_json: bool
) -> int:
    """Wait until jobs end: exit code 0 if all completed, else 1.

    They are named, or all that match a filter now, ended ones too. A job that is blocked behind a
    dead or cancelled one has ended. --json prints them as they then stand, at a timeout too,
    without those that were deleted meanwhile.
    """
    if (bool(chosen.ids) or chosen.wanted is not None) is everything:
        raise click.UsageError("Give ids, a filter, or --all.")
    queue = current_queue()
    waiting = _unfinished(queue) if everything else [job.id for job in chosen.jobs(queue)]
    if not (waiting or everything):
        raise QueueError("no job matches")
    if dry_run:
        _print_ids(waiting, as_json=as_json)
        return 0
    code = _wait(queue, waiting, None if timeout is None else time.monotonic() + timeout)
    if as_json:
        print_json_array(_shown(queue, waiting))
    return code


def _unfinished(queue: Queue) -> list[str]:
    return [job.id for job in queue.iter_jobs(JobFilter(states=UNFINISHED), Order())]


def _print_ids(waiting: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json_array({"id": job_id} for job_id in waiting)
    else:
        streams.write("".join(f"{job_id}\n" for job_id in waiting))


def _wait(queue: Queue, waiting: list[str], deadline: float | None) -> int:
    completed = True
    for at, job_id in enumerate(waiting):
        if not _until_over(queue, job_id, deadline):
            return _give_up(queue, waiting[at:])
        completed &= _state(queue, job_id) is JobState.COMPLETED
    return 0 if completed else 1


def _shown(queue: Queue, waiting: list[str]) -> Iterator[dict[str, object]]:
    for job_id in waiting:
        with suppress(NoSuchJob):
            yield with_history(queue, job_id)


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
