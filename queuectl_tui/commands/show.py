"""``show``: one job and its history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from queuectl_tui.commands.options import json_option, show_env_option
from queuectl_tui.job_text import uncommon_fields, whole_state
from queuectl_tui.output import (
    attempt_to_json,
    job_to_json,
    print_fields,
    print_json,
    print_table,
)
from queuectl_tui.session import current_queue
from queuectl_tui.streams import write
from queuectl_tui.text import duration, local_time, size
from queuectl_tui.waiting import Waiting, in_words, reasons_to_json
from store import Attempt, AttemptState, Job, NoSuchJob, Stream
from store.kinds import MASK

if TYPE_CHECKING:
    from store.queue import Queue

_AT_ONCE = 500


@click.command("show")
@click.argument("job_id", metavar="ID")
@json_option
@show_env_option
def command(job_id: str, as_json: bool, show_env: bool) -> None:
    """Show one job with its history."""
    queue = current_queue()
    if as_json:
        shown = next(with_history(queue, [job_id], show_env=show_env), None)
        if shown is None:
            raise NoSuchJob(job_id)
        print_json(shown)
        return
    job, history, now = queue.job(job_id), queue.measured(queue.history(job_id)), queue.now()
    waits_for = in_words(Waiting(queue).of([job]).get(job_id, ()))
    fields = _fields(job, waits_for, now, show_env=show_env)
    print_fields(fields | _whereabouts(queue, history[-1:]))
    if history:
        write("\n")
        _print_history(history, now)


def with_history(
    queue: Queue, ids: Sequence[str], *, show_env: bool = False
) -> Iterator[dict[str, object]]:
    """Jobs in their fixed shape, each with all that is told of one job; without those gone."""
    waiting = Waiting(queue)
    for start in range(0, len(ids), _AT_ONCE):
        jobs = queue.present(ids[start : start + _AT_ONCE])
        histories = queue.histories([job.id for job in jobs])
        reasons = waiting.of(jobs)
        pids = _pids(queue, (attempts[-1] for attempts in histories.values()))
        for job in jobs:
            shown = job_to_json(job, show_env=show_env)
            history = queue.measured(histories.get(job.id, ()))
            shown["pid"] = pids.get(history[-1].id) if history else None
            shown["history"] = [attempt_to_json(one, queue.folders) for one in history]
            if job.id in reasons:
                shown["waits_for"] = reasons_to_json(reasons[job.id])
            if job.schedule is not None:
                shown["schedule"] = job.schedule
            yield shown


def _pids(queue: Queue, attempts: Iterable[Attempt]) -> Mapping[int, int]:
    """Those of running commands, by attempt."""
    running = [attempt for attempt in attempts if attempt.state is AttemptState.RUNNING]
    if not running:
        return {}
    from workers import leaders

    return leaders(queue, running)


def _whereabouts(queue: Queue, last: Sequence[Attempt]) -> dict[str, object]:
    """The process of the last attempt, if it runs here, and where its output is."""
    found: dict[str, object] = {}
    for attempt in last:
        if (pid := _pids(queue, last).get(attempt.id)) is not None:
            found["pid"] = pid
        files = [queue.folders.file(attempt, stream) for stream in Stream]
        found["output"] = " ".join(str(path) for path in files if path) or "in the store"
    return found


_NAMED = frozenset(
    {
        *("id", "command", "argv", "queue", "priority", "label", "max_retries", "run_at"),
        *("timeout", "stop_grace", "cwd", "env", "depends_on", "unique_key", "held"),
    }
)


def _fields(job: Job, waits_for: str, now: int, *, show_env: bool) -> dict[str, object]:
    fields: dict[str, object] = {
        "id": job.id,
        "state": whole_state(job),
        "command": job.line,
        "queue": job.queue,
        "priority": job.priority,
        "label": job.label,
        "attempts": f"{job.attempts} of {job.max_retries + 1}",
        "run at": local_time(job.run_at, now),
        "timeout": duration(job.timeout) if job.timeout else None,
        "stop grace": None if job.stop_grace is None else duration(job.stop_grace),
        **dict(uncommon_fields(job, _NAMED)),
        "cwd": job.cwd,
        "env": " ".join(f"{name}={value if show_env else MASK}" for name, value in job.env.items())
        or None,
        "depends on": " ".join(job.depends_on) or None,
        "waits for": waits_for or None,
        "schedule": job.schedule,
        "unique key": job.unique_key,
        "created": local_time(job.created_at, now),
        "started": _local(job.started_at, now),
        "finished": _local(job.finished_at, now),
        "worker": job.worker,
        "exit code": job.exit_code,
        "signal": job.signal,
        "last error": job.last_error,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _print_history(history: list[Attempt], now: int) -> None:
    print_table(
        (
            "ATTEMPT",
            "STATE",
            "STARTED",
            "RAN",
            "WORKER",
            "EXIT",
            "CPU",
            "MEMORY",
            "OUTPUT",
            "ERROR",
        ),
        [
            (
                attempt.number,
                attempt.state,
                local_time(attempt.started_at, now),
                duration(((attempt.finished_at or now) - attempt.started_at) / 1000),
                attempt.worker,
                _result(attempt),
                None if attempt.cpu_seconds is None else duration(attempt.cpu_seconds),
                None if attempt.max_rss_bytes is None else size(attempt.max_rss_bytes),
                size((attempt.stdout_bytes or 0) + (attempt.stderr_bytes or 0)),
                attempt.error,
            )
            for attempt in history
        ],
    )


def _result(attempt: Attempt) -> str | int | None:
    return f"signal {attempt.signal}" if attempt.signal is not None else attempt.exit_code


def _local(ms: int | None, now: int) -> str | None:
    return None if ms is None else local_time(ms, now)
