"""The command tree, and the edge where errors become one line and an exit code.

Nothing heavy is imported here: a command's module loads when the command is named, the store when
it is opened, the app when it is shown.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

import click
from click.exceptions import Exit, NoArgsIsHelpError

from queuectl_tui import __version__, streams
from queuectl_tui.session import Session, current_queue

_COMMANDS = {
    "enqueue": "queuectl_tui.commands.enqueue",
    "list": "queuectl_tui.commands.list_jobs",
    "show": "queuectl_tui.commands.show",
    "logs": "queuectl_tui.commands.logs",
    "status": "queuectl_tui.commands.status",
    "wait": "queuectl_tui.commands.wait",
    "cancel": "queuectl_tui.commands.cancel",
    "hold": "queuectl_tui.commands.hold",
    "release": "queuectl_tui.commands.release",
    "pause": "queuectl_tui.commands.pause",
    "resume": "queuectl_tui.commands.resume",
    "retry": "queuectl_tui.commands.retry",
    "edit": "queuectl_tui.commands.edit",
    "clone": "queuectl_tui.commands.clone",
    "delete": "queuectl_tui.commands.delete",
    "prune": "queuectl_tui.commands.prune",
    "dlq": "queuectl_tui.commands.dlq",
    "queue": "queuectl_tui.commands.queue",
    "schedule": "queuectl_tui.commands.schedule",
    "worker": "queuectl_tui.commands.worker",
    "config": "queuectl_tui.commands.config",
    "doctor": "queuectl_tui.commands.doctor",
    "backup": "queuectl_tui.commands.backup",
    "demo": "queuectl_tui.commands.demo",
}
"""Each module has its command as the attribute ``command``."""

_INTERRUPTED = 130


def main() -> NoReturn:
    """The console scripts' entry: runs the command line of this process and exits."""
    streams.ensure()
    try:
        root.main(prog_name=_program_name())
    finally:
        gc.freeze()  # a last look for garbage takes longer than most commands


class _Root(click.Group):
    """Loads commands when they are named, and turns every error into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name]).command
        _accept_db(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            from queuectl_tui.hints import no_such_command

            ctx.fail(no_such_command("", args[0], _COMMANDS))
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _spelled_out(args))

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        extra["standalone_mode"] = False
        sys.exit(_at_the_edge(lambda: super(_Root, self).main(args, prog_name, **extra)))


def _spelled_out(args: list[str]) -> list[str]:
    """``--enqueue FILE`` at the root is ``enqueue --file FILE``; without FILE it stays wrong."""
    skip = False
    for at, word in enumerate(args):
        if skip:
            skip = False
        elif word.startswith("--enqueue=") or (word == "--enqueue" and args[at + 1 :]):
            return [*args[:at], "enqueue", word.replace("--enqueue", "--file", 1), *args[at + 1 :]]
        elif not word.startswith("-"):
            break
        else:
            skip = word == "--db"
    return args


def _set_db(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(Session).db = value


def _db_option() -> click.Option:
    return click.Option(
        ["--db"],
        metavar="PATH|URL",
        expose_value=False,
        callback=_set_db,
        help="The store; else QUEUECTL_DB, else queue.db in your data folder.",
    )


def _accept_db(command: click.Command) -> None:
    """Let ``--db`` follow the name of ``command``, and of those below it, as well."""
    if not any("--db" in parameter.opts for parameter in command.params):
        command.params.append(_db_option())
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _accept_db(inner)


@click.command(
    cls=_Root,
    invoke_without_command=True,
    params=[_db_option()],
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Without a command, on a terminal, the full-screen app opens.",
)
@click.option(
    "--enqueue", metavar="FILE", expose_value=False, help="The same as: enqueue --file FILE"
)
@click.option("--read-only", is_flag=True, help="The app changes nothing.")
@click.option("--remote/--local", default=None, help="The app saves bandwidth; by itself over SSH.")
@click.option("--theme", metavar="NAME", help="dark, light, ansi-16 or colour-blind.")
@click.option("--no-mouse", is_flag=True, help="The app leaves the mouse to the terminal.")
@click.version_option(__version__, "--version", "-V", prog_name="queuectl-tui")
@click.pass_context
def root(
    ctx: click.Context, read_only: bool, remote: bool | None, no_mouse: bool, theme: str | None
) -> int:
    """A persistent queue for shell commands."""
    ctx.ensure_object(Session)
    if ctx.invoked_subcommand is not None:
        return 0
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        ctx.fail("without a terminal, give a command; --help lists them")
    if not streams.can_paint():
        raise click.ClickException(
            "this terminal (TERM is dumb, or not set) shows no full screen; use status --watch"
        )
    from queuectl_tui.start import open_app

    return open_app(
        current_queue(create=not read_only),
        read_only=read_only,
        remote=remote,
        mouse=not no_mouse,
        theme=theme,
    )


def _at_the_edge(run: Callable[[], object]) -> int:
    """The exit code of ``run``; whatever it raises is shown here, once."""
    try:
        code = run()
        streams.flush()
    except click.UsageError as error:
        return _show_usage_error(error)
    except click.ClickException as error:
        return _show(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except (BrokenPipeError, Exit):  # click serves every other Exit itself
        streams.leave_closed_pipe()
        return 0
    except Exception as error:  # noqa: BLE001 - people get a line, whatever happened
        return _show_unexpected(error)
    return code if isinstance(code, int) else 0


def _show_usage_error(error: click.UsageError) -> int:
    if isinstance(error, NoArgsIsHelpError) and isinstance(error.ctx.command, click.Group):
        names = ", ".join(error.ctx.command.commands)
        help_option = f"{error.ctx.command_path} --help"
        return _show(f"give a command: {names} ({help_option})", error.exit_code)
    if error.ctx is not None:
        help_option = f"{error.ctx.command_path} --help"
        usage = f"{error.ctx.get_usage()}\nTry '{help_option}' for help.\n\n"
        streams.narrate_raw(usage.encode())
    return _show(_hint_at_option(error) or error.format_message(), error.exit_code)


def _hint_at_option(error: click.UsageError) -> str | None:
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return None
    from queuectl_tui.hints import no_such_option

    command = " ".join(error.ctx.command_path.split()[1:])
    known = [name for option in error.ctx.command.params for name in option.opts]
    return no_such_option(command, error.option_name, known)


def _show_unexpected(error: Exception) -> int:
    from store import QueueError

    if isinstance(error, QueueError):
        return _show(str(error), error.exit_code)
    if isinstance(error, UnicodeEncodeError):  # an id or a filter that the store can't look up
        return _show(f"not UTF-8: {error.object[:60]!r}", 2)
    if isinstance(error, OSError):
        name = f"{error.filename}: " if isinstance(error.filename, str) else ""
        return _show(f"{name}{error.strerror or error}", 1)
    return _show(f"this should not happen ({type(error).__name__}: {error}); please report it", 1)


def _show(message: str, exit_code: int) -> int:
    streams.narrate(f"Error: {message.strip()}")
    return exit_code


def _program_name() -> str:
    name = os.path.basename(sys.argv[0])
    return name if name in ("queuectl", "queuectl-tui") else "queuectl-tui"
