"""``backup``: a consistent copy while everything runs."""

from __future__ import annotations

from pathlib import Path

import click

from queuectl_tui import streams
from queuectl_tui.session import current_queue


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def command(file: Path) -> None:
    """Copy the store, as it is now, into the new FILE.

    The copy is a store of its own, to be used with --db FILE.
    """
    left = current_queue().backup(file.absolute())
    streams.narrate(f"Copied to {file}")
    if left:
        streams.narrate(f"{left} large outputs are files beside the store, and not in the copy")
