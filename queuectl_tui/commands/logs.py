"""``logs``: what a job printed."""

from __future__ import annotations

import codecs
import sys
from typing import TYPE_CHECKING

import click

from queuectl_tui import streams
from queuectl_tui.commands.follow import follow as follow_jobs
from queuectl_tui.commands.options import Count, json_option
from queuectl_tui.job_output import chunks, printable, tell_dropped, what_is_missing
from queuectl_tui.output import json_text
from queuectl_tui.session import current_queue
from store import QueueError, Stream

if TYPE_CHECKING:
    from store.output import OutputView
    from store.queue import Queue


@click.command("logs")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--attempt", type=Count(1), metavar="N", help="Not the last one, but this.")
@click.option("--stdout", "only_stdout", is_flag=True, help="Only what went to stdout.")
@click.option("--stderr", "only_stderr", is_flag=True, help="Only what went to stderr.")
@click.option("--tail", "-n", type=Count(), metavar="N", help="Only the last N lines.")
@click.option("--raw", is_flag=True, help="Print bytes as they are; they may drive the terminal.")
@click.option("--follow", "-f", is_flag=True, help="Print on until the job ends.")
@json_option
def command(
    *,
    ids: tuple[str, ...],
    attempt: int | None,
    only_stdout: bool,
    only_stderr: bool,
    tail: int | None,
    raw: bool,
    follow: bool,
    as_json: bool,
) -> int:
    """Print what a job's last attempt wrote to stdout, then what it wrote to stderr.

    With --follow both are printed as they arrive, through later attempts, until the job ends: exit
    code 0 if it completed, else 1. Several jobs can be followed at once; their lines begin with
    their ids.
    """
    if len(ids) > 1 and not follow:
        raise click.UsageError("Give one id; only --follow prints several jobs at once.")
    if len(ids) > 1 and attempt is not None:
        raise click.UsageError("--attempt goes with one id.")
    queue = current_queue()
    wanted = _wanted(only_stdout, only_stderr)
    if follow:
        if as_json:
            raise click.UsageError("Give --follow or --json, not both.")
        return follow_jobs(queue, ids, wanted=wanted, first=attempt, tail=tail, raw=raw)
    (job_id,) = ids
    views = {stream: queue.output(job_id, attempt, stream) for stream in wanted}
    if as_json:
        _print_json(job_id, views, tail)
    else:
        _print(job_id, views, tail, raw=raw)
        _tell_of_children(queue, job_id, attempt)
    if any(view.missing for view in views.values()):
        number = attempt or queue.job(job_id).number
        raise QueueError(what_is_missing(job_id, number, views))
    return 0


def _wanted(only_stdout: bool, only_stderr: bool) -> tuple[Stream, ...]:
    chosen = {Stream.STDOUT: only_stdout, Stream.STDERR: only_stderr}
    return tuple(stream for stream in Stream if chosen[stream]) or tuple(Stream)


def _print(job_id: str, views: dict[Stream, OutputView], tail: int | None, *, raw: bool) -> None:
    """Alone, either stream is the data that was asked for; together, stderr goes to stderr."""
    for stream, view in views.items():
        write = streams.write_bytes
        if stream is Stream.STDERR and len(views) > 1:
            write = streams.narrate_raw
            if view.size():
                streams.narrate(f"── stderr of {job_id} ──")
        ended = True
        parts = chunks(view, tail, dropped=tell_dropped)
        for chunk in parts if raw else printable(parts):
            write(chunk)
            ended = chunk.endswith(b"\n") if chunk else ended
        if not (raw or ended) and sys.stdout.isatty():
            write(b"\n")


def _tell_of_children(queue: Queue, job_id: str, number: int | None) -> None:
    """Say that processes were ended which the command had left running."""
    *_, attempt = (one for one in queue.history(job_id) if number in (None, one.number))
    if ended := attempt.children_ended:
        streams.narrate(
            f"── left {ended} running when it exited; ended, for want of --keep-children ──"
        )


def _print_json(job_id: str, views: dict[Stream, OutputView], tail: int | None) -> None:
    streams.write_bytes(f'{{"id": "{json_text(job_id)}"'.encode())
    for stream, view in views.items():
        if view.missing:
            streams.write_bytes(f', "{stream.value}": null'.encode())
            continue
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        streams.write_bytes(f', "{stream.value}": "'.encode())
        for chunk in chunks(view, tail, dropped=tell_dropped):
            streams.write_bytes(json_text(decoder.decode(chunk)).encode())
        streams.write_bytes(json_text(decoder.decode(b"", final=True)).encode() + b'"')
    streams.write_bytes(b"}\n")
