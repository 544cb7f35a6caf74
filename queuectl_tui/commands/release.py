"""``release``: let held jobs start."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import Chosen, chosen_jobs, print_ids
from queuectl_tui.commands.narration import tell_if_unserved
from queuectl_tui.session import current_queue
from store import HOLDABLE


@click.command("release")
@chosen_jobs(HOLDABLE, done="released")
def command(chosen: Chosen, dry_run: bool) -> None:
    """Let held jobs start: at once, if they are due and wait for nothing else.

    They are named, or all held ones that match a filter.
    """
    queue = current_queue()
    if dry_run:
        print_ids(chosen.ids_held(queue, held=True))
        return
    if chosen.wanted is not None:
        released = queue.unhold_matching(chosen.wanted)
        streams.narrate(f"{released.total()} released")
        tell_if_unserved(queue, released)
        return
    before = {job.id for job in chosen.jobs(queue) if job.held}
    jobs = queue.unhold(chosen.ids)
    for job in jobs:
        streams.narrate(f"{job.id}: {'released' if job.id in before else 'was not held'}")
    tell_if_unserved(queue, {job.queue for job in jobs if job.id in before})
