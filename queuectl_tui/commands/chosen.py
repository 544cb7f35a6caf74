"""Which jobs a command is for: those named, or all that match a filter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from queuectl_tui import streams
from queuectl_tui.commands.options import (
    filter_option,
    ids_argument,
    narrowed,
    require_filled,
    states_option,
)
from queuectl_tui.text import counted
from store import Job, JobFilter, JobState, NotRetried, Order, QueueError, WrongState

if TYPE_CHECKING:
    from store.queue import Queue

Function = Callable[..., Any]

ANY = frozenset(JobState)
_NAMED = 5


def print_ids(ids: Iterable[str]) -> None:
    """One a line."""
    streams.write("".join(f"{job_id}\n" for job_id in ids))


def require_none_left(left: Sequence[NotRetried]) -> None:
    """Raises ``QueueError`` that says which jobs were left as they are, and why."""
    if left:
        named = [
            f"{one.id} (unique_key {one.unique_key!r} is held by {one.holder})" for one in left
        ]
        more = [f"{len(left) - _NAMED} more"] if len(left) > _NAMED else []
        what = f"{counted(len(left), 'job')} left as {'it is' if len(left) == 1 else 'they are'}"
        raise QueueError(f"{what}: {', '.join([*named[:_NAMED], *more])}")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Either ``ids`` or a filter (``wanted``) is given, or neither. Jobs must be in one of
    ``states``, or else can't be ``done``."""

    ids: tuple[str, ...]
    wanted: JobFilter | None
    states: frozenset[JobState]
    done: str

    def jobs(self, queue: Queue) -> Iterable[Job]:
        """They as they stand, oldest first. Raises ``NoSuchJob``, ``WrongState``."""
        if self.wanted is not None:
            return queue.iter_jobs(self.wanted, Order())
        return [self._allowed(job) for job in queue.named(self.ids)]

    def ids_in(self, queue: Queue) -> list[str]:
        """Their ids, oldest first. Raises ``NoSuchJob``, ``WrongState``."""
        if self.wanted is not None:
            return queue.ids(self.wanted)
        return [job.id for job in self.jobs(queue)]

    def ids_held(self, queue: Queue, *, held: bool) -> list[str]:
        """Like ``ids_in``, of a filter only those that are held, or aren't."""
        if self.wanted is not None:
            return queue.ids(self.wanted._replace(held=held))
        return self.ids_in(queue)

    def running(self, queue: Queue) -> list[Job]:
        """Those that run now. Raises ``NoSuchJob``, ``WrongState``."""
        if self.wanted is None:
            return [job for job in self.jobs(queue) if job.state is JobState.PROCESSING]
        if JobState.PROCESSING not in self.wanted.states:
            return []
        return queue.jobs(self.wanted._replace(states=frozenset({JobState.PROCESSING})))

    def print_ids(self, queue: Queue) -> None:
        """What a dry run prints."""
        print_ids(self.ids_in(queue))

    def _allowed(self, job: Job) -> Job:
        if job.state not in self.states:
            raise WrongState(f"{job.id} is {job.state.label} and cannot be {self.done}")
        return job


def chosen_jobs(
    states: frozenset[JobState],
    *,
    done: str,
    unless_told: frozenset[JobState] | None = None,
    queue_option: str = "--queue",
    label_option: str = "--label",
    or_else: str = "",
) -> Callable[[Function], Function]:
    """Give a command ``chosen``, of jobs in ``states``: as arguments, or by options that filter.

    ``unless_told`` are the states that a filter means without ``--state``. ``or_else`` names an
    option that may stand instead; then neither may be given.
    """
    options = (
        ids_argument,
        states_option("in_states"),
        click.option(queue_option, "in_queue", metavar="NAME", help="All jobs of this queue."),
        click.option(label_option, "with_label", metavar="TEXT", help="All with this label."),
        click.option(
            "--search", metavar="TEXT", help="All with this text in id, command or label."
        ),
        filter_option,
        click.option("--dry-run", is_flag=True, help="Print the ids of the jobs that are meant."),
    )

    def decorate(function: Function) -> Function:
        @wraps(function)
        def command(
            *,
            ids: tuple[str, ...],
            in_states: tuple[JobState, ...],
            in_queue: str | None,
            with_label: str | None,
            search: str | None,
            asked: JobFilter | None,
            **rest: Any,
        ) -> Any:
            given = {queue_option: in_queue, label_option: with_label, "--search": search}
            filtered = require_filled(given) or bool(in_states) or asked is not None
            if filtered and ids:
                raise click.UsageError("Give ids or a filter, not both.")
            if not (filtered or ids or or_else):
                raise click.UsageError(f"Give ids, or a filter such as {queue_option} NAME.")
            for state in in_states:
                if state not in states:
                    problem = f"{state.label} jobs cannot be {done}"
                    raise click.BadParameter(problem, param_hint="--state")
            named = asked.states & states if asked is not None else frozenset()
            chosen = JobFilter(
                states=frozenset(in_states) or named or unless_told or states,
                queue=in_queue,
                label=with_label,
                search=search,
            )
            wanted = narrowed(chosen, asked)
            return function(chosen=Chosen(ids, wanted if filtered else None, states, done), **rest)

        decorated: Function = command
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate
