"""``list``: jobs, newest first."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from queuectl_tui import streams
from queuectl_tui.commands.columns import (
    USUAL,
    columns_options,
    print_columns,
    sort_column,
)
from queuectl_tui.commands.options import (
    Count,
    filter_option,
    json_option,
    label_option,
    narrowed,
    queue_option,
    refuse_with_json,
    search_option,
    show_env_option,
    states_option,
)
from queuectl_tui.commands.watching import watch as watch_store
from queuectl_tui.output import job_to_json, print_json_array, print_json_line
from queuectl_tui.session import current_queue
from store import SORT_COLUMNS, Job, JobFilter, JobState, Order
from store.fielderrors import did_you_mean

if TYPE_CHECKING:
    from store.queue import Queue

_ROWS = 100
_NEWEST_FIRST = ("created", "updated", "finished")


@click.command("list")
@states_option("states")
@queue_option
@label_option
@search_option
@filter_option
@click.option("--held", is_flag=True, help="Only held jobs.")
@click.option("--sort", default="created", metavar="COLUMN", help=", ".join(SORT_COLUMNS) + ".")
@click.option("--reverse", is_flag=True)
@click.option("--limit", "-n", type=Count(), metavar="N", help="At most so many.")
@click.option("--offset", type=Count(), default=0, metavar="N", help="Without the first so many.")
@columns_options
@click.option("--watch", is_flag=True, help="Print again whenever something changes.")
@json_option
@show_env_option
def command(
    *,
    states: tuple[JobState, ...],
    queue: str | None,
    label: str | None,
    search: str | None,
    asked: JobFilter | None,
    held: bool,
    sort: str,
    reverse: bool,
    limit: int | None,
    offset: int,
    columns: tuple[str, ...] | None,
    no_header: bool,
    watch: bool,
    as_json: bool,
    show_env: bool,
) -> None:
    """List jobs, newest first."""
    store = current_queue()
    named = JobFilter(
        states=frozenset(states), queue=queue, label=label, search=search, held=held or None
    )
    wanted = narrowed(named, asked)
    order = _order(sort, reverse=reverse)
    if as_json:
        refuse_with_json(columns=columns, no_header=no_header)

    def show_table(rows: int) -> None:
        jobs = store.jobs(wanted, order, limit=rows, offset=offset)
        print_columns(store, jobs, columns or USUAL, header=not no_header, show_env=show_env)
        total = store.count(wanted)
        if len(jobs) < total:
            streams.narrate(f"{len(jobs)} of {total}")

    if watch and as_json:

        def show() -> None:
            found = store.jobs(wanted, order, limit=limit, offset=offset)
            print_json_line([*_shown(store, found, show_env=show_env)])

        watch_store(store, show, as_json=True)
    elif watch:
        rows = _rows_on_screen() if limit is None else limit
        watch_store(store, lambda: show_table(rows), as_json=False)
    elif as_json:
        found = store.iter_jobs(wanted, order, limit=limit, offset=offset)
        print_json_array(_shown(store, found, show_env=show_env))
    else:
        show_table(_ROWS if limit is None else limit)


def _shown(store: Queue, found: Iterable[Job], *, show_env: bool) -> Iterator[dict[str, object]]:
    from queuectl_tui.waiting import reasons_to_json, with_reasons

    for job, reasons in with_reasons(store, found):
        shown = job_to_json(job, show_env=show_env)
        if reasons:
            shown["waits_for"] = reasons_to_json(reasons)
        yield shown


def _rows_on_screen() -> int:
    """What a terminal shows below the heading and above the count."""
    import shutil

    return max(1, shutil.get_terminal_size().lines - 3) if sys.stdout.isatty() else _ROWS


def _order(sort: str, *, reverse: bool) -> Order:
    """Times begin with the latest, everything else with the least."""
    column = sort_column(sort)
    if column not in SORT_COLUMNS:
        hint = did_you_mean(column, SORT_COLUMNS) or f"; one of {', '.join(SORT_COLUMNS)}"
        raise click.BadParameter(f"no such column: {sort}{hint}", param_hint="--sort")
    return Order(column, reverse=reverse is not (column in _NEWEST_FIRST))
