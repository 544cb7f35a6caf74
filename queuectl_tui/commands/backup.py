"""``backup``: a consistent copy while everything runs."""

from __future__ import annotations

from pathlib import Path

import click

from queuectl_tui import streams
from queuectl_tui.session import current_queue
from queuectl_tui.text import counted


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--without-outputs", is_flag=True, help="Leave out outputs that are files.")
def command(file: Path, without_outputs: bool) -> None:
    """Copy the store, as it is now, into the new FILE.

    Large outputs are copied into the folder FILE.d. The copy is a store of its own, to be used with
    --db FILE; what was running starts over there.
    """
    number = current_queue().backup(file.absolute(), outputs=not without_outputs)
    outputs = f", {'without' if without_outputs else 'with'} {counted(number, 'large output')}"
    streams.narrate(f"Copied to {file}{outputs if number else ''}")
