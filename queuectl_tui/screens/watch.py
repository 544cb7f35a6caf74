"""Watching jobs: it is told when one ends, or when the dead letter queue grows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from queuectl_tui.screens.session import Lane, Session
from store import Job, JobState, NoSuchJob, QueueError

if TYPE_CHECKING:
    from store.queue import Queue


@dataclass(frozen=True, slots=True)
class _Sight:
    """What there is of the watched jobs, and how many jobs are dead."""

    jobs: tuple[Job, ...]
    dead: int


class Watch:
    """Looks as often as the screen is refreshed, and only while there is something to watch."""

    def __init__(self, session: Session, tell: Callable[[str], None]) -> None:
        self._session = session
        self._tell = tell
        self._dead: int | None = None

    async def run(self) -> None:
        """Never returns; to be cancelled with the app."""
        while True:
            await asyncio.sleep(self._session.interval)
            if self._session.watched or self._session.config.watch_dead:
                await self._look()

    async def _look(self) -> None:
        watched = frozenset(self._session.watched)
        try:
            sight = await self._session.call(Lane.WATCH, lambda queue: _look_at(queue, watched))
        except (QueueError, OSError):
            return
        for sentence in (*self._endings(watched, sight.jobs), *self._deaths(sight.dead)):
            self._tell(sentence)

    def _endings(self, watched: Collection[str], jobs: Iterable[Job]) -> Iterable[str]:
        there = {job.id: job for job in jobs}
        for job_id in watched:
            job = there.get(job_id)
            if job is None or job.state.finished:
                self._session.watched.discard(job_id)
                yield f"{job_id} is gone" if job is None else _ending(job)

    def _deaths(self, dead: int) -> Iterable[str]:
        before, self._dead = self._dead, dead
        if self._session.config.watch_dead and before is not None and dead > before:
            yield f"{dead - before} more in the dead letter queue: {dead} now"


def _look_at(queue: Queue, watched: Iterable[str]) -> _Sight:
    jobs = []
    for job_id in watched:
        try:
            jobs.append(queue.job(job_id))
        except NoSuchJob:
            continue
    return _Sight(tuple(jobs), queue.status().counts.get(JobState.DEAD, 0))


def _ending(job: Job) -> str:
    why = f": {job.last_error}" if job.state is JobState.DEAD and job.last_error else ""
    return f"{job.id} is {job.state.label}{why}"
