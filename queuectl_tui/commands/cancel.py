"""``cancel``: stop jobs for good."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import Chosen, chosen_jobs
from queuectl_tui.commands.options import yes_option
from queuectl_tui.confirm import confirm
from queuectl_tui.session import current_queue
from store import UNFINISHED, Job, JobState

_LONG_MS = 60_000


@click.command("cancel")
@chosen_jobs(UNFINISHED, done="cancelled")
@yes_option
def command(chosen: Chosen, dry_run: bool, yes: bool) -> None:
    """Cancel jobs: waiting ones at once, running ones by SIGTERM, after the grace SIGKILL.

    They are named, or all that match a filter.
    """
    queue = current_queue()
    if dry_run:
        chosen.print_ids(queue)
        return
    now = queue.now()
    running = chosen.running(queue)
    long = [job for job in running if _has_run_long(job, now)]
    if long:
        confirm("Cancel what runs?", long, now=now, yes=yes)
    if chosen.wanted is not None:
        stopped = len(running)
        ended = max(0, queue.cancel_matching(chosen.wanted) - stopped)
        what = f", {stopped} running: being stopped" if stopped else ""
        streams.narrate(f"{ended} cancelled{what}")
    for job in queue.cancel(chosen.ids) if chosen.ids else ():
        goes_on = job.state is JobState.PROCESSING
        streams.narrate(f"{job.id}: {'is being stopped' if goes_on else 'cancelled'}")


def _has_run_long(job: Job, now: int) -> bool:
    return job.started_at is not None and now - job.started_at > _LONG_MS
