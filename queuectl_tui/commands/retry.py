"""``retry``: run jobs again, now."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import Chosen, chosen_jobs
from queuectl_tui.session import current_queue
from store import RETRYABLE, JobState


@click.command("retry")
@chosen_jobs(RETRYABLE, done="retried", unless_told=RETRYABLE - {JobState.COMPLETED})
def command(chosen: Chosen, dry_run: bool) -> None:
    """Run completed, failed, dead or cancelled jobs again, now.

    They are named, or all that match a filter; completed ones only if --state says so.
    """
    queue = current_queue()
    if dry_run:
        chosen.print_ids(queue)
        return
    if chosen.wanted is not None:
        streams.narrate(f"{queue.retry_matching(chosen.wanted)} to run again")
    for job in queue.retry(chosen.ids) if chosen.ids else ():
        streams.narrate(f"{job.id}: {job.state.label}")
