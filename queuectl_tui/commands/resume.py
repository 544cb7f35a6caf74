"""``resume``: let paused jobs go on."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import Chosen, chosen_jobs
from queuectl_tui.commands.pausing import Wish, timeout_option, until_done
from queuectl_tui.session import current_queue
from store import RUNNING


@click.command("resume")
@chosen_jobs(RUNNING, done="resumed")
@timeout_option
def command(chosen: Chosen, dry_run: bool, timeout: float) -> int:
    """Let paused jobs go on where they stopped.

    They are named, or all paused ones that match a filter.
    """
    queue = current_queue()
    if dry_run:
        for job in chosen.jobs(queue):
            if job.paused or chosen.ids:
                streams.write(f"{job.id}\n")
        return 0
    if chosen.wanted is not None:
        attempts = queue.resume_matching(chosen.wanted)
    else:
        attempts = queue.resume(chosen.ids)
    return until_done(queue, Wish.RESUME, attempts, timeout, named=bool(chosen.ids))
