"""``prune``: remove finished jobs by age and state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from queuectl_tui import streams
from queuectl_tui.commands.options import Duration, states_option, yes_option
from queuectl_tui.confirm import confirm_bulk, deletion
from queuectl_tui.session import current_queue
from store import FINISHED, Job, JobFilter, JobState, Order

if TYPE_CHECKING:
    from store.queue import Queue


@click.command("prune")
@click.option(
    "--older-than",
    type=Duration(needs_unit=True),
    help="Only what ended at least this long ago, such as 30d.",
)
@states_option("states")
@click.option("--dry-run", is_flag=True, help="Print the ids of what would go.")
@yes_option
def command(
    *, older_than: float | None, states: tuple[JobState, ...], dry_run: bool, yes: bool
) -> None:
    """Remove finished jobs, dead ones too, with their history and logs."""
    if unfinished := [state.label for state in states if not state.finished]:
        raise click.BadParameter(f"{unfinished[0]} jobs aren't finished", param_hint="--state")
    queue = current_queue()
    wanted = JobFilter(states=frozenset(states) or FINISHED)
    before = None if older_than is None else queue.now() - round(older_than * 1000)
    jobs = _ended(queue, wanted, before)
    if dry_run:
        for job in jobs:
            streams.write(f"{job.id}\n")
        return
    if jobs:
        confirm_bulk(deletion(len(jobs)), jobs, now=queue.now(), yes=yes)
    removed = queue.delete_matching(wanted, finished_before=before)
    streams.narrate(f"{removed} deleted")


def _ended(queue: Queue, wanted: JobFilter, before: int | None) -> list[Job]:
    jobs = queue.jobs(wanted, Order("finished"))
    if before is None:
        return jobs
    return [job for job in jobs if job.updated_at < before]
