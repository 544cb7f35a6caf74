"""The options that describe a job, for the commands that take one in or change one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from queuectl_tui.capture import captured_env, select_env
from store import InvalidInput, NewJob, OnDependencyFailure, QueueError
from store.fielderrors import FieldError
from store.jobspec import new_job

if TYPE_CHECKING:
    from store.queue import Queue

Function = Callable[..., Any]

_VECTOR = "queuectl_tui.vector"


class VectorCommand(click.Command):
    """Keeps apart what follows ``--``: an argument vector, whatever it looks like."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[_VECTOR] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)


class _OrEmpty(click.ParamType[Any]):
    """A number, or nothing, which clears a field."""

    def __init__(self, kind: click.ParamType[Any]) -> None:
        self._kind = kind
        self.name = kind.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "" else self._kind.convert(value, param, ctx)


_INTEGER, _NUMBER = _OrEmpty(click.INT), _OrEmpty(click.FLOAT)
_HOW = (
    click.option("--queue", metavar="NAME", help="Else: default."),
    click.option(
        "--priority", type=_INTEGER, metavar="N", help="-1000 to 1000; higher runs first."
    ),
    click.option("--max-retries", type=_INTEGER, metavar="N", help="Runs after the first."),
    click.option("--timeout", metavar="D", help="The longest that one attempt may take; 0: none."),
    click.option("--stop-grace", metavar="D", help="Between SIGTERM and SIGKILL."),
    click.option("--backoff-base", type=_NUMBER, metavar="N", help="Retry n waits N ** n seconds."),
    click.option("--env", multiple=True, metavar="NAME[=VALUE]", help="Set, or take along, NAME."),
    click.option("--unique-key", metavar="TEXT", help="Refuse while an unfinished job has it."),
    click.option("--label", metavar="TEXT", help="Free text."),
    click.option("--cwd", metavar="FOLDER", help="Where to run; else here."),
)
_WHEN = (
    click.option("--delay", metavar="D", help="Not before this long from now."),
    click.option("--run-at", "--at", metavar="TIME", help="Not before this time."),
    click.option("--depends-on", "--after", multiple=True, metavar="ID", help="Run after these."),
    click.option(
        "--on-dependency-failure",
        type=click.Choice([one.value for one in OnDependencyFailure]),
        help="When one of them is dead or cancelled: wait on (default), be cancelled, or run.",
    ),
)
clean_env_option = click.option(
    "--clean-env", is_flag=True, help="Take no variables along from here."
)


def how_options(function: Function) -> Function:
    """How a job runs."""
    return _with(_HOW, function)


def when_options(function: Function) -> Function:
    """When a job runs, and after which others."""
    return _with(_WHEN, function)


def _with(options: Sequence[Callable[[Function], Function]], function: Function) -> Function:
    for option in reversed(options):
        function = option(function)
    return function


def given_vector() -> list[str] | None:
    """What followed ``--``; ``None`` where there was none."""
    vector: list[str] | None = click.get_current_context().meta.get(_VECTOR)
    return vector


def require_program(vector: Sequence[str]) -> None:
    """Raises ``UsageError`` for an empty vector, or a shell line taken for one."""
    if not vector:
        raise click.UsageError("After `--`, give a program.")
    word = vector[0]
    if len(vector) > 1 or len(word.split()) < 2:
        return
    import shutil

    if shutil.which(word) is None:
        raise click.UsageError(f'"{word}" names no program: to give a shell line, drop `--`.')


def fields_of(
    simple: Mapping[str, object],
    env: Sequence[str],
    *,
    cwd: str | None,
    depends_on: Sequence[str] = (),
) -> dict[str, object]:
    """The fields that options set, unchecked."""
    fields = {name: value for name, value in simple.items() if value is not None}
    if assigned := dict(item.split("=", 1) for item in env if "=" in item):
        fields["env"] = assigned
    if depends_on:
        fields["depends_on"] = [name.strip() for item in depends_on for name in item.split(",")]
    if cwd is not None:
        fields["cwd"] = os.path.abspath(cwd)
    return fields


def checked(fields: Mapping[str, object], *, now: int, cwd: str) -> NewJob:
    """The job of fields that options set. Raises ``InvalidInput`` that names the option."""
    try:
        return new_job(fields, now=now, cwd=cwd)
    except FieldError as error:
        raise InvalidInput(f"{option_of(error.field)}: {error.problem}") from None


def option_of(field: str) -> str:
    """The option that sets a field, as it is spelled."""
    base = re.split(r"[.\[]", field)[0]
    option = base if base in ("command", "argv") else f"--{base.replace('_', '-')}"
    return option + field.removeprefix(base)


def current_folder() -> str:
    """Where jobs run that name no folder. Raises ``QueueError`` when it can't be stored."""
    try:
        folder = os.getcwd()
        folder.encode()
    except FileNotFoundError:
        raise QueueError("the current folder is gone; change to one that is there") from None
    except UnicodeEncodeError:
        raise QueueError("the current folder's name is not UTF-8; change to another") from None
    return folder


def require_named(env: Sequence[str]) -> None:
    """Raises ``BadParameter`` where ``--env`` names no variable, or one that has no value here."""
    for item in env:
        if not item:
            raise click.BadParameter("give NAME, or NAME=VALUE", param_hint="--env")
        if "=" not in item and item not in os.environ:
            problem = f"{item} is not set here; give {item}=VALUE, or leave it out"
            raise click.BadParameter(problem, param_hint="--env")


def taken_along(queue: Queue, env: Sequence[str], *, clean: bool) -> dict[str, str]:
    """The variables that a job takes along from here."""
    named = [item for item in env if "=" not in item]
    return select_env("", os.environ, named) if clean else captured_env(queue, extra=named)
