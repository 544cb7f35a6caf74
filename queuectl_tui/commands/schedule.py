"""``schedule``: recurring jobs."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.commands.columns import USUAL, print_columns
from queuectl_tui.commands.job_options import (
    VectorCommand,
    checked,
    clean_env_option,
    current_folder,
    fields_of,
    given_vector,
    how_options,
    require_named,
    require_program,
    taken_along,
)
from queuectl_tui.commands.narration import tell_if_unserved
from queuectl_tui.commands.options import (
    CommandGroup,
    Duration,
    Name,
    json_option,
    no_header_option,
    refuse_with_json,
    yes_option,
)
from queuectl_tui.confirm import ask
from queuectl_tui.output import (
    job_to_json,
    print_fields,
    print_json,
    print_json_array,
    print_table,
    schedule_to_json,
)
from queuectl_tui.schedule_text import when
from queuectl_tui.session import current_queue
from queuectl_tui.text import local_time, timestamp
from store import Overlap, Schedule
from store.kinds import MASK

_names_argument = click.argument("names", metavar="NAME...", nargs=-1, required=True)


@click.group("schedule", cls=CommandGroup)
def command() -> None:
    """Recurring jobs: a tick makes one job, however many supervisors run."""


@command.command("add", cls=VectorCommand)
@click.argument("name", type=Name())
@click.argument("words", nargs=-1, metavar="[LINE | -- PROGRAM [ARG]...]")
@click.option("--cron", metavar="EXPR", help="Five fields, or @daily, @hourly and the like.")
@click.option("--every", type=Duration(), metavar="D", help="This often, from now on.")
@click.option("--tz", metavar="ZONE", help="Of --cron, such as Europe/Berlin; else this machine's.")
@click.option(
    "--overlap",
    type=click.Choice([one.value for one in Overlap]),
    default=Overlap.SKIP.value,
    show_default=True,
    help="What a tick does while an earlier job of the schedule is unfinished.",
)
@click.option("--catch-up", is_flag=True, help="Run once for ticks that no supervisor saw.")
@how_options
@clean_env_option
def add(
    *,
    name: str,
    words: tuple[str, ...],
    cron: str | None,
    every: float | None,
    tz: str | None,
    overlap: str,
    catch_up: bool,
    env: tuple[str, ...],
    clean_env: bool,
    cwd: str | None,
    **simple: object,
) -> None:
    """Run a line for the shell, or after -- an argument vector, again and again.

    Jobs are made while a supervisor runs. Where clocks are set forward, a time that is left out
    comes right after; where they are set back, a time that comes twice counts once.
    """
    if cron is None and every is None:
        raise click.UsageError("Give --cron EXPR or --every D.")
    if cron is not None and every is not None:
        raise click.UsageError("Give --cron or --every, not both.")
    if tz is not None and cron is None:
        raise click.UsageError("--tz goes with --cron.")
    require_named(env)
    queue = current_queue(create=True)
    fields = {**_command_fields(words), **fields_of(simple, env, cwd=cwd)}
    schedule = queue.schedules.add(
        name,
        checked(fields, now=queue.now(), cwd=current_folder()),
        cron=cron,
        every=every,
        tz=tz,
        overlap=Overlap(overlap),
        catch_up=catch_up,
        captured_env=taken_along(queue, env, clean=clean_env),
    )
    streams.narrate(f"{name}: first at {local_time(schedule.next_at, queue.now())}")
    tell_if_unserved(queue, [schedule.job.queue])


@command.command("list")
@no_header_option
@json_option
def list_schedules(no_header: bool, as_json: bool) -> None:
    """List schedules with their next tick and what the last one made."""
    queue = current_queue()
    schedules, now = queue.schedules.all(), queue.now()
    if as_json:
        refuse_with_json(no_header=no_header)
        print_json_array(map(schedule_to_json, schedules))
        return
    print_table(
        ("NAME", "WHEN", "NEXT", "PAUSED", "LAST JOB", "STATE", "QUEUE", "COMMAND"),
        [
            (
                schedule.name,
                when(schedule),
                None if schedule.paused else local_time(schedule.next_at, now),
                "yes" if schedule.paused else None,
                schedule.last and schedule.last.id,
                schedule.last and schedule.last.state,
                schedule.job.queue,
                schedule.job.line,
            )
            for schedule in schedules
        ],
        header=not no_header,
    )


@command.command("show")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a schedule, its next five ticks and its last five jobs."""
    queue = current_queue()
    schedule = queue.schedules.get(name)
    ticks = [] if schedule.paused else queue.schedules.upcoming(schedule)
    jobs = queue.schedules.jobs(name)
    if as_json:
        upcoming, last = [*map(timestamp, ticks)], [*map(job_to_json, jobs)]
        print_json({**schedule_to_json(schedule), "upcoming": upcoming, "last_jobs": last})
        return
    now = queue.now()
    print_fields(_fields(schedule))
    streams.write("\n")
    print_table(("NEXT",), [(local_time(tick, now),) for tick in ticks])
    if jobs:
        streams.write("\n")
        print_columns(queue, jobs, USUAL)


@command.command()
@_names_argument
def pause(names: tuple[str, ...]) -> None:
    """Make no more jobs until resumed."""
    _set_paused(names, paused=True)


@command.command()
@_names_argument
def resume(names: tuple[str, ...]) -> None:
    """Go on with the next tick from now."""
    _set_paused(names, paused=False)


@command.command()
@_names_argument
@yes_option
def remove(names: tuple[str, ...], yes: bool) -> None:
    """Remove schedules; the jobs they made stay."""
    schedules = current_queue().schedules
    for name in names:
        schedules.get(name)
    ask(f"Remove {', '.join(names)}?", yes=yes)
    schedules.remove(names)
    for name in names:
        streams.narrate(f"{name}: removed")


def _command_fields(words: tuple[str, ...]) -> dict[str, object]:
    vector = given_vector()
    if vector is not None:
        if words:
            raise click.UsageError("Words on both sides of `--`: put the command after it.")
        require_program(vector)
        return {"argv": vector}
    if len(words) != 1:
        raise click.UsageError(
            "After the name, give one quoted line for the shell, or `--` and a program with its"
            " arguments."
        )
    return {"command": words[0]}


def _set_paused(names: tuple[str, ...], *, paused: bool) -> None:
    current_queue().schedules.set_paused(names, paused)
    for name in names:
        streams.narrate(f"{name}: {'paused' if paused else 'resumed'}")


def _fields(schedule: Schedule) -> dict[str, object]:
    job = schedule.job
    return {
        "name": schedule.name,
        "when": when(schedule),
        "paused": "yes" if schedule.paused else "no",
        "overlap": schedule.overlap.value,
        "catch up": "yes" if schedule.catch_up else "no",
        "command": job.line,
        "queue": job.queue,
        "cwd": job.cwd,
        "env": " ".join(f"{name}={MASK}" for name in job.env) or None,
        "label": job.label,
    }
