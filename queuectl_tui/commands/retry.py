"""``retry``: run jobs again, now."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import Chosen, chosen_jobs, print_ids, require_none_left
from queuectl_tui.commands.narration import tell_if_unserved
from queuectl_tui.session import current_queue
from store import RETRYABLE, JobState


@click.command("retry")
@chosen_jobs(RETRYABLE, done="retried", unless_told=RETRYABLE - {JobState.COMPLETED})
def command(chosen: Chosen, dry_run: bool) -> None:
    """Run completed, failed, dead or cancelled jobs again, now.

    They are named, or all that match a filter; completed ones only if --state says so. Of those
    that match, jobs whose unique key is in use are left as they are (exit code 1); of several with
    the same key the newest runs.
    """
    queue = current_queue()
    if chosen.wanted is not None:
        retried = queue.retry_matching(chosen.wanted, dry_run=dry_run)
        if dry_run:
            print_ids(retried.ids)
        else:
            streams.narrate(f"{len(retried.ids)} to run again")
            tell_if_unserved(queue, retried.queues)
        require_none_left(retried.left)
        return
    jobs = queue.retry(chosen.ids, dry_run=dry_run)
    if dry_run:
        print_ids(chosen.ids)
        return
    for job in jobs:
        streams.narrate(f"{job.id}: {job.state.label}")
    tell_if_unserved(queue, {job.queue for job in jobs})
