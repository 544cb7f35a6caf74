"""Ask before work is destroyed, where there is somebody to ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from queuectl_tui import streams
from queuectl_tui.text import counted, duration
from store import InvalidInput, Job, JobFilter, QueueError

if TYPE_CHECKING:
    from store.queue import Queue

_NAMED = 10


def confirm(
    question: str, jobs: Sequence[Job], *, now: int, yes: bool, total: int | None = None
) -> None:
    """Name ``jobs`` and ask, on a terminal; without one, or with ``yes``, go ahead.

    ``total`` is how many they are where not all are given. Raises ``QueueError`` when the answer
    is no.
    """
    if yes or not streams.has_terminal():
        return
    for job in jobs[:_NAMED]:
        streams.narrate(f"  {job.id}  {_ran(job, now)}  {job.line[:60]}")
    more = (len(jobs) if total is None else total) - _NAMED
    if more > 0:
        streams.narrate(f"  … and {more} more")
    ask(question, yes=yes)


def ask(question: str, *, yes: bool) -> None:
    """Ask on a terminal; without one, or with ``yes``, go ahead. Raises ``QueueError``."""
    if yes or not streams.has_terminal():
        return
    if not click.confirm(question, err=True):
        raise QueueError("not confirmed: nothing was changed")


def ask_bulk(question: str, what: str, *, yes: bool) -> None:
    """Like ``ask``, but without a terminal nothing goes ahead unless ``yes``."""
    _require_somebody(what, yes=yes)
    ask(question, yes=yes)


def _require_somebody(what: str, *, yes: bool) -> None:
    if not yes and not streams.has_terminal():
        raise InvalidInput(f"without a terminal this needs --yes ({what})")


def confirm_bulk(
    question: str, jobs: Sequence[Job], *, now: int, yes: bool, total: int | None = None
) -> None:
    """Like ``confirm``, but without a terminal nothing goes ahead unless ``yes``."""
    number = len(jobs) if total is None else total
    _require_somebody(counted(number, "job"), yes=yes)
    confirm(question, jobs, now=now, yes=yes, total=total)


def confirm_deletion(queue: Queue, wanted: JobFilter, *, noun: str = "job", yes: bool) -> None:
    """``confirm_bulk`` that all jobs that match, however many, are to be deleted."""
    total, first = queue.count(wanted), queue.jobs(wanted, limit=_NAMED)
    confirm_bulk(deletion(total, noun), first, now=queue.now(), yes=yes, total=total)


def deletion(number: int, noun: str = "job") -> str:
    """The question whether so many are to be deleted."""
    return f"Delete {counted(number, noun)} with {'its' if number == 1 else 'their'} logs?"


def _ran(job: Job, now: int) -> str:
    if job.started_at is None:
        return "never ran"
    return f"ran {duration(((job.finished_at or now) - job.started_at) / 1000)}"
