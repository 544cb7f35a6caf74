"""``enqueue``: jobs in, from a line, a vector, inline JSON or a file."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Unpack

import click

from queuectl_tui import streams
from queuectl_tui.capture import captured_env, select_env
from queuectl_tui.commands.follow import follow as follow_job
from queuectl_tui.commands.options import json_option, show_env_option
from queuectl_tui.output import job_to_json, print_json_array
from queuectl_tui.session import current_queue
from store import InvalidInput, NewJob, QueueError, WorkerKind, WorkerState
from store.fielderrors import FieldError
from store.jobspec import Reading, looks_like_json, new_job, read_jobs

if TYPE_CHECKING:
    from store.queue import Queue

_VECTOR = "queuectl_tui.vector"
_STDIN = "-"


class _Enqueue(click.Command):
    """Keeps apart what follows ``--``: an argument vector, whatever it looks like."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[_VECTOR] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)


@click.command("enqueue", cls=_Enqueue)
@click.argument("words", nargs=-1, metavar="[LINE | JSON | - | -- PROGRAM [ARG]...]")
@click.option("--file", "-f", metavar="FILE", help="Jobs as JSON or JSON Lines; - is stdin.")
@click.option("--id", metavar="ID", help="Else one is made.")
@click.option("--queue", metavar="NAME", help="Else: default.")
@click.option("--priority", type=int, metavar="N", help="-1000 to 1000; higher runs first.")
@click.option("--delay", metavar="D", help="Not before this long from now.")
@click.option("--run-at", "--at", metavar="TIME", help="Not before this time.")
@click.option("--max-retries", type=int, metavar="N", help="Runs after the first.")
@click.option("--timeout", metavar="D", help="The longest that one attempt may take; 0: none.")
@click.option("--stop-grace", metavar="D", help="Between SIGTERM and SIGKILL.")
@click.option("--backoff-base", type=float, metavar="N", help="Retry n waits N ** n seconds.")
@click.option("--depends-on", "--after", multiple=True, metavar="ID", help="Run after these.")
@click.option("--env", multiple=True, metavar="NAME[=VALUE]", help="Set, or take along, NAME.")
@click.option("--clean-env", is_flag=True, help="Take no variables along from here.")
@click.option("--unique-key", metavar="TEXT", help="Refuse while an unfinished job has it.")
@click.option("--label", metavar="TEXT", help="Free text.")
@click.option("--cwd", metavar="FOLDER", help="Where to run; else here.")
@click.option("--all-states", is_flag=True, help="Of exported jobs take the finished ones too.")
@click.option("--dry-run", is_flag=True, help="Check everything, store nothing.")
@click.option("--follow", is_flag=True, help="Then print what the job prints, until it ends.")
@json_option
@show_env_option
def command(
    *,
    words: tuple[str, ...],
    file: str | None,
    env: tuple[str, ...],
    clean_env: bool,
    depends_on: tuple[str, ...],
    cwd: str | None,
    all_states: bool,
    dry_run: bool,
    follow: bool,
    as_json: bool,
    show_env: bool,
    **simple: object,
) -> int:
    """Enqueue jobs: one line for the shell, JSON, or, after --, an argument vector.

    With JSON, options replace the fields of every job.
    """
    if follow and (as_json or dry_run):
        raise click.UsageError("--follow goes with neither --json nor --dry-run.")
    vector: list[str] | None = click.get_current_context().meta.get(_VECTOR)
    _require_one_source(vector, words, file)
    queue = current_queue()
    fields = _fields(simple, env, depends_on, cwd)
    here, now = _current_folder(), queue.now()
    skipped: Counter[str] = Counter()
    jobs: Iterable[NewJob]
    if vector is not None:
        jobs = _from_options({"argv": vector, **fields}, now, here)
    elif file is None and words[0] != _STDIN and not looks_like_json(words[0]):
        jobs = _from_options({"command": words[0], **fields}, now, here)
    else:
        jobs = _from_document(
            file, words, now=now, cwd=here, all_states=all_states, overrides=fields, skipped=skipped
        )
    queues: set[str] = set()
    captured = {} if dry_run else _captured(queue, env, clean=clean_env)
    ids = _enqueue(queue, _noting_queues(jobs, queues), captured, dry_run=dry_run)
    _narrate(queue, ids, skipped, queues, dry_run=dry_run)
    _print(queue, ids, as_json=as_json, show_env=show_env, dry_run=dry_run)
    return max([follow_job(queue, job_id) for job_id in ids], default=0) if follow else 0


# -- What was given


def _require_one_source(
    vector: Sequence[str] | None, words: Sequence[str], file: str | None
) -> None:
    if vector is not None and words:
        raise click.UsageError("Words on both sides of `--`: put the whole command after it.")
    if file is not None and (words or vector is not None):
        raise click.UsageError("Give --file or a command, not both.")
    if vector is not None:
        _require_program(vector)
    elif len(words) > 1:
        raise click.UsageError(
            "Several words: quote them as one line for the shell, or put `--` before a program and"
            " its arguments."
        )
    elif not words and file is None:
        raise click.UsageError("Give a line for the shell, JSON, --file FILE, or -- PROGRAM.")


def _require_program(vector: Sequence[str]) -> None:
    if not vector:
        raise click.UsageError("After `--`, give a program.")
    word = vector[0]
    if len(vector) == 1 and len(word.split()) > 1 and shutil.which(word) is None:
        raise click.UsageError(f'"{word}" names no program: to give a shell line, drop `--`.')


def _fields(
    simple: Mapping[str, object], env: Sequence[str], depends_on: Sequence[str], cwd: str | None
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


def _current_folder() -> str:
    try:
        folder = os.getcwd()
        folder.encode()
    except FileNotFoundError:
        raise QueueError("the current folder is gone; change to one that is there") from None
    except UnicodeEncodeError:
        raise QueueError("the current folder's name is not UTF-8; change to another") from None
    return folder


def _captured(queue: Queue, env: Sequence[str], *, clean: bool) -> dict[str, str]:
    named = [item for item in env if "=" not in item]
    return select_env("", os.environ, named) if clean else captured_env(queue, extra=named)


# -- Jobs


def _from_options(fields: Mapping[str, object], now: int, cwd: str) -> list[NewJob]:
    try:
        return [new_job(fields, now=now, cwd=cwd)]
    except FieldError as error:
        base = re.split(r"[.\[]", error.field)[0]
        option = base if base in ("command", "argv") else f"--{base.replace('_', '-')}"
        where = option + error.field.removeprefix(base)
        raise InvalidInput(f"{where}: {error.problem}") from None


def _from_document(
    file: str | None, words: Sequence[str], **how: Unpack[Reading]
) -> Iterator[NewJob]:
    if file is None and words[0] != _STDIN:
        yield from read_jobs(io.BytesIO(os.fsencode(words[0])), **how)
        return
    name = _STDIN if file is None else file
    try:
        with _opened(name) as stream:
            yield from read_jobs(stream, **how)
    except InvalidInput as error:
        raise InvalidInput(f"{'stdin' if name == _STDIN else name}: {error}") from None
    except OSError as error:
        raise InvalidInput(f"{name}: {error.strerror or error}") from None


def _opened(name: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if name == _STDIN else Path(name).open("rb")


def _noting_queues(jobs: Iterable[NewJob], queues: set[str]) -> Iterator[NewJob]:
    for job in jobs:
        queues.add(job.queue)
        yield job


def _enqueue(
    queue: Queue, jobs: Iterator[NewJob], captured: Mapping[str, str], *, dry_run: bool
) -> list[str]:
    first = next(jobs, None)
    if first is None:  # all were left out
        return []
    return queue.enqueue(chain([first], jobs), captured_env=captured, dry_run=dry_run)


# -- What is said about it


def _narrate(
    queue: Queue,
    ids: Sequence[str],
    skipped: Counter[str],
    queues: set[str],
    *,
    dry_run: bool,
) -> None:
    if skipped:
        states = ", ".join(f"{count} {state}" for state, count in sorted(skipped.items()))
        streams.narrate(f"{skipped.total()} skipped ({states}); --all-states takes them too")
    if dry_run:
        streams.narrate(f"dry run: {len(ids)} would be enqueued, nothing was stored")
        return
    served = [
        worker.queues
        for worker in (queue.workers() if ids else ())
        if worker.kind is WorkerKind.WORKER and worker.state is not WorkerState.STALE
    ]
    for name in sorted(queues) if ids else ():
        if not any(not names or name in names for names in served):
            streams.narrate(
                f"No worker serves queue {name}; start one with: queuectl-tui worker start"
            )


def _print(
    queue: Queue, ids: Sequence[str], *, as_json: bool, show_env: bool, dry_run: bool
) -> None:
    if not as_json:
        streams.write("".join(f"{job_id}\n" for job_id in ids))
    elif dry_run:
        print_json_array({"id": job_id} for job_id in ids)
    else:
        print_json_array(job_to_json(queue.job(job_id), show_env=show_env) for job_id in ids)
    streams.flush()
