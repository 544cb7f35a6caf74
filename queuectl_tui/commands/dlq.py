"""``dlq``: the dead letter queue, jobs whose retries are exhausted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from queuectl_tui import streams
from queuectl_tui.commands.options import (
    all_option,
    ids_argument,
    json_option,
    label_option,
    queue_option,
    search_option,
    show_env_option,
    yes_option,
)
from queuectl_tui.confirm import confirm_bulk
from queuectl_tui.output import job_to_json, print_json_array, print_table
from queuectl_tui.session import current_queue
from queuectl_tui.text import local_time
from store import Job, JobFilter, JobState, WrongState

if TYPE_CHECKING:
    from store.queue import Queue


@click.group("dlq")
def command() -> None:
    """Dead jobs: list, retry or delete them."""


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    return queue_option(search_option(label_option(function)))


@command.command("list")
@_filters
@json_option
@show_env_option
def list_dead(
    *, queue: str | None, search: str | None, label: str | None, as_json: bool, show_env: bool
) -> None:
    """List dead jobs, newest first."""
    store = current_queue()
    wanted = _dead(queue, search, label)
    if as_json:
        found = store.iter_jobs(wanted)
        print_json_array(job_to_json(job, show_env=show_env) for job in found)
    else:
        _print_dead(store.jobs(wanted), store.now())


@command.command("retry")
@ids_argument
@all_option
@_filters
def retry(
    *,
    ids: tuple[str, ...],
    everything: bool,
    queue: str | None,
    search: str | None,
    label: str | None,
) -> None:
    """Run dead jobs again, their attempts back at 0."""
    store = current_queue()
    wanted = _dead(queue, search, label)
    _require_ids_or_all(ids, everything, wanted)
    if everything:
        count = store.retry_matching(wanted)
    else:
        _require_dead(store, ids)
        count = len(store.retry(ids))
    streams.narrate(f"{count} pending again")


@command.command("delete")
@ids_argument
@all_option
@_filters
@yes_option
def delete(
    *,
    ids: tuple[str, ...],
    everything: bool,
    queue: str | None,
    search: str | None,
    label: str | None,
    yes: bool,
) -> None:
    """Remove dead jobs with their history and logs."""
    store = current_queue()
    wanted = _dead(queue, search, label)
    _require_ids_or_all(ids, everything, wanted)
    if everything:
        jobs = store.jobs(wanted)
        question = f"Delete {len(jobs)} dead jobs with their logs?"
        confirm_bulk(question, jobs, now=store.now(), yes=yes)
        count = store.delete_matching(wanted)
    else:
        _require_dead(store, ids)
        store.delete(ids)
        count = len(ids)
    streams.narrate(f"{count} deleted")


def _dead(queue: str | None, search: str | None, label: str | None) -> JobFilter:
    return JobFilter(states=frozenset({JobState.DEAD}), queue=queue, search=search, label=label)


def _require_ids_or_all(ids: Sequence[str], everything: bool, wanted: JobFilter) -> None:
    if bool(ids) is everything:
        raise click.UsageError("Give ids, or --all.")
    if ids and wanted != _dead(None, None, None):
        raise click.UsageError("Filters go with --all, not with ids.")


def _require_dead(queue: Queue, ids: Sequence[str]) -> None:
    for job in map(queue.job, ids):
        if job.state is not JobState.DEAD:
            raise WrongState(f"job {job.id} is {job.state.value}, not dead")


def _print_dead(jobs: list[Job], now: int) -> None:
    print_table(
        ("ID", "QUEUE", "TRY", "DIED", "EXIT", "COMMAND", "ERROR"),
        [
            (
                job.id,
                job.queue,
                f"{job.attempts}/{job.max_retries + 1}",
                None if job.finished_at is None else local_time(job.finished_at, now),
                job.exit_code,
                job.line,
                job.last_error,
            )
            for job in jobs
        ],
    )
