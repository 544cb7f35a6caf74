"""Reading the workers for their screen, and what the one at the cursor is doing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from queuectl_tui.widgets.output_preview import Preview, read_preview
from store import (
    JobFilter,
    NoSuchJob,
    Order,
    Snapshot,
    Stream,
    Worker,
    WorkerKind,
    WorkerState,
)
from workers import as_seen

if TYPE_CHECKING:
    from store.queue import Queue

_WHY_IDLE = {
    WorkerState.IDLE: "It runs no job: it waits for one that it may take.",
    WorkerState.PAUSED: "It runs no job: its pool is paused, and p lets it go on.",
    WorkerState.DRAINING: "It runs no job any more, and is about to stop.",
    WorkerState.STALE: "It runs no job, and has given no sign of life for a while.",
}


@dataclass(frozen=True, slots=True)
class WorkersPicture:
    """``preview`` is of the row called ``followed``."""

    snapshot: Snapshot
    followed: str | None
    preview: Preview | None


def read_workers(queue: Queue, *, followed: str | None, lines: int) -> WorkersPicture:
    """The workers, and ``lines`` lines of what the one that is ``followed`` does; 0 for none."""
    snapshot = as_seen(queue.snapshot(JobFilter(), Order(), offset=0, limit=0))
    row = next((each for each in snapshot.workers if each.id == followed), None)
    preview = _preview(queue, row, snapshot.workers, lines) if lines and row else None
    return WorkersPicture(snapshot, followed, preview)


def _preview(queue: Queue, row: Worker, known: Iterable[Worker], lines: int) -> Preview | None:
    if row.kind is WorkerKind.SUPERVISOR:
        team = [each for each in known if each.supervisor == row.id]
        return Preview(
            row.id, lines=_jobs(queue, team, lines), title=f"Jobs of {row.pool} ({row.id})"
        )
    if row.job is None:
        return Preview(row.id, lines=(_WHY_IDLE[row.state],))
    return read_preview(queue, row.job, lines, first=Stream.STDOUT)


def _jobs(queue: Queue, team: Sequence[Worker], most: int) -> tuple[str, ...]:
    """What each of the workers runs, or why there is nothing to tell."""
    if not team:
        return ("It keeps no worker: + adds one.",)
    running = {each.id: each.job for each in team if each.job is not None}
    if not running:
        return ("None of its workers runs a job.",)
    longest = [max(map(len, names)) for names in (running, running.values())]
    return tuple(
        f"{worker:{longest[0]}}  {job:{longest[1]}}  {_command(queue, job)}"
        for worker, job in islice(running.items(), most)
    )


def _command(queue: Queue, job_id: str) -> str:
    try:
        return queue.job(job_id).line
    except NoSuchJob:
        return ""
