"""Why a job has not started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queuectl_tui.text import GLYPHS, local_time
from store import FINISHED, Job, JobState, NoSuchJob, OnDependencyFailure

if TYPE_CHECKING:
    from store.queue import Queue

MOST_DEPENDENCIES = 200
_NAMED = 5


def dependency_states(queue: Queue, job: Job) -> dict[str, JobState | None]:
    """The states of the jobs that it depends on; None for one that is gone."""
    return {name: _state(queue, name) for name in job.depends_on[:MOST_DEPENDENCIES]}


def why_not_started(queue: Queue, job: Job) -> tuple[str, ...]:
    """What a job that never ran waits for, in sentences."""
    if job.state in FINISHED:
        return (f"It never ran: it is {job.state.label}.",)
    return "Not started yet.", _reason(queue, job)


def _reason(queue: Queue, job: Job) -> str:
    if job.state is JobState.BLOCKED:
        return f"It waits for {_needed(queue, job)}."
    now = queue.now()
    if job.run_at > now:
        return f"It is due at {local_time(job.run_at, now)}."
    return _in_its_queue(queue, job)


def _needed(queue: Queue, job: Job) -> str:
    met = {JobState.COMPLETED}
    if job.on_dependency_failure is OnDependencyFailure.RUN:
        met |= FINISHED
    unmet = [
        f"{name} ({GLYPHS[state]} {state.label})"
        for name, state in dependency_states(queue, job).items()
        if state is not None and state not in met
    ]
    if not unmet:
        return "what it depends on"
    more = len(unmet) - _NAMED
    return ", ".join(unmet[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _state(queue: Queue, job_id: str) -> JobState | None:
    try:
        return queue.job(job_id).state
    except NoSuchJob:
        return None


def _in_its_queue(queue: Queue, job: Job) -> str:
    status = queue.status()
    for info in status.queues:
        if info.name != job.queue:
            continue
        limits = [most for most in (info.max_running, len(info.slots)) if most]
        if info.paused:
            return f"Its queue {info.name} is paused: Q shows the queues."
        if limits and info.processing >= min(limits):
            return f"Its queue {info.name} runs {min(limits)} at once, as many as it may."
    if not status.workers_up:
        return "No worker is up: w starts some."
    return "It waits for its turn."
