"""Options and values that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from store import InvalidInput, JobFilter, JobState
from store.fielderrors import did_you_mean
from store.kinds import NAME_PATTERN
from store.timespec import parse_duration, require_unit

Function = Callable[..., Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
show_env_option = click.option(
    "--show-env", is_flag=True, help="Print the values of env, not a mask."
)
no_header_option = click.option("--no-header", is_flag=True, help="Print no heading.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Don't ask.")
all_option = click.option("--all", "everything", is_flag=True, help="All that match.")
queue_option = click.option("--queue", metavar="NAME", help="Only jobs of this queue.")
label_option = click.option("--label", metavar="TEXT", help="Only jobs with this label.")
search_option = click.option(
    "--search", metavar="TEXT", help="Only jobs with this text in id, command or label."
)


class CommandGroup(click.Group):
    """Commands of one family. ``also`` are other names of some, which help leaves out."""

    def __init__(self, *args: Any, also: Mapping[str, str] | None = None, **how: Any) -> None:
        super().__init__(*args, **how)
        self._also = also or {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, self._also.get(cmd_name, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from queuectl_tui.hints import no_such_command

            ctx.fail(no_such_command(str(ctx.info_name), args[0], self.commands))
        return super().resolve_command(ctx, args)


class Filter(click.ParamType[JobFilter]):
    """A line in the language of the app's filter."""

    name = "filter"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> JobFilter:
        from store.filtering import require_filter

        try:
            return require_filter(value)
        except InvalidInput as error:
            self.fail(str(error), param, ctx)


filter_option = click.option(
    "--filter",
    "asked",
    type=Filter(),
    metavar="TERMS",
    help='As in the app: words, !word, ~regex, state:dead error:"timed out" took:>10m age:<1h.',
)


def narrowed(wanted: JobFilter, asked: JobFilter | None) -> JobFilter:
    """What matches both. Raises ``InvalidInput`` where nothing can."""
    if asked is None:
        return wanted
    from store.filtering import both

    return both(wanted, asked)


def _each_once(_: click.Context, __: click.Parameter, ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))


ids_argument = click.argument("ids", metavar="[ID]...", nargs=-1, callback=_each_once)


def _first(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> str | None:
    if len(values) > 1:
        raise click.BadParameter("given twice; only one can count")
    return values[0] if values else None


def once_option(*names: str, **how: Any) -> Callable[[Function], Function]:
    """An option with one value that must not be given again, for the first would be lost."""
    return click.option(*names, multiple=True, callback=_first, **how)


class Duration(click.ParamType[float]):
    """Seconds, or text such as ``90s``, ``10m``, ``1h30m``; with ``needs_unit`` no bare number."""

    name = "duration"

    def __init__(self, *, needs_unit: bool = False) -> None:
        self._needs_unit = needs_unit

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            if self._needs_unit:
                require_unit(str(value))
            return parse_duration(value)
        except InvalidInput as error:
            self.fail(str(error), param, ctx)


class Name(click.ParamType[str]):
    """The name of a queue or a pool."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if NAME_PATTERN.fullmatch(value) is None:
            self.fail(f"not a name: {value!r}; letters, digits and ._:- only", param, ctx)
        return str(value)


class State(click.ParamType[JobState]):
    """A state by either of its words, in any case."""

    name = "state"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> JobState:
        try:
            return JobState.parse(value)
        except ValueError:
            words = [word for state in JobState for word in (state.value, state.label.lower())]
            hint = did_you_mean(value, words) or f"; one of {', '.join(JobState)}"
            if value.lower() == "held":
                hint = "; held jobs are found by --filter held:yes"
            self.fail(f"no such state: {value}{hint}", param, ctx)


def states_option(name: str) -> Callable[[Function], Function]:
    """``--state``, and what other queues call it."""
    return click.option(
        "--state", "--status", name, type=State(), multiple=True, help="May be repeated."
    )


class Count(click.IntRange):
    """A number from ``least`` on that the store can count to."""

    def __init__(self, least: int = 0) -> None:
        super().__init__(least, 2**63 - 1)


def refuse_with_json(*, no_header: bool, columns: tuple[str, ...] | None = None) -> None:
    """Raises ``UsageError`` for what only a table has, where JSON is wanted."""
    if columns or no_header:
        option = "--columns" if columns else "--no-header"
        raise click.UsageError(f"{option} goes without --json.")


def require_filled(given: dict[str, str | None]) -> bool:
    """Whether any filter is given. One that is empty, a variable unset perhaps, is refused."""
    for name, value in given.items():
        if value == "":
            raise click.BadParameter("must not be empty", param_hint=name)
    return any(value is not None for value in given.values())
