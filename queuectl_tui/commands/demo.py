"""``demo``: a throw-away store with jobs of every kind, two workers, and the app over it."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from queuectl_tui import streams
from queuectl_tui.output import print_table
from queuectl_tui.text import escape

if TYPE_CHECKING:
    from store import Job
    from store.queue import Queue

_LONGEST = 60.0
_WORKERS = 2


@click.command()
def command() -> int:
    """Try it: demo jobs, two workers, and the app, in a store that is removed afterwards.

    Without a terminal the jobs are run and the result is printed.
    """
    import workers
    from store import open_store

    folder = Path(tempfile.mkdtemp(prefix="queuectl-demo-"))
    queue = open_store(str(folder / "queue.db"))
    try:
        _fill(queue)
        workers.start_detached(queue, count=_WORKERS)
        if sys.stdin.isatty() and sys.stdout.isatty():
            from queuectl_tui.start import open_app

            return open_app(queue)
        return _run_all(queue)
    finally:
        _stop(queue)
        shutil.rmtree(folder, ignore_errors=True)


def _fill(queue: Queue) -> None:
    from store import NewJob

    queue.settings.set("backoff_base", "1")  # a second between attempts: a demo is short
    steps = "for i in 1 2 3 4 5 6 7 8; do echo step $i/8; sleep 0.3; done"
    count_runs = 'echo "attempt $QUEUECTL_ATTEMPT"; [ "$QUEUECTL_ATTEMPT" -ge 3 ]'
    queue.enqueue(
        [
            NewJob(id="hello", command="echo Hello from queuectl-tui", priority=10),
            NewJob(id="steps", command=steps, label="prints while it runs"),
            NewJob(id="flaky", command=count_runs, max_retries=3, label="succeeds in the end"),
            NewJob(
                id="broken",
                command="echo 'cannot reach backup.example.com' >&2; exit 75",
                max_retries=1,
                label="ends in the dead letter queue",
            ),
            NewJob(id="slow", command="sleep 30", timeout=1.5, stop_grace=1, max_retries=0),
            NewJob(id="fetch", command="sleep 1; echo fetched 42 rows"),
            NewJob(id="report", command="echo report of 42 rows", depends_on=("fetch",)),
            NewJob(id="later", command="echo three seconds later", delay=3),
            NewJob(id="vector", argv=(sys.executable, "-c", "print('no shell: $HOME stays')")),
            *(NewJob(id=f"batch-{n}", command=f"sleep 0.{n}; echo {n}") for n in range(1, 7)),
        ]
    )


def _run_all(queue: Queue) -> int:
    from store import JobFilter, JobState, Order

    streams.narrate(f"{queue.count()} jobs, {_WORKERS} workers; this takes about 6 seconds …")
    unfinished = JobFilter(states=frozenset(state for state in JobState if not state.finished))
    deadline = time.monotonic() + _LONGEST
    while queue.count(unfinished) and time.monotonic() < deadline:
        time.sleep(0.05)
    jobs = queue.jobs(order=Order())
    columns = ("ID", "STATE", "TRY", "EXIT", "OUTPUT")
    print_table(columns, [_row(queue, job) for job in jobs])
    done = sum(job.state is JobState.COMPLETED for job in jobs)
    dead = [job.id for job in jobs if job.state is JobState.DEAD]
    streams.write(
        f"\n{done} of {len(jobs)} completed; in the dead letter queue, as they should be: "
        f"{escape(', '.join(dead))}\n"
    )
    return 1 if queue.count(unfinished) else 0


def _row(queue: Queue, job: Job) -> tuple[object, ...]:
    from store import Stream

    printed = queue.output(job.id, None, Stream.STDOUT).read(0, 4096).decode(errors="replace")
    last = printed.strip().rpartition("\n")[2]
    tries = f"{job.attempts}/{job.max_retries + 1}"
    return (job.id, job.state, tries, job.exit_code, job.last_error or last)


def _stop(queue: Queue) -> None:
    import workers

    workers.stop(queue, workers.living(queue), now=True)
    while workers.living(queue):
        time.sleep(0.05)
    queue.close()
