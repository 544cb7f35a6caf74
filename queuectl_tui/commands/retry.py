"""``retry``: run jobs again, now."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.session import current_queue


@click.command("retry")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def command(ids: tuple[str, ...]) -> None:
    """Run completed, failed, dead or cancelled jobs again, now."""
    for job in current_queue().retry(ids):
        streams.narrate(f"{job.id}: {job.state.value}")
