"""``cancel``: stop jobs for good."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.commands.options import yes_option
from queuectl_tui.confirm import confirm
from queuectl_tui.session import current_queue
from store import Job, JobState

_LONG_MS = 60_000


@click.command("cancel")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@yes_option
def command(ids: tuple[str, ...], yes: bool) -> None:
    """Cancel jobs: waiting ones at once, running ones by SIGTERM, after the grace SIGKILL."""
    queue = current_queue()
    now = queue.now()
    long = [job for job in map(queue.job, ids) if _has_run_long(job, now)]
    if long:
        confirm("Cancel what runs?", long, now=now, yes=yes)
    for job in queue.cancel(ids):
        running = job.state is JobState.PROCESSING
        streams.narrate(f"{job.id}: {'is being stopped' if running else 'cancelled'}")


def _has_run_long(job: Job, now: int) -> bool:
    running = job.state is JobState.PROCESSING and job.started_at is not None
    return running and now - (job.started_at or 0) > _LONG_MS
