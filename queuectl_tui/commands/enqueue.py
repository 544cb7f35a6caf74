"""``enqueue``: jobs in, from a line, a vector, inline JSON or a file."""

from __future__ import annotations

import io
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, BinaryIO

import click

from queuectl_tui import streams
from queuectl_tui.commands.job_options import (
    VectorCommand,
    checked,
    clean_env_option,
    current_folder,
    field_option,
    fields_of,
    given_vector,
    how_options,
    option_of,
    require_named,
    require_program,
    taken_along,
    when_options,
)
from queuectl_tui.commands.narration import tell_if_unserved
from queuectl_tui.commands.options import (
    json_option,
    once_option,
    require_filled,
    show_env_option,
)
from queuectl_tui.output import job_to_json, print_json_array
from queuectl_tui.session import current_queue
from store import InvalidInput, Job, NewJob
from store.jobspec import looks_like_json, read_jobs

if TYPE_CHECKING:
    from store.queue import Queue

_STDIN = "-"
_PRINTED_AT_ONCE = 1_000


class _Told:
    """What came up on the way, to be told at the end.

    ``depends_on``: an option says what the jobs depend on.
    """

    def __init__(self, *, depends_on: bool) -> None:
        self.depends_on = depends_on
        self.jobs = 0
        self.queues: set[str] = set()
        self.ended_elsewhere: Counter[str] = Counter()
        self.places: dict[int, str] = {}


@click.command("enqueue", cls=VectorCommand)
@click.argument("words", nargs=-1, metavar="[LINE | JSON | - | -- PROGRAM [ARG]...]")
@click.option("--command", "-c", "line", metavar="LINE", help="LINE, spelled as an option.")
@once_option("--file", "-f", metavar="FILE", help="Jobs as JSON or JSON Lines; - is stdin.")
@once_option("--each", metavar="FILE", help="A job for each line, put where {} is after --.")
@click.option("--null", "-0", is_flag=True, help="What --each reads is parted by NUL.")
@click.option("--id", metavar="ID", help="Else one is made.")
@how_options
@when_options
@field_option("held")
@clean_env_option
@click.option(
    "--if-exists",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="When an id or a unique key is in use: refuse all, or leave that job out.",
)
@click.option("--all-states", is_flag=True, help="Of exported jobs take the finished ones too.")
@click.option("--dry-run", is_flag=True, help="Check everything, store nothing.")
@click.option("--follow", is_flag=True, help="Then print what the job prints, until it ends.")
@json_option
@show_env_option
def command(
    *,
    words: tuple[str, ...],
    line: str | None,
    file: str | None,
    each: str | None,
    null: bool,
    env: tuple[str, ...],
    clean_env: bool,
    depends_on: tuple[str, ...],
    cwd: str | None,
    if_exists: str,
    all_states: bool,
    dry_run: bool,
    follow: bool,
    as_json: bool,
    show_env: bool,
    **simple: object,
) -> int:
    """Enqueue jobs: one line for the shell, JSON, or, after --, an argument vector.

    With JSON, options replace the fields of every job.

    With --each FILE every line of it that isn't empty makes a job of the argument vector: {} is
    the line, {.} the line without its extension, {/} its base name, {//} its folder, {/.} its base
    name without extension. Without any of them the line is the last argument. They may stand in
    --id, --unique-key, --label, --cwd and the values of --env, too; {{ is a brace. What an id can't
    hold is replaced there, and a hash of it added.
    """
    if follow and (as_json or dry_run):
        raise click.UsageError("--follow goes with neither --json nor --dry-run.")
    require_filled({"--file": file, "--each": each})
    vector = given_vector()
    _require_one_source(vector, words, line, file, each)
    if null and each is None:
        raise click.UsageError("-0 goes with --each.")
    require_named(env)
    queue, skip = current_queue(create=True, dry_run=dry_run), if_exists == "skip"
    fields = fields_of(simple, env, depends_on=depends_on, cwd=None if each else cwd)
    here, now, told = current_folder(), queue.now(), _Told(depends_on=bool(depends_on))
    jobs: Iterable[NewJob]
    if each is not None:
        jobs = _of_each(
            each,
            vector or [],
            fields if cwd is None else {**fields, "cwd": cwd},
            separator=b"\0" if null else b"\n",
            may_repeat=skip,
            now=now,
            cwd=here,
        )
    elif vector is not None:
        jobs = [checked({"argv": vector, **fields}, now=now, cwd=here)]
    elif line is not None:
        jobs = [checked({"command": line, **fields}, now=now, cwd=here)]
    elif file is None and words[0] != _STDIN and not looks_like_json(words[0]):
        _require_no_file(words[0])
        jobs = [checked({"command": words[0], **fields}, now=now, cwd=here)]
    else:
        jobs = _of_document(
            words[0] if file is None else None,
            file or _STDIN,
            fields,
            now=now,
            cwd=here,
            all_states=all_states,
            told=told,
        )
    captured = {} if dry_run else taken_along(queue, env, clean=clean_env)
    ids = _enqueue(queue, jobs, told, captured, dry_run=dry_run, skip=skip)
    if each is not None and not told.jobs:
        streams.narrate(f"{_shown_name(each)}: no line in it, so no job")
    _print(queue, ids, as_json=as_json, show_env=show_env, dry_run=dry_run)
    with streams.aside():
        _narrate(queue, ids, told, dry_run=dry_run)
    if not follow:
        return 0
    from queuectl_tui.commands.follow import follow as follow_jobs

    return follow_jobs(queue, ids)


# -- What was given


def _require_one_source(
    vector: Sequence[str] | None,
    words: Sequence[str],
    line: str | None,
    file: str | None,
    each: str | None,
) -> None:
    if line is not None:
        if words or vector is not None or file is not None or each is not None:
            raise click.UsageError("Give --command LINE or jobs in another way, not both.")
        return
    if vector is not None and words:
        raise click.UsageError("Words on both sides of `--`: put the whole command after it.")
    if file is not None and (words or vector is not None or each is not None):
        raise click.UsageError("Give --file or a command, not both.")
    if each is not None and vector is None:
        raise click.UsageError("With --each, put `--` before a program and its arguments.")
    if vector is not None:
        require_program(vector)
    elif len(words) > 1:
        raise click.UsageError(
            "Several words: quote them as one line for the shell, or put `--` before a program and"
            " its arguments."
        )
    elif not words and file is None:
        raise click.UsageError("Give a line for the shell, JSON, --file FILE, or -- PROGRAM.")


def _require_no_file(word: str) -> None:
    """Raises ``UsageError`` for one word that names a file of jobs rather than a command."""
    name = word.removeprefix("@")
    if not os.path.isfile(name) or len(word.split()) > 1:
        return
    if name != word or _is_of_jobs(name):
        raise click.UsageError(f"{name} is a file: for the jobs in it, give --file {name}")


def _is_of_jobs(name: str) -> bool:
    if os.access(name, os.X_OK):
        return False
    if "/" in name:
        return name.endswith((".json", ".jsonl", ".ndjson"))
    import shutil

    return shutil.which(name) is None


# -- Jobs


def _of_each(
    name: str,
    vector: Sequence[str],
    fields: Mapping[str, object],
    *,
    separator: bytes,
    may_repeat: bool,
    now: int,
    cwd: str,
) -> Iterator[NewJob]:
    from queuectl_tui.commands.each import jobs_of_lines, require_known_placeholders

    require_known_placeholders(vector, fields)
    with _opened(name) as stream:
        yield from jobs_of_lines(
            stream,
            vector,
            fields,
            separator=separator,
            may_repeat=may_repeat,
            now=now,
            cwd=cwd,
        )


def _of_document(
    inline: str | None,
    name: str,
    overrides: Mapping[str, object],
    *,
    now: int,
    cwd: str,
    all_states: bool,
    told: _Told,
) -> Iterator[NewJob]:
    source = "" if inline not in (None, _STDIN) else f"{_shown_name(name)}: "
    with _opened(name, inline) as stream:
        places: dict[int, str] = {}
        jobs = read_jobs(
            stream,
            now=now,
            cwd=cwd,
            all_states=all_states,
            overrides=overrides,
            skipped=told.ended_elsewhere,
            places=places,
        )
        for at, job in enumerate(jobs):
            if at in places:
                told.places[at] = f"{source}{places.pop(at)}"
            yield job


@contextmanager
def _opened(name: str, inline: str | None = None) -> Iterator[BinaryIO]:
    """The source of jobs, whose name is put before every error about it."""
    if inline not in (None, _STDIN):
        yield io.BytesIO(os.fsencode(inline))
        return
    try:
        if name == _STDIN:
            yield sys.stdin.buffer
        else:
            with open(name, "rb") as stream:
                yield stream
    except InvalidInput as error:
        raise InvalidInput(f"{_shown_name(name)}: {error}") from None
    except OSError as error:
        raise InvalidInput(f"{name}: {error.strerror or error}") from None


def _shown_name(name: str) -> str:
    return "stdin" if name == _STDIN else name


def _noted(jobs: Iterable[NewJob], told: _Told) -> Iterator[NewJob]:
    for job in jobs:
        if told.depends_on:
            told.places[told.jobs] = option_of("depends_on")
        told.jobs += 1
        told.queues.add(job.queue)
        yield job


def _enqueue(
    queue: Queue,
    jobs: Iterable[NewJob],
    told: _Told,
    captured: Mapping[str, str],
    *,
    dry_run: bool,
    skip: bool,
) -> Sequence[str]:
    noted = _noted(jobs, told)
    first = next(noted, None)
    if first is None:  # all were left out
        return []
    return queue.enqueue(
        chain([first], noted),
        captured_env=captured,
        dry_run=dry_run,
        skip_existing=skip,
        places=told.places,
    )


# -- What is said about it


def _narrate(queue: Queue, ids: Sequence[str], told: _Told, *, dry_run: bool) -> None:
    if told.ended_elsewhere:
        counts = sorted(told.ended_elsewhere.items())
        states = ", ".join(f"{count} {state}" for state, count in counts)
        total = told.ended_elsewhere.total()
        streams.narrate(f"{total} skipped ({states}); --all-states takes them too")
    if known := told.jobs - len(ids):
        streams.narrate(f"{known} skipped: the id or the unique key is in use")
    if dry_run:
        streams.narrate(f"dry run: {len(ids)} would be enqueued, nothing was stored")
        return
    if ids:
        tell_if_unserved(queue, told.queues)


def _print(
    queue: Queue, ids: Sequence[str], *, as_json: bool, show_env: bool, dry_run: bool
) -> None:
    if not as_json:
        lines = (f"{job_id}\n" for job_id in ids)
        while some := "".join(islice(lines, _PRINTED_AT_ONCE)):
            streams.write(some)
    elif dry_run:
        print_json_array({"id": job_id} for job_id in ids)
    else:
        print_json_array(_as_stored(queue, ids, show_env=show_env))
    streams.flush()


def _as_stored(queue: Queue, ids: Sequence[str], *, show_env: bool) -> Iterator[object]:
    """The jobs as they stand now; the id alone where one can't be read any more."""
    left = iter(ids)
    while some := [*islice(left, _PRINTED_AT_ONCE)]:
        found: dict[str, Job] = {}
        with streams.aside():
            found = {job.id: job for job in queue.present(some)}
        for job_id in some:
            job = found.get(job_id)
            yield {"id": job_id} if job is None else job_to_json(job, show_env=show_env)
