"""``status``: the store at a glance."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from queuectl_tui.commands.options import json_option
from queuectl_tui.commands.polling import until_changed
from queuectl_tui.output import (
    print_fields,
    print_json,
    print_json_line,
    print_table,
    status_to_json,
)
from queuectl_tui.session import current_queue
from queuectl_tui.streams import flush, write
from queuectl_tui.text import duration
from store import JobState, Status

if TYPE_CHECKING:
    from store.queue import Queue

_REFRESH = 1.0  # seconds: ages grow even when nothing else changes
_BETWEEN = 0.2  # seconds, at least: no eye follows faster
_CLEAR = "\x1b[H\x1b[2J"


@click.command("status")
@click.option("--watch", is_flag=True, help="Print again whenever something changes.")
@json_option
def command(watch: bool, as_json: bool) -> None:
    """Show counts per state, workers, queues and throughput."""
    queue = current_queue()
    if watch:
        _watch(queue, as_json=as_json)
    elif as_json:
        print_json(status_to_json(queue.status()))
    else:
        _print_status(queue.status())


def _watch(queue: Queue, *, as_json: bool) -> None:
    """On a terminal a screen that stays in place, else one report after another."""
    in_place = sys.stdout.isatty() and not as_json
    while True:
        token = queue.change_token()
        status = queue.status()
        if as_json:
            print_json_line(status_to_json(status))
        else:
            write(_CLEAR if in_place else "")
            _print_status(status)
            write("" if in_place else "\n")
        flush()
        time.sleep(_BETWEEN)
        until_changed(queue, token, deadline=time.monotonic() + _REFRESH if in_place else None)


def _print_status(status: Status) -> None:
    print_table(("STATE", "JOBS"), [(state, status.counts.get(state, 0)) for state in JobState])
    write("\n")
    oldest = status.oldest_pending_seconds
    print_fields(
        {
            "workers": f"{status.workers_up} up, {status.workers_busy} busy,"
            f" {status.workers_stale} stale",
            "oldest pending": None if oldest is None else duration(oldest),
            "completed per minute": f"{status.completed_per_minute:g}",
        }
    )
    if status.queues:
        write("\n")
        print_table(
            ("QUEUE", "PENDING", "RUNNING", "LIMIT", "PAUSED"),
            [
                (
                    queue.name,
                    queue.pending,
                    queue.processing,
                    queue.max_running,
                    "yes" if queue.paused else None,
                )
                for queue in status.queues
            ],
        )
