"""``edit``: change the fields of jobs that aren't running."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import Chosen, chosen_jobs
from queuectl_tui.commands.job_options import (
    VectorCommand,
    changed,
    fields_of,
    given_vector,
    how_options,
    require_named,
    require_program,
    when_options,
)
from queuectl_tui.session import current_queue
from store import EDITABLE, Job, NewJob
from store.fields import FIELDS


@click.command("edit", cls=VectorCommand)
@chosen_jobs(
    EDITABLE,
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
    given = {name: None if _clears(name, value) else value for name, value in fields.items()}

    def change(job: Job) -> NewJob:
        env = {name: value for name, value in job.env.items() if name not in unset_env}
        added = given.get("env", {})
        assert isinstance(added, dict)
        return changed(job.as_new(), {**given, "env": env | added}, now=now)

    return change


def _clears(name: str, value: object) -> bool:
    """Whether an empty value was given, which means the default."""
    return FIELDS[name].clearable and value in ("", [], [""])
