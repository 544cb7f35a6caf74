"""``delete``: remove finished jobs by name."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.session import current_queue


@click.command("delete")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def command(ids: tuple[str, ...]) -> None:
    """Remove finished jobs, dead ones too, with their history and logs."""
    current_queue().delete(ids)
    for job_id in ids:
        streams.narrate(f"{job_id}: deleted")
