"""``clone``: another job of the same fields."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.commands.job_options import (
    VectorCommand,
    change_of,
    command_fields,
    field_option,
    fields_of,
    given_vector,
    how_options,
    option_of,
    when_options,
    with_values,
)
from queuectl_tui.commands.narration import tell_if_unserved
from queuectl_tui.commands.options import json_option, show_env_option
from queuectl_tui.output import job_to_json, print_json
from queuectl_tui.session import current_queue


@click.command("clone", cls=VectorCommand)
@click.argument("job_id", metavar="ID")
@click.option("--command", "-c", "line", metavar="LINE", help="Another line for the shell.")
@click.option("--id", metavar="ID", help="Else one is made.")
@how_options
@when_options
@field_option("held")
@json_option
@show_env_option
def command(
    *,
    job_id: str,
    line: str | None,
    env: tuple[str, ...],
    depends_on: tuple[str, ...],
    cwd: str | None,
    as_json: bool,
    show_env: bool,
    **simple: object,
) -> None:
    """Enqueue another job of the same fields, whatever became of the first; print its id.

    It runs in the same folder, with the variables that were taken along for the first. Neither a
    time that this waits for nor a hold is taken over; what it depends on and its unique key are.
    Options replace fields, variables are added, and another program with its arguments may follow
    --. An empty value gives a field its default.
    """
    fields = command_fields(line, given_vector())
    fields |= fields_of(simple, with_values(env), depends_on=depends_on, cwd=cwd)
    queue = current_queue()
    place = option_of("depends_on") if depends_on else f"depends_on of {job_id}"
    job = queue.clone(job_id, change_of(fields, now=queue.now()), place=place)
    tell_if_unserved(queue, [job.queue])
    if as_json:
        print_json(job_to_json(job, show_env=show_env))
    else:
        streams.write(f"{job.id}\n")
    streams.flush()
