"""What the table says about a job, column by column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from queuectl_tui.text import age, duration, local_time, signal_name, state_with_glyph
from queuectl_tui.widgets.columns import Cell, Column
from store import Job, JobState

JobColumn = Column[Job]
_NAMED = 3
_NONE: Mapping[str, float] = {}


def job_columns(id_width: int, progress: Mapping[str, float] = _NONE) -> tuple[JobColumn, ...]:
    """The columns of the jobs screen, for ids of up to ``id_width`` cells.

    ``progress`` holds how far running jobs are, by id; it is looked at whenever a row is painted.
    """

    def next_cell(job: Job, now: int) -> Cell:
        return next_or_duration(job, now, progress.get(job.id))

    return (
        Column("ID", id_width, _id, keep=10, sort="id"),
        Column("STATE", 11, state, keep=9, sort="state"),
        Column("QUEUE", 9, _queue, keep=4, sort="queue"),
        Column("PRI", 4, _priority, keep=2, right=True, sort="priority"),
        Column("TRY", 5, _tries, keep=6, right=True, sort="attempts"),
        Column("AGE", 6, _age, keep=3, right=True, sort="created"),
        Column("STARTED", 16, _started, keep=-2, right=True),
        Column("NEXT/DUR", 9, next_cell, keep=7, right=True, sort="run_at"),
        Column("WORKER", 8, _worker, keep=-3, right=True),
        Column("EXIT", 5, exit_status, keep=5, right=True, sort="exit"),
        Column("COMMAND", 20, _command, keep=11, share=1, sort="command", ample=50),
        Column("LAST ERROR", 30, _error, keep=-1, share=1),
    )


def dead_columns(id_width: int, _: Mapping[str, float] = _NONE) -> tuple[JobColumn, ...]:
    """The columns of the dead letter queue: the error has the room, its exit has its own column."""
    return (
        Column("ID", id_width, _id, keep=10, sort="id"),
        Column("QUEUE", 9, _queue, keep=3, sort="queue"),
        Column("TRY", 5, _tries, keep=2, right=True, sort="attempts"),
        Column("DIED", 6, _died, keep=6, right=True, sort="finished"),
        Column("EXIT", 5, exit_status, keep=7, right=True, sort="exit"),
        Column("LAST ERROR", 32, _error, keep=9, share=1),
        Column("COMMAND", 12, _command, keep=5, share=1, sort="command"),
    )


def sort_titles(columns: Iterable[JobColumn]) -> dict[str, str]:
    """What the columns call that by which they sort."""
    return {column.sort: column.title for column in columns if column.sort}


def state(job: Job, _: int) -> Cell:
    return Cell(state_with_glyph(job), "warn" if job.suspended else job.state.value)


def next_or_duration(job: Job, now: int, done: float | None = None) -> Cell:
    """When a waiting job is due, how long a running one has run, how long a finished one ran."""
    if job.held or job.state is JobState.BLOCKED:
        return Cell("waits", "dim")
    if job.state in (JobState.PENDING, JobState.FAILED):
        return Cell(f"in {until(job.run_at - now)}") if job.run_at > now else Cell("due", "dim")
    if job.state is JobState.PROCESSING:
        return _running(job, now, done)
    if job.started_at is None or job.finished_at is None:
        return Cell("-", "dim")
    return Cell(duration(max(0, job.finished_at - job.started_at) / 1000), "dim")


def _running(job: Job, now: int, done: float | None) -> Cell:
    if job.cancel_requested:
        return Cell("stopping", "warn")
    ran = "-" if job.started_at is None else _whole(now - job.started_at)
    return Cell(ran if done is None else f"{int(done * 100)}% {ran}", "strong")


def exit_status(job: Job, _: int) -> Cell:
    """The exit code, or the short name of the signal that ended the last attempt."""
    if job.signal is not None:
        return Cell(signal_name(job.signal).removeprefix("SIG"), "bad")
    if job.exit_code is None:
        return Cell("-", "dim")
    return Cell(str(job.exit_code), "bad" if job.exit_code else "dim")


def _id(job: Job, _: int) -> Cell:
    return Cell(job.id, "id")


def _queue(job: Job, _: int) -> Cell:
    return Cell(job.queue)


def _priority(job: Job, _: int) -> Cell:
    return Cell(str(job.priority), "plain" if job.priority else "dim")


def _tries(job: Job, _: int) -> Cell:
    tone = "warn" if job.attempts > 1 else "plain" if job.attempts else "dim"
    return Cell(f"{job.attempts}/{job.max_retries + 1}", tone)


def _age(job: Job, now: int) -> Cell:
    return Cell(_quiet_age(now - job.created_at), "dim")


def _died(job: Job, now: int) -> Cell:
    ended = job.finished_at if job.finished_at is not None else job.updated_at
    return Cell(_quiet_age(now - ended), "dim")


def _started(job: Job, now: int) -> Cell:
    started = job.started_at
    return Cell("-" if started is None else local_time(started, now), "dim")


def _worker(job: Job, _: int) -> Cell:
    return Cell(job.worker or "-", "dim")


def _error(job: Job, _: int) -> Cell:
    """The last error without the exit that begins it, which stands beside it."""
    text = job.last_error or ""
    exits = f"exit code {job.exit_code}"
    if job.signal is not None:
        exits = f"killed by {signal_name(job.signal)}"
    begin, rest = text.partition(": ")[::2]
    said = rest if begin == exits else text
    return Cell(said, "dead") if said else Cell("-", "dim")


def _command(job: Job, _: int) -> Cell:
    line = f"{job.label}: {job.line}" if job.label else job.line
    if job.state is not JobState.BLOCKED:
        return Cell(line)
    more = " …" if len(job.depends_on) > _NAMED else ""
    return Cell(f"after {', '.join(job.depends_on[:_NAMED])}{more}: {line}")


def _quiet_age(ms: int) -> str:
    """An age that changes seldom: every row in sight has one, and each change is sent."""
    if ms < 10_000:
        return "<10s"
    return f"{ms // 10_000 * 10}s" if ms < 60_000 else age(ms / 1000)


def _whole(ms: int) -> str:
    """A running time by the whole second, so that a repaint a second says all there is."""
    return duration(ms // 1000) if ms >= 10_000 else f"{max(0, ms) // 1000}s"


def until(ms: int) -> str:
    """How far off a time is, short enough for its column, and quiet when it's far."""
    return f"{-(-ms // 1000)}s" if ms < 60_000 else age(ms / 1000)
