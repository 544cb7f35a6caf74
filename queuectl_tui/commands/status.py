"""``status``: the store at a glance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from queuectl_tui.commands.options import json_option
from queuectl_tui.commands.watching import watch as watch_store
from queuectl_tui.output import (
    print_fields,
    print_json,
    print_json_line,
    print_table,
    status_to_json,
)
from queuectl_tui.session import current_queue
from queuectl_tui.streams import write
from queuectl_tui.text import duration
from queuectl_tui.waiting import Reason, Waiting, reasons_to_json
from store import JobState, Status

if TYPE_CHECKING:
    from store.queue import Queue


@click.command("status")
@click.option("--watch", is_flag=True, help="Print again whenever something changes.")
@json_option
def command(watch: bool, as_json: bool) -> None:
    """Show counts per state, workers, queues and throughput."""
    queue = current_queue()
    if watch:
        printed = print_json_line if as_json else None
        watch_store(queue, lambda: _show(queue, printed), as_json=as_json)
    else:
        _show(queue, print_json if as_json else None)


def _show(queue: Queue, print_document: Callable[[object], None] | None) -> None:
    status = _status(queue)
    waiting = Waiting(queue, status)
    waits_for = {info.name: waiting.of_queue(info.name) for info in status.queues if info.waiting}
    if print_document is None:
        _print_status(status, waits_for)
    else:
        in_json = {name: reasons_to_json(reasons) for name, reasons in waits_for.items()}
        print_document(status_to_json(status, in_json))


def _status(queue: Queue) -> Status:
    """The store's word on its workers is enough only where it says that none is up."""
    status = queue.status()
    if not status.workers_up:
        return status
    import workers

    return workers.status(queue)


def _print_status(status: Status, waits_for: Mapping[str, Sequence[Reason]]) -> None:
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
            ("QUEUE", "PENDING", "RUNNING", "LIMIT", "PAUSED", "WAITS FOR"),
            [
                (
                    queue.name,
                    queue.pending,
                    queue.processing,
                    queue.max_running,
                    "yes" if queue.paused else None,
                    ", ".join(reason.short for reason in waits_for.get(queue.name, ())) or None,
                )
                for queue in status.queues
            ],
        )
