"""What is kept: old jobs go in small transactions, old output when there is too much of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from store import overview, reads
from store.database import Database
from store.jobs import JobFilter, JobState
from store.output import Folders
from store.settings import Settings

_AT_ONCE = 500
_GROUPS = (
    (frozenset({JobState.COMPLETED, JobState.CANCELLED}), "keep_completed", "keep_completed_count"),
    (frozenset({JobState.DEAD}), "keep_dead", "keep_dead_count"),
)

DeleteSome = Callable[[JobFilter, int | None, int], int]
"""Removes finished jobs that match, ended before a time, at most so many; how many it did."""


def prune(
    database: Database, settings: Settings, folders: Folders, delete: DeleteSome, now: int
) -> int:
    """Remove some of what the settings keep no longer; how many jobs, 0 when there is no more."""
    values = settings.values()
    removed = 0
    for states, age, number in _GROUPS:
        wanted = JobFilter(states=states)
        removed += delete(wanted, now - int(float(values[age]) * 1000), _AT_ONCE)
        most = int(values[number])
        if most:
            with database.read():
                excess = reads.count(database.query, wanted) - most
            removed += delete(wanted, None, min(excess, _AT_ONCE)) if excess > 0 else 0
    _forget_throughput(database, now)
    _prune_output(database, folders, int(values["keep_output"]))
    return removed


def _forget_throughput(database: Database, now: int) -> None:
    oldest = (now - 2 * overview.MINUTES_KEPT * 60_000) // overview.BUCKET_MS
    known = database.connection().execute(
        "SELECT 1 FROM throughput WHERE bucket < ? LIMIT 1", (oldest,)
    )
    if known.fetchone() is not None:
        with database.write() as connection:
            connection.execute("DELETE FROM throughput WHERE bucket < ?", (oldest,))


def _prune_output(database: Database, folders: Folders, most: int) -> None:
    """Remove the oldest large outputs until the rest fits; the history keeps their sizes."""
    if not most:
        return
    kept = sorted(_kept(folders), key=lambda output: output[0])
    total = sum(size for _, size, _ in kept)
    for attempt, size, path in kept:
        if total <= most:
            return
        if _drop(database, attempt, path):
            total -= size


def _kept(folders: Folders) -> Iterator[tuple[int, int, Path]]:
    """Attempt, bytes on disk and path of every output that is a file."""
    with os.scandir(folders.outputs) as entries:
        for entry in entries:
            attempt = entry.name.partition(".")[0]
            if attempt.isdigit():
                yield int(attempt), entry.stat().st_blocks * 512, Path(entry.path)


def _drop(database: Database, attempt: int, path: Path) -> bool:
    column = path.suffix.removeprefix(".")
    with database.write() as connection:
        done = connection.execute(
            f"UPDATE attempt SET {column} = x'' WHERE id = ? AND state <> 'running'"
            " AND NOT EXISTS (SELECT 1 FROM job WHERE held_by = attempt.id)",
            (attempt,),
        ).rowcount
    if done:
        path.unlink(missing_ok=True)
    return bool(done)
