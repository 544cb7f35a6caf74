"""Do the processes agree with the store? Questions that change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from store import Job, JobFilter, JobState, WorkerKind, WorkerState
from store.health import Finding, Verdict
from store.queue import Queue
from workers import processes

_START = "start a supervisor, which takes over: queuectl-tui worker start"


def examine_processes(queue: Queue) -> Iterator[Finding]:
    """Stale workers, processes without a supervisor, and jobs that nobody sees to."""
    entries = queue.registry.registered()
    alive = {entry.id for entry in entries if processes.is_alive(entry.identity)}
    supervised = any(entry.id in alive for entry in entries if entry.kind is WorkerKind.SUPERVISOR)
    yield _stale([entry.id for entry in entries if entry.state is WorkerState.STALE])
    gone = [entry.id for entry in entries if entry.id not in alive]
    if gone and not supervised:
        detail = f"registered, but not running: {', '.join(gone)}"
        yield Finding("workers", Verdict.PROBLEM, detail, _START)
    else:
        yield Finding("workers", Verdict.OK, f"{len(alive)} processes, as registered")
    running = queue.jobs(JobFilter(states=frozenset({JobState.PROCESSING})))
    bereft = [job for job in (*running, *queue.held_jobs()) if job.worker not in alive]
    yield _orphans(queue, bereft)
    yield from _unattended(bereft, supervised=supervised)


def _stale(stale: list[str]) -> Finding:
    if not stale:
        return Finding("heartbeats", Verdict.OK, "no worker is silent")
    detail = f"silent: {', '.join(stale)}"
    advice = "see whether they are stopped or swapped out; stall_timeout ends such workers"
    return Finding("heartbeats", Verdict.PROBLEM, detail, advice)


def _orphans(queue: Queue, bereft: Sequence[Job]) -> Finding:
    """Processes of attempts whose worker is gone."""
    orphaned = [
        f"{pid} ({job.id})"
        for job in bereft
        for attempt in queue.history(job.id)[-1:]
        for pid in processes.marked([f"{queue.store_id}/{attempt.id}"])
    ]
    if not orphaned:
        return Finding("orphans", Verdict.OK, "no process has lost its worker")
    detail = f"running without a worker: {', '.join(orphaned)}"
    return Finding("orphans", Verdict.PROBLEM, detail, _START)


def _unattended(bereft: Sequence[Job], *, supervised: bool) -> Iterator[Finding]:
    for job in bereft:
        if job.last_error and job.last_error.startswith("needs attention"):
            what, _, advice = job.last_error.partition("; ")
            yield Finding("jobs", Verdict.PROBLEM, f"{job.id} {what}", f"{job.id}: {advice}")
        elif not supervised:
            running = job.state is JobState.PROCESSING
            what = "is RUNNING" if running else "waits for what its last attempt left running"
            detail = f"{job.id} {what}, but its worker {job.worker} is gone"
            yield Finding("jobs", Verdict.PROBLEM, detail, _START)
