"""``dlq``: the dead letter queue, jobs whose retries are exhausted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import Chosen, print_ids, require_none_left
from queuectl_tui.commands.columns import (
    OF_DEAD,
    columns_options,
    print_columns,
)
from queuectl_tui.commands.narration import tell_if_unserved
from queuectl_tui.commands.options import (
    CommandGroup,
    all_option,
    filter_option,
    ids_argument,
    json_option,
    label_option,
    narrowed,
    queue_option,
    refuse_with_json,
    require_filled,
    search_option,
    show_env_option,
    yes_option,
)
from queuectl_tui.confirm import confirm_deletion
from queuectl_tui.output import job_to_json, print_json_array
from queuectl_tui.session import current_queue
from store import JobFilter, JobState, Retried

_dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Print the ids of the jobs that are meant."
)


@click.group("dlq", cls=CommandGroup)
def command() -> None:
    """Dead jobs: list, retry or delete them."""


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    return queue_option(search_option(label_option(filter_option(function))))


@command.command("list")
@_filters
@columns_options
@json_option
@show_env_option
def list_dead(
    *,
    queue: str | None,
    search: str | None,
    label: str | None,
    asked: JobFilter | None,
    columns: tuple[str, ...] | None,
    no_header: bool,
    as_json: bool,
    show_env: bool,
) -> None:
    """List dead jobs, newest first."""
    store = current_queue()
    wanted = _dead(queue, search, label, asked)
    if as_json:
        refuse_with_json(columns=columns, no_header=no_header)
        found = store.iter_jobs(wanted)
        print_json_array(job_to_json(job, show_env=show_env) for job in found)
    else:
        jobs, chosen = store.jobs(wanted), columns or OF_DEAD
        print_columns(store, jobs, chosen, header=not no_header, show_env=show_env)


@command.command("retry")
@ids_argument
@all_option
@_filters
@_dry_run_option
def retry(
    *,
    ids: tuple[str, ...],
    everything: bool,
    queue: str | None,
    search: str | None,
    label: str | None,
    asked: JobFilter | None,
    dry_run: bool,
) -> None:
    """Run dead jobs again, their attempts back at 0: named ones, or all that match a filter.

    Of those that match, jobs whose unique key is in use are left dead (exit code 1); of several
    with the same key the newest runs.
    """
    store = current_queue()
    chosen = _chosen(ids, everything, _dead(queue, search, label, asked))
    if chosen.wanted is not None:
        retried = store.retry_matching(chosen.wanted, dry_run=dry_run)
    else:
        chosen.jobs(store)  # refuses others than dead ones
        jobs = store.retry(ids, dry_run=dry_run)
        retried = Retried([job.id for job in jobs], frozenset(job.queue for job in jobs), [])
    if dry_run:
        print_ids(retried.ids)
    else:
        streams.narrate(f"{len(retried.ids)} pending again")
        tell_if_unserved(store, retried.queues)
    require_none_left(retried.left)


@command.command("delete")
@ids_argument
@all_option
@_filters
@_dry_run_option
@yes_option
def delete(
    *,
    ids: tuple[str, ...],
    everything: bool,
    queue: str | None,
    search: str | None,
    label: str | None,
    asked: JobFilter | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove dead jobs with their history and logs: named ones, or all that match a filter."""
    store = current_queue()
    chosen = _chosen(ids, everything, _dead(queue, search, label, asked))
    if dry_run:
        chosen.print_ids(store)
        return
    if chosen.wanted is not None:
        confirm_deletion(store, chosen.wanted, noun="dead job", yes=yes)
        count = store.delete_matching(chosen.wanted)
    else:
        chosen.jobs(store)  # refuses others than dead ones
        store.delete(ids)
        count = len(ids)
    streams.narrate(f"{count} deleted")


def _dead(
    queue: str | None, search: str | None, label: str | None, asked: JobFilter | None
) -> JobFilter:
    dead = JobFilter(states=frozenset({JobState.DEAD}), queue=queue, search=search, label=label)
    return narrowed(dead, asked)


def _chosen(ids: tuple[str, ...], everything: bool, wanted: JobFilter) -> Chosen:
    given = {"--queue": wanted.queue, "--search": wanted.search, "--label": wanted.label}
    by_terms = wanted._replace(queue=None, search=None, label=None) != JobFilter(wanted.states)
    filtered = require_filled(given) or by_terms or everything
    if bool(ids) is filtered:
        raise click.UsageError("Give ids, a filter, or --all.")
    return Chosen(ids, wanted if filtered else None, wanted.states, "treated as dead")
