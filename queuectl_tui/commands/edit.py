"""``edit``: change the fields of jobs that aren't running."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import ANY, Chosen, chosen_jobs
from queuectl_tui.commands.job_options import (
    VectorCommand,
    checked,
    fields_of,
    given_vector,
    how_options,
    require_named,
    require_program,
    when_options,
)
from queuectl_tui.session import current_queue
from store import Job, JobState, NewJob

_NUMBERS = ("priority", "max_retries", "timeout", "stop_grace", "backoff_base")
_TEXTS = ("label", "unique_key")


@click.command("edit", cls=VectorCommand)
@chosen_jobs(
    ANY - {JobState.PROCESSING},
    done="edited",
    queue_option="--in-queue",
    label_option="--with-label",
)
@click.option("--command", "line", metavar="LINE", help="A new line for the shell.")
@how_options
@click.option("--unset-env", multiple=True, metavar="NAME", help="Take NAME out of the job's env.")
@when_options
def command(
    *,
    chosen: Chosen,
    dry_run: bool,
    line: str | None,
    env: tuple[str, ...],
    unset_env: tuple[str, ...],
    depends_on: tuple[str, ...],
    cwd: str | None,
    **simple: object,
) -> None:
    """Change fields of jobs that aren't running; what isn't given stays as it is.

    The jobs are named, or all that match a filter. A new program with its arguments follows --. An
    empty value clears a label, a unique key or what a job depends on, and gives numbers and
    durations their default again.
    """
    vector = given_vector()
    if vector is not None:
        require_program(vector)
    fields = fields_of(simple, _with_values(env), depends_on=depends_on, cwd=cwd)
    fields |= _command_fields(line, vector)
    if not (fields or unset_env):
        raise click.UsageError("Give a field to change, such as --queue NAME.")
    queue = current_queue()
    if dry_run:
        chosen.print_ids(queue)
        return
    change = _change(fields, unset_env, queue.now())
    if chosen.wanted is not None:
        streams.narrate(f"{queue.edit_matching(chosen.wanted, change)} edited")
    for job in queue.edit_each(chosen.ids, change) if chosen.ids else ():
        streams.narrate(f"{job.id}: edited")


def _with_values(env: Sequence[str]) -> list[str]:
    """A variable named without a value has the one that it has here."""
    require_named(env)
    return [item if "=" in item else f"{item}={os.environ[item]}" for item in env]


def _command_fields(line: str | None, vector: Sequence[str] | None) -> dict[str, object]:
    if line is not None and vector is not None:
        raise click.UsageError("Give --command or a program after `--`, not both.")
    if line is not None:
        return {"command": line, "argv": None}
    return {} if vector is None else {"argv": vector, "command": None}


def _change(
    fields: Mapping[str, object], unset_env: Sequence[str], now: int
) -> Callable[[Job], NewJob]:
    cleared = {name: None for name in _NUMBERS + _TEXTS if fields.get(name) == ""}
    if fields.get("depends_on") == [""]:
        cleared["depends_on"] = None

    def change(job: Job) -> NewJob:
        env = {name: value for name, value in job.env.items() if name not in unset_env}
        given = fields.get("env", {})
        assert isinstance(given, dict)
        edited = {**_fields(job), **fields, **cleared, "env": env | given}
        return checked(edited, now=now, cwd=job.cwd)

    return change


def _fields(job: Job) -> dict[str, object]:
    """A job as a document would have it."""
    return {
        **{name: getattr(job, name) for name in (*_NUMBERS, *_TEXTS, "command", "queue", "cwd")},
        "argv": None if job.argv is None else [*job.argv],
        "depends_on": [*job.depends_on],
        "on_dependency_failure": job.on_dependency_failure.value,
    }
