"""``edit``: change the fields of jobs that aren't running."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import Chosen, chosen_jobs
from queuectl_tui.commands.job_options import (
    VectorCommand,
    change_of,
    command_fields,
    fields_of,
    given_vector,
    how_options,
    when_options,
    with_values,
)
from queuectl_tui.session import current_queue
from store import EDITABLE, Job, NewJob


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
    fields = command_fields(line, given_vector())
    fields |= fields_of(simple, with_values(env), depends_on=depends_on, cwd=cwd)
    if not (fields or unset_env):
        raise click.UsageError("Give a field to change, such as --queue NAME.")
    queue = current_queue()
    if dry_run:
        chosen.print_ids(queue)
        return
    change_fields = change_of(fields, now=queue.now(), unset_env=unset_env)

    def change(job: Job) -> NewJob:
        return change_fields(job.as_new())

    if chosen.wanted is not None:
        streams.narrate(f"{queue.edit_matching(chosen.wanted, change)} edited")
    for job in queue.edit_each(chosen.ids, change) if chosen.ids else ():
        streams.narrate(f"{job.id}: edited")
