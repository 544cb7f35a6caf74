"""The options that describe a job, for the commands that take one in or change one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from queuectl_tui.capture import captured_env, select_env
from store import InvalidInput, NewJob, QueueError
from store.fielderrors import FieldError
from store.fields import FIELDS, FLAG
from store.jobspec import changed_job, new_job

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


_REPEATED = frozenset({"env", "depends_on"})
_WHEN = ("delay", "run_at", "depends_on", "on_dependency_failure")
_HOW = tuple(
    field.name for field in FIELDS.values() if field.metavar and field.name not in (*_WHEN, "held")
)
clean_env_option = click.option(
    "--clean-env", is_flag=True, help="Take no variables along from here."
)


def field_option(name: str) -> Callable[[Function], Function]:
    """The option that sets a field; its value is text as it was typed, or None."""
    field = FIELDS[name]
    if field.metavar == FLAG:
        return click.option(*field.spellings, name, is_flag=True, default=None, help=field.help)
    return click.option(
        *field.spellings,
        name,
        metavar=field.metavar,
        multiple=name in _REPEATED,
        help=field.help,
    )


def how_options(function: Function) -> Function:
    """How a job runs."""
    return _with(_HOW, function)


def when_options(function: Function) -> Function:
    """When a job runs, and after which others."""
    return _with(_WHEN, function)


def _with(names: Sequence[str], function: Function) -> Function:
    for name in reversed(names):
        function = field_option(name)(function)
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
    """The fields that options set, unchecked, as a document would have them."""
    fields = {
        name: FIELDS[name].kind.parse(value) if isinstance(value, str) else value
        for name, value in simple.items()
        if value is not None
    }
    if assigned := dict(item.split("=", 1) for item in env if "=" in item):
        fields["env"] = assigned
    if depends_on:
        fields["depends_on"] = [name.strip() for item in depends_on for name in item.split(",")]
    if cwd is not None:
        fields["cwd"] = os.path.abspath(cwd)
    return fields


def checked(fields: Mapping[str, object], *, now: int, cwd: str) -> NewJob:
    """The job of fields that options set. Raises ``InvalidInput`` that names the option."""
    with naming_options():
        return new_job(fields, now=now, cwd=cwd)


def changed(old: NewJob, fields: Mapping[str, object], *, now: int) -> NewJob:
    """``old`` with the fields that options set. Raises ``InvalidInput`` that names the option."""
    with naming_options():
        return changed_job(old, fields, now=now)


def with_values(env: Sequence[str]) -> list[str]:
    """A variable named without a value has the one that it has here. Raises ``BadParameter``."""
    require_named(env)
    return [item if "=" in item else f"{item}={os.environ[item]}" for item in env]


def command_fields(line: str | None, vector: Sequence[str] | None) -> dict[str, object]:
    """The fields of another command, if one was given. Raises ``UsageError``."""
    if vector is not None:
        require_program(vector)
    if line is not None and vector is not None:
        raise click.UsageError("Give --command or a program after `--`, not both.")
    if line is not None:
        return {"command": line, "argv": None}
    return {} if vector is None else {"argv": vector, "command": None}


def change_of(
    fields: Mapping[str, object], *, now: int, unset_env: Sequence[str] = ()
) -> Callable[[NewJob], NewJob]:
    """What gives a job the fields that options set; an empty value may mean the default.

    Variables are added to those that the job has, without those of ``unset_env``. What it returns
    raises ``InvalidInput`` that names the option.
    """
    given = {name: None if _clears(name, value) else value for name, value in fields.items()}

    def change(job: NewJob) -> NewJob:
        env = {name: value for name, value in job.env.items() if name not in unset_env}
        added = given.get("env", {})
        assert isinstance(added, dict)
        return changed(job, {**given, "env": env | added}, now=now)

    return change


def _clears(name: str, value: object) -> bool:
    return FIELDS[name].clearable and value in ("", [], [""])


@contextmanager
def naming_options() -> Iterator[None]:
    """Says of a field that is wrong which option sets it."""
    try:
        yield
    except FieldError as error:
        raise InvalidInput(f"{option_of(error.field)}: {error.problem}") from None


def option_of(field: str) -> str:
    """The option that sets a field, as it is spelled."""
    base = re.split(r"[.\[]", field)[0]
    option = base if base in ("command", "argv") else FIELDS[base].spellings[0].partition("/")[0]
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
