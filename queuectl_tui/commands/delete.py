"""``delete``: remove finished jobs."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import Chosen, chosen_jobs
from queuectl_tui.commands.options import yes_option
from queuectl_tui.confirm import confirm_deletion
from queuectl_tui.session import current_queue
from store import FINISHED


@click.command("delete")
@chosen_jobs(FINISHED, done="deleted")
@yes_option
def command(chosen: Chosen, dry_run: bool, yes: bool) -> None:
    """Remove finished jobs, dead ones too, with their history and logs.

    They are named, or all that match a filter, which asks first; without a terminal it needs --yes.
    """
    queue = current_queue()
    if dry_run:
        chosen.print_ids(queue)
    elif chosen.wanted is None:
        queue.delete(chosen.ids)
        for job_id in chosen.ids:
            streams.narrate(f"{job_id}: deleted")
    else:
        confirm_deletion(queue, chosen.wanted, yes=yes)
        streams.narrate(f"{queue.delete_matching(chosen.wanted)} deleted")
