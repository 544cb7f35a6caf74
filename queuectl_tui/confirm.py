"""Ask before work is destroyed, where there is somebody to ask."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queuectl_tui import streams
from queuectl_tui.text import duration
from store import InvalidInput, Job, QueueError

_NAMED = 10


def confirm(question: str, jobs: Sequence[Job], *, now: int, yes: bool) -> None:
    """Name ``jobs`` and ask, on a terminal; without one, or with ``yes``, go ahead.

    Raises ``QueueError`` when the answer is no.
    """
    if yes or not streams.has_terminal():
        return
    for job in jobs[:_NAMED]:
        streams.narrate(f"  {job.id}  {_ran(job, now)}  {job.line[:60]}")
    if len(jobs) > _NAMED:
        streams.narrate(f"  … and {len(jobs) - _NAMED} more")
    ask(question, yes=yes)


def ask(question: str, *, yes: bool) -> None:
    """Ask on a terminal; without one, or with ``yes``, go ahead. Raises ``QueueError``."""
    if yes or not streams.has_terminal():
        return
    if not click.confirm(question, err=True):
        raise QueueError("not confirmed: nothing was changed")


def confirm_bulk(question: str, jobs: Sequence[Job], *, now: int, yes: bool) -> None:
    """Like ``confirm``, but without a terminal nothing goes ahead unless ``yes``."""
    if not yes and not streams.has_terminal():
        raise InvalidInput(f"without a terminal this needs --yes ({len(jobs)} jobs)")
    confirm(question, jobs, now=now, yes=yes)


def _ran(job: Job, now: int) -> str:
    if job.started_at is None:
        return "never ran"
    return f"ran {duration(((job.finished_at or now) - job.started_at) / 1000)}"
