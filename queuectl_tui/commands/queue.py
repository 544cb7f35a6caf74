"""``queue``: named queues, paused, bounded, and given slots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from queuectl_tui import streams
from queuectl_tui.commands.options import (
    CommandGroup,
    Name,
    json_option,
    no_header_option,
    refuse_with_json,
)
from queuectl_tui.output import print_json_array, print_table, queue_to_json
from queuectl_tui.queue_limits import limits_text, most_running, slot_values, start_rate
from queuectl_tui.session import current_queue
from queuectl_tui.text import duration
from store import InvalidInput, JobState, QueueDepth, QueueInfo

_WAITING = (JobState.PENDING, JobState.FAILED, JobState.BLOCKED)


@click.group("queue", cls=CommandGroup)
def command() -> None:
    """Queues: list, pause, resume, remove, and how much of them runs, at once or in a time."""


@command.command("list")
@no_header_option
@json_option
def list_queues(no_header: bool, as_json: bool) -> None:
    """List queues with what waits and runs in them."""
    depths = current_queue().queues.all()
    if as_json:
        refuse_with_json(no_header=no_header)
        print_json_array(map(queue_to_json, depths))
        return
    columns = ("QUEUE", "DEPTH", "RUNNING", "OLDEST", "PER MINUTE", "LIMITS", "PAUSED", "SLOTS")
    print_table(columns, map(_row, depths), header=not no_header)


_all_option = click.option("--all", "everything", is_flag=True, help="Every queue there is.")


@command.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, type=Name())
@_all_option
def pause(names: tuple[str, ...], everything: bool) -> None:
    """Start no more jobs of queues; what runs goes on.

    A queue that isn't there yet is made.
    """
    _set_paused(names, everything, paused=True)


@command.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@_all_option
def resume(names: tuple[str, ...], everything: bool) -> None:
    """Start jobs of queues again."""
    _set_paused(names, everything, paused=False)


@command.command("set")
@click.argument("name", type=Name())
@click.option("--max-running", metavar="N|none", help="How many run at once, over all workers.")
@click.option(
    "--max-per-label",
    metavar="N|none",
    help="How many run at once with the same label; jobs without one have no such limit.",
)
@click.option(
    "--rate",
    metavar="N/TIME|none",
    help="How many attempts begin within any such time, retries too: 10/1m.",
)
@click.option(
    "--slot-env",
    metavar="VAR=A,B,…|none",
    help="Give each running job one of the values in VAR; no more run than there are.",
)
def set_(
    name: str,
    max_running: str | None,
    max_per_label: str | None,
    rate: str | None,
    slot_env: str | None,
) -> None:
    """Bound what runs of a queue, at once or in a time.

    A queue that isn't there yet is made. A limit stays until it is set anew, or to none.
    """
    if max_running is max_per_label is rate is slot_env is None:
        raise click.UsageError("Give --max-running, --max-per-label, --rate or --slot-env.")
    with _naming("--max-running"):
        most = None if max_running is None else most_running(max_running)
    with _naming("--max-per-label"):
        most_per_label = None if max_per_label is None else most_running(max_per_label)
    with _naming("--rate"):
        starts = None if rate is None else start_rate(rate)
    with _naming("--slot-env"):
        variable, values = (None, []) if slot_env is None else slot_values(slot_env)
    queues = current_queue(create=True).queues
    if max_running is not None:
        queues.set_max_running(name, most)
    if max_per_label is not None:
        queues.set_max_per_label(name, most_per_label)
    if rate is not None:
        queues.set_rate(name, starts)
    if slot_env is not None:
        queues.set_slots(name, variable, values)


@command.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def remove(names: tuple[str, ...]) -> None:
    """Forget queues that have no jobs, finished ones included, and their limits.

    A queue is there again, without limits, once a job names it.
    """
    for name in current_queue().queues.remove(names):
        streams.narrate(f"Queue {name} is removed")


def _set_paused(names: tuple[str, ...], everything: bool, *, paused: bool) -> None:
    if bool(names) is everything:
        raise click.UsageError("Give names, or --all.")
    for name in current_queue().queues.set_paused(names or None, paused):
        streams.narrate(f"Queue {name} is {'paused' if paused else 'resumed'}")


@contextmanager
def _naming(option: str) -> Iterator[None]:
    """Says which option it was that can't be meant."""
    try:
        yield
    except InvalidInput as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _row(depth: QueueDepth) -> tuple[object, ...]:
    info, oldest = depth.info, depth.oldest_pending_seconds
    return (
        info.name,
        sum(depth.counts.get(state, 0) for state in _WAITING),
        info.processing,
        None if oldest is None else duration(oldest),
        f"{depth.completed_per_minute:g}",
        _limits(info),
        "yes" if info.paused else None,
        f"{info.slot_name}={','.join(info.slots)}" if info.slot_name else None,
    )


def _limits(info: QueueInfo) -> str | None:
    most = [str(info.max_running)] if info.max_running else []
    return ", ".join([*most, *filter(None, [limits_text(info)])]) or None
