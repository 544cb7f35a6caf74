"""``worker``: start, stop, list, scale, pause and resume what runs the jobs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from queuectl_tui import streams
from queuectl_tui.commands.options import (
    CommandGroup,
    Duration,
    Name,
    json_option,
    no_header_option,
    refuse_with_json,
    yes_option,
)
from queuectl_tui.confirm import confirm
from queuectl_tui.output import print_json_array, print_table, worker_to_json
from queuectl_tui.session import current_queue
from queuectl_tui.text import counted, duration, size

if TYPE_CHECKING:
    from store import Worker
    from store.queue import Queue

_MOST_WORKERS = 1000
_TIMED_OUT = 124
_LOOK_EVERY = 0.05

_pool_option = click.option("--pool", type=Name(), help="Only this pool.")


class _Count(click.IntRange):
    """How many workers; ``auto`` is as many as there are CPUs to use."""

    name = "number of workers"

    def __init__(self, least: int) -> None:
        super().__init__(least, _MOST_WORKERS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "auto":
            from workers.cpus import usable_cpus

            return min(usable_cpus(), _MOST_WORKERS)
        return int(super().convert(value, param, ctx))


@click.group("worker", cls=CommandGroup, also={"status": "list"})
def command() -> None:
    """Start, stop and watch the workers."""


@command.command()
@click.argument("number", metavar="[COUNT]", type=_Count(1), required=False)
@click.option(
    "--count",
    "-n",
    metavar="N|auto",
    type=_Count(1),
    help="As COUNT: 1 if not given; auto: as many as there are CPUs to use.",
)
@click.option("--queue", "queues", type=Name(), multiple=True, help="Serve only this; repeatable.")
@click.option("--pool", type=Name(), default="default", show_default=True, help="The pool's name.")
@click.option("--detach", is_flag=True, help="Return once the workers are up; they stay.")
@click.option("--until-empty", is_flag=True, help="Leave once nothing is left to run.")
def start(
    *,
    number: int | None,
    count: int | None,
    queues: tuple[str, ...],
    pool: str,
    detach: bool,
    until_empty: bool,
) -> int:
    """Run jobs with COUNT workers, in the foreground until Ctrl-C.

    The first Ctrl-C lets running jobs end, a second one stops them and gives them back.

    With --until-empty they leave once nothing in their queues runs, is ready or will be: jobs that
    are held, in a paused queue, or blocked behind such ones are named and left. The exit code is 1
    if a job died meanwhile.
    """
    import workers

    count = _one_count(number, count)
    queue = current_queue(create=True)
    if detach:
        return _start_detached(queue, count, queues=queues, pool=pool, until_empty=until_empty)
    url = queue.url
    queue.close()
    return workers.run_supervisor(
        url,
        pool=pool,
        count=count,
        queues=queues,
        narrate=_narrate,
        report=True,
        until_empty=until_empty,
    )


def _start_detached(
    queue: Queue, count: int, *, queues: Sequence[str], pool: str, until_empty: bool
) -> int:
    import workers

    try:
        supervisor = workers.start_detached(
            queue, pool=pool, count=count, queues=queues, until_empty=until_empty
        )
    except workers.LeftAlready as left:
        streams.narrate(f"The workers have left already: {left}")
        return left.exit_code
    streams.narrate(
        f"Supervisor {supervisor.id} (pid {supervisor.pid}) keeps {counted(count, 'worker')}"
        " up; stop with: queuectl-tui worker stop"
    )
    with streams.aside():
        if pool in queue.registry.paused_pools():
            streams.narrate(workers.how_paused(pool))
    return 0


@command.command()
@click.option("--now", is_flag=True, help="Stop running jobs; they go back to pending.")
@click.option("--timeout", type=Duration(), help="Wait at most this long, then exit 124.")
@yes_option
@_pool_option
def stop(now: bool, timeout: float | None, yes: bool, pool: str | None) -> int:
    """Let running jobs end, take no more, and wait for that."""
    import workers

    queue = current_queue()
    chosen = workers.living(queue, pool)
    if not chosen:
        _nothing_runs(pool)
        return 0 if pool is None else 1
    if now:
        running = [queue.job(worker.job) for worker in chosen if worker.job is not None]
        if running:
            question = f"Stop {counted(len(running), 'running job')} and give them back?"
            confirm(question, running, now=queue.now(), yes=yes)
    workers.stop(queue, chosen, now=now)
    return _wait_for_end(queue, chosen, timeout)


@command.command("list")
@no_header_option
@json_option
def list_workers(no_header: bool, as_json: bool) -> None:
    """Supervisors and workers, with what they run and use."""
    import workers

    crew = workers.crew(current_queue())
    if as_json:
        refuse_with_json(no_header=no_header)
        print_json_array(worker_to_json(worker) for worker in crew)
        return
    if not crew:
        _nothing_runs(None)
    columns = ("ID", "KIND", "POOL", "PID", "STATE", "JOB", "DONE", "FAILED", "CPU%", "MEM", "BEAT")
    print_table(columns, [_row(worker) for worker in crew], header=not no_header)


@command.command()
@click.argument("count", metavar="COUNT|auto", type=_Count(0))
@_pool_option
def scale(count: int, pool: str | None) -> None:
    """Keep COUNT workers up. Fewer lets running jobs end first."""
    queue = current_queue()
    for name in _pools(queue, pool, one=True):
        queue.registry.order(name, count=count)
        streams.narrate(f"Pool {name} keeps {counted(count, 'worker')} up")


@command.command()
@_pool_option
def pause(pool: str | None) -> None:
    """Take no new jobs; what runs goes on.

    It stays so when workers stop and start again. With --pool also while none runs.
    """
    queue = current_queue()
    for name in [pool] if pool is not None else _pools(queue, None):
        _set_paused(queue, name, True)


@command.command()
@_pool_option
def resume(pool: str | None) -> None:
    """Take jobs again."""
    queue = current_queue()
    chosen = [pool] if pool is not None else queue.registry.paused_pools()
    for name in chosen or _pools(queue, None):
        _set_paused(queue, name, False)


def _set_paused(queue: Queue, pool: str, paused: bool) -> None:
    import workers

    queue.registry.set_paused(pool, paused)
    runs = ""
    with streams.aside():
        runs = "" if workers.living(queue, pool) else "; no supervisor of it is running"
    streams.narrate(f"Pool {pool} is {'paused' if paused else 'resumed'}{runs}")


def _one_count(number: int | None, count: int | None) -> int:
    if None not in (number, count) and number != count:
        raise click.UsageError(f"{number} and --count {count}: give the number of workers once.")
    return number or count or 1


def _pools(queue: Queue, pool: str | None, *, one: bool = False) -> Sequence[str]:
    """The pools that are meant: the named one, else those that run."""
    import workers
    from store import InvalidInput, QueueError, WorkerKind

    running = sorted(
        worker.pool
        for worker in workers.living(queue, pool)
        if worker.kind is WorkerKind.SUPERVISOR
    )
    if not running:
        which = "" if pool is None else f" pool {pool}"
        raise QueueError(f"no supervisor runs{which}; start one with: queuectl-tui worker start")
    if one and len(running) > 1:
        raise InvalidInput(f"several pools run: choose one of {', '.join(running)} with --pool")
    return running


def _wait_for_end(queue: Queue, chosen: Sequence[Worker], timeout: float | None) -> int:
    from workers.processes import is_alive

    deadline = None if timeout is None else time.monotonic() + timeout
    said: set[tuple[str, str]] = set()
    while left := {worker.id for worker in chosen if is_alive(worker.identity)}:
        running = {
            worker.id: f"{worker.job}{' (paused)' if worker.is_job_paused else ''}"
            for worker in queue.workers()
            if worker.job is not None and {worker.id, worker.supervisor} & left
        }
        if deadline is not None and time.monotonic() >= deadline:
            what = ", ".join(f"{name} runs {job}" for name, job in running.items())
            streams.narrate(f"Still draining after {duration(timeout or 0)}: {what or 'workers'}")
            return _TIMED_OUT
        for name, job in running.items():
            if (name, job) not in said:
                said.add((name, job))
                streams.narrate(f"Waiting for {name}, which runs {job}")
        time.sleep(_LOOK_EVERY)
    streams.narrate("Stopped")
    return 0


def _row(worker: Worker) -> tuple[object, ...]:
    return (
        worker.id,
        worker.kind.value,
        worker.pool,
        worker.pid,
        worker.state,
        f"{worker.job} (paused)" if worker.is_job_paused else worker.job,
        worker.done,
        worker.failed,
        worker.cpu_percent,
        None if worker.rss_bytes is None else size(worker.rss_bytes),
        duration(worker.heartbeat_age),
    )


def _nothing_runs(pool: str | None) -> None:
    which = "" if pool is None else f" of pool {pool}"
    streams.narrate(f"No worker{which} is running; start one with: queuectl-tui worker start")


def _narrate(event: str) -> None:
    streams.narrate(f"{datetime.now():%H:%M:%S} {event}")
