"""``cancel``: stop jobs for good."""

from __future__ import annotations

import signal
from typing import Any

import click

from queuectl_tui import streams
from queuectl_tui.commands.chosen import Chosen, chosen_jobs
from queuectl_tui.commands.options import yes_option
from queuectl_tui.confirm import confirm
from queuectl_tui.session import current_queue
from store import UNFINISHED, Job, JobState
from store.fielderrors import did_you_mean

_LONG_MS = 60_000


class _Signal(click.ParamType[signal.Signals]):
    """A signal by its name, with or without SIG, in any case, or by its number."""

    name = "signal"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> signal.Signals:
        text = str(value).strip().upper()
        try:
            if text.isascii() and text.isdecimal():
                return signal.Signals(int(text))
            return signal.Signals[f"SIG{text.removeprefix('SIG')}"]
        except (KeyError, ValueError, OverflowError):
            names = [member.name.removeprefix("SIG").lower() for member in signal.Signals]
            hint = did_you_mean(text.removeprefix("SIG"), names) or ", such as INT, HUP or 2"
            self.fail(f"no such signal: {value}{hint}", param, ctx)


@click.command("cancel")
@chosen_jobs(UNFINISHED, done="cancelled")
@click.option(
    "--signal",
    "number",
    type=_Signal(),
    metavar="NAME",
    help="What running ones get in place of SIGTERM: INT, HUP, 2 …",
)
@yes_option
def command(chosen: Chosen, dry_run: bool, number: signal.Signals | None, yes: bool) -> None:
    """Cancel jobs: waiting ones at once, running ones by SIGTERM, after the grace SIGKILL.

    They are named, or all that match a filter. Cancelled again, a job that is being stopped gets
    the signal as well, if it is another; its grace goes on.
    """
    queue = current_queue()
    if dry_run:
        chosen.print_ids(queue)
        return
    now = queue.now()
    running = chosen.running(queue)
    long = [job for job in running if _has_run_long(job, now)]
    if long:
        confirm("Cancel what runs?", long, now=now, yes=yes)
    if chosen.wanted is not None:
        stopped = len(running)
        ended = max(0, queue.cancel_matching(chosen.wanted, signal=number) - stopped)
        what = f", {stopped} running: being stopped" if stopped else ""
        streams.narrate(f"{ended} cancelled{what}")
    for job in queue.cancel(chosen.ids, signal=number) if chosen.ids else ():
        goes_on = job.state is JobState.PROCESSING
        streams.narrate(f"{job.id}: {'is being stopped' if goes_on else 'cancelled'}")


def _has_run_long(job: Job, now: int) -> bool:
    return job.started_at is not None and now - job.started_at > _LONG_MS
