"""``wait``: return when jobs have ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import ANY, Chosen, chosen_jobs
from queuectl_tui.commands.narration import Narrator
from queuectl_tui.commands.options import Duration, json_option
from queuectl_tui.commands.polling import until_changed
from queuectl_tui.commands.show import with_history
from queuectl_tui.output import print_json_array
from queuectl_tui.session import current_queue
from store import UNFINISHED, JobFilter, JobState, QueueError

if TYPE_CHECKING:
    from store.queue import Queue

TIMED_OUT = 124
_NAMED = 5
_REST = 10  # times as long as a look took, before the next
_GOOD_SO_FAR = UNFINISHED | {JobState.COMPLETED}


@click.command("wait")
@chosen_jobs(ANY, done="waited for", or_else="--all")
@click.option("--all", "everything", is_flag=True, help="Those that are unfinished now.")
@click.option("--timeout", type=Duration(), help="Give up after this long (exit code 124).")
@json_option
def command(
    *, chosen: Chosen, dry_run: bool, everything: bool, timeout: float | None, as_json: bool
) -> int:
    """Wait until jobs end: exit code 0 if all completed, else 1.

    They are named, or all that match a filter now, ended ones too. A job that is held, or blocked
    behind a held, dead or cancelled one, counts as ended. --json prints them as they then
    stand, at a timeout too, without those that were deleted meanwhile.
    """
    if (bool(chosen.ids) or chosen.wanted is not None) is everything:
        raise click.UsageError("Give ids, a filter, or --all.")
    queue = current_queue()
    waiting = queue.ids(JobFilter(states=UNFINISHED)) if everything else chosen.ids_in(queue)
    if not (waiting or everything):
        raise QueueError("no job matches")
    if dry_run:
        _print_ids(waiting, as_json=as_json)
        return 0
    code = _wait(queue, waiting, None if timeout is None else time.monotonic() + timeout)
    if as_json:
        print_json_array(with_history(queue, waiting))
    return code


def _print_ids(waiting: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json_array({"id": job_id} for job_id in waiting)
    else:
        streams.write("".join(f"{job_id}\n" for job_id in waiting))


def _wait(queue: Queue, waiting: list[str], deadline: float | None) -> int:
    """All that haven't ended are looked at together, whenever something has changed."""
    completed, narrator = True, Narrator(queue)
    while True:
        token, began = queue.change_token(), time.monotonic()
        found = queue.outlooks(waiting)
        took = time.monotonic() - began
        completed &= all(
            job_id in found and found[job_id].state in _GOOD_SO_FAR for job_id in waiting
        )
        waiting = [
            job_id for job_id in waiting if job_id in found and not found[job_id].state.finished
        ]
        going = [job_id for job_id in waiting if not found[job_id].is_over]
        if not going:
            return 0 if completed and not waiting else 1
        if deadline is not None and time.monotonic() >= deadline:
            return _give_up(going)
        narrator.tell(going)
        until = narrator.next_at if deadline is None else min(deadline, narrator.next_at)
        until_changed(queue, token, deadline=until, rest=_REST * took)


def _give_up(late: Sequence[str]) -> int:
    names = ", ".join(late[:_NAMED]) + (", …" if len(late) > _NAMED else "")
    streams.narrate(f"Error: timed out; {len(late)} unfinished: {names}")
    return TIMED_OUT
