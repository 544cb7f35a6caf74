"""``pause``: stop running jobs where they are."""

from __future__ import annotations

import click

from queuectl_tui.commands.chosen import Chosen, chosen_jobs
from queuectl_tui.commands.pausing import Wish, timeout_option, until_done
from queuectl_tui.session import current_queue
from store import RUNNING


@click.command("pause")
@chosen_jobs(RUNNING, done="paused")
@timeout_option
def command(chosen: Chosen, dry_run: bool, timeout: float) -> int:
    """Stop running jobs where they are, until "resume": every process gets SIGSTOP.

    They are named, or all that match a filter. A paused job keeps its worker and its place under
    max_running; its timeout stands still. One that can't be stopped, as when a process of another
    user is among its own, goes on: exit code 1.
    """
    queue = current_queue()
    if dry_run:
        chosen.print_ids(queue)
        return 0
    if chosen.wanted is not None:
        attempts = queue.pause_matching(chosen.wanted)
    else:
        attempts = queue.pause(chosen.ids)
    return until_done(queue, Wish.PAUSE, attempts, timeout, named=bool(chosen.ids))
