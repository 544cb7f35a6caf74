"""``hold``: start none of some waiting jobs."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import Chosen, chosen_jobs, print_ids
from queuectl_tui.session import current_queue
from store import HOLDABLE


@click.command("hold")
@chosen_jobs(HOLDABLE, done="held")
def command(chosen: Chosen, dry_run: bool) -> None:
    """Keep waiting jobs from being started, until "release".

    They are named, or all that match a filter and aren't held yet. A held job keeps its state: it
    is pending, blocked or about to be retried.
    """
    queue = current_queue()
    if dry_run:
        print_ids(chosen.ids_held(queue, held=False))
        return
    if chosen.wanted is not None:
        streams.narrate(f"{queue.hold_matching(chosen.wanted).total()} held")
        return
    before = {job.id for job in chosen.jobs(queue) if job.held}
    for job in queue.hold(chosen.ids):
        streams.narrate(f"{job.id}: {'held already' if job.id in before else 'held'}")
