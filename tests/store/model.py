"""What the states of jobs must be, in dictionaries: the reference that the store is held against.

Nothing here refuses anything: the model is told only of what the store may do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from store import (
    FINISHED,
    AttemptState,
    Job,
    JobState,
    NewJob,
    OnDependencyFailure,
    Outcome,
    Rate,
)
from store.overview import BUCKET_MS, MINUTES_KEPT

BACKOFF_BASE = 2
WAITING = frozenset({JobState.PENDING, JobState.FAILED})
FAILED_FOR_GOOD = frozenset({JobState.DEAD, JobState.CANCELLED})
RETRYABLE = FINISHED | {JobState.FAILED}

Row = tuple[object, ...]


@dataclass
class ModelJob:
    """One job as it must stand. ``history`` holds id, state and worker of attempts 1, 2, 3 …"""

    seq: int
    id: str
    queue: str
    priority: int
    run_at: int
    max_retries: int
    key: str | None
    label: str | None
    needs: set[int]
    on_failure: OnDependencyFailure
    state: JobState
    updated_at: int
    held: bool = False
    ready: bool = False
    attempts: int = 0
    lease: int | None = None
    held_by: int | None = None
    cancel_requested: bool = False
    started_at: int | None = None
    finished_at: int | None = None
    exit_code: int | None = None
    last_error: str | None = None
    worker: str | None = None
    history: list[tuple[int, AttemptState, str]] = field(default_factory=list)

    @property
    def number(self) -> int:
        return len(self.history)

    @property
    def is_waiting(self) -> bool:
        """Whether only time stands between the job and a worker."""
        may_start = not self.held and self.held_by is None
        return not self.ready and may_start and self.state in WAITING

    def row(self) -> Row:
        return (
            self.seq,
            self.id,
            self.queue,
            self.priority,
            self.run_at,
            self.max_retries,
            self.key,
            self.label,
            self.on_failure.value,
            self.state.value,
            self.updated_at,
            int(self.held),
            int(self.ready),
            self.attempts,
            self.number,
            self.lease,
            self.held_by,
            int(self.cancel_requested),
            self.started_at,
            self.finished_at,
            self.exit_code,
            self.last_error,
            self.worker,
        )

    def attempt_rows(self) -> Iterator[Row]:
        for number, (attempt, state, worker) in enumerate(self.history, start=1):
            yield self.seq, number, attempt, state.value, worker


JOB_COLUMNS = (
    "seq, id, queue, priority, run_at, max_retries, unique_key, label, on_dependency_failure,"
    " state, updated_at, held, ready + parked, attempts,"
    " number, lease, held_by, cancel_requested, started_at, finished_at, exit_code, last_error,"
    " worker"
)
ATTEMPT_COLUMNS = "job, number, id, state, worker"


class Model:
    """All jobs by number of arrival, and how often attempts have ended well and badly.

    It knows of no parked jobs: they are as ready as others, but their label is full.
    """

    def __init__(self) -> None:
        self.jobs: dict[int, ModelJob] = {}
        self.last_seq = 0
        self.last_attempt = 0
        self.paused: set[str] = set()
        self.max_running: dict[str, int | None] = {}
        self.max_per_label: dict[str, int | None] = {}
        self.rate: dict[str, Rate | None] = {}
        self.starts: dict[str, list[int]] = {}
        self.ended_at: list[tuple[int, bool]] = []
        """Bucket of time, and whether it completed, of each attempt that counts as throughput."""

    # Questions -----------------------------------------------------------------------------------

    def ids(self, states: Iterable[JobState] = frozenset(JobState)) -> list[str]:
        return [job.id for job in self.jobs.values() if job.state in states]

    def named(self, ids: Sequence[str]) -> list[ModelJob]:
        by_id = {job.id: job for job in self.jobs.values()}
        return [by_id[job_id] for job_id in ids]

    def needs_of(self, ids: Sequence[str]) -> list[str]:
        """What those of the named jobs that exist depend on."""
        return [
            self.jobs[seq].id
            for job in self.jobs.values()
            if job.id in ids
            for seq in sorted(job.needs)
        ]

    def of_lease(self, attempt: int) -> ModelJob | None:
        """The job whose running attempt this is."""
        return next((job for job in self.jobs.values() if job.lease == attempt), None)

    def held_by(self, attempt: int) -> ModelJob | None:
        return next((job for job in self.jobs.values() if job.held_by == attempt), None)

    def leases_of(self, worker: str) -> set[int]:
        return {job.lease for job in self.jobs.values() if job.worker == worker and job.lease}

    def held_of(self, worker: str) -> set[int]:
        return {job.held_by for job in self.jobs.values() if job.worker == worker and job.held_by}

    def next_due(self) -> int | None:
        return min((job.run_at for job in self.jobs.values() if job.is_waiting), default=None)

    def opens_at(self, queue: str, now: int) -> int | None:
        """When the queue's rate allows another attempt, if it doesn't now."""
        rate = self.rate.get(queue)
        if rate is None:
            return None
        window = int(rate.seconds * 1000)
        near = sorted(at for at in self.starts.get(queue, ()) if abs(at - now) <= window)
        return None if len(near) < rate.starts else near[-rate.starts] + window + 1

    def unmet(self, job: ModelJob) -> bool:
        met = {JobState.COMPLETED}
        if job.on_failure is OnDependencyFailure.RUN:
            met |= FAILED_FOR_GOOD
        return any(self.jobs[seq].state not in met for seq in job.needs)

    def holder_of_key(self, key: str | None) -> ModelJob | None:
        return next(
            (job for job in self.jobs.values() if key and job.key == key and _unfinished(job)), None
        )

    def needed(self) -> set[int]:
        """What unfinished jobs wait for or have waited for."""
        return {seq for job in self.jobs.values() if _unfinished(job) for seq in job.needs}

    def key_clash(self, jobs: Sequence[ModelJob]) -> bool:
        """Whether ``jobs`` cannot all be unfinished beside those that are."""
        chosen = {job.seq for job in jobs}
        keys = [
            job.key
            for job in self.jobs.values()
            if job.key and (job.seq in chosen or _unfinished(job))
        ]
        return len(keys) != len(set(keys))

    def retryable(self, jobs: Sequence[ModelJob]) -> list[ModelJob]:
        """Those of ``jobs`` that can all be unfinished: of several with one key the newest."""
        taken = {job.key for job in self.jobs.values() if job.key and _unfinished(job)}
        possible = []
        for job in reversed(jobs):
            if _unfinished(job) or job.key is None or job.key not in taken:
                possible.append(job)
                taken.add(job.key or "")
        return possible[::-1]

    def would_ring(self, job: ModelJob, ids: Sequence[str]) -> bool:
        """Whether the job, needing the named ones, would wait for itself."""
        todo, seen = {needed.seq for needed in self.named(ids)}, set[int]()
        while todo - seen:
            seen |= todo
            todo = {seq for behind in todo for seq in self.jobs[behind].needs}
        return job.seq in seen

    # Changes -------------------------------------------------------------------------------------

    def enqueue(
        self,
        batch: Sequence[NewJob],
        ids: Sequence[str],
        now: int,
        places: Sequence[int] | None = None,
    ) -> None:
        """``places`` are the numbers of arrival where they don't follow each other."""
        seqs = {job.id: seq for seq, job in self.jobs.items()}
        seqs |= zip(
            ids, places or range(self.last_seq + 1, self.last_seq + 1 + len(ids)), strict=True
        )
        for new, job_id in zip(batch, ids, strict=True):
            seq = seqs[job_id]
            run_at = now + int((new.delay or 0) * 1000) if new.run_at is None else new.run_at
            self.jobs[seq] = ModelJob(
                seq=seq,
                id=job_id,
                queue=new.queue,
                priority=new.priority,
                run_at=run_at,
                max_retries=3 if new.max_retries is None else new.max_retries,
                key=new.unique_key,
                label=new.label,
                needs={seqs[needed] for needed in new.depends_on},
                on_failure=new.on_dependency_failure,
                state=JobState.BLOCKED if new.depends_on else JobState.PENDING,
                updated_at=now,
                held=new.held,
                ready=run_at <= now and not new.depends_on and not new.held,
            )
        self._settle([self.jobs[seqs[job_id]] for job_id in ids], now)
        self.last_seq += len(ids)

    def claim(self, worker: str, queues: Sequence[str], now: int) -> ModelJob | None:
        """The job that must be taken; all that is due has become ready."""
        for job in self.jobs.values():
            if job.is_waiting and job.run_at <= now:
                job.ready = True
        ready = [
            job
            for job in self.jobs.values()
            if job.ready
            and (not queues or job.queue in queues)
            and self._is_open(job.queue, now)
            and self._has_room(job)
        ]
        if not ready:
            return None
        best = min(ready, key=lambda job: (-job.priority, job.seq))
        if (rate := self.rate.get(best.queue)) is not None:
            starts = [*self.starts.get(best.queue, ()), now]
            self.starts[best.queue] = starts[-2 * rate.starts :]
        self.last_attempt += 1
        best.history.append((self.last_attempt, AttemptState.RUNNING, worker))
        best.state, best.ready, best.lease = JobState.PROCESSING, False, self.last_attempt
        best.attempts += 1
        best.worker, best.started_at, best.updated_at = worker, now, now
        best.finished_at = best.exit_code = None
        return best

    def finish(self, job: ModelJob, outcome: Outcome, now: int) -> None:
        ended = AttemptState.CANCELLED if job.cancel_requested else outcome.state
        self._end_attempt(job, ended, outcome, now)
        job.held_by = None if outcome.tree_empty else job.history[-1][0]
        job.last_error = outcome.error
        if ended is AttemptState.CANCELLED:
            job.state = JobState.CANCELLED
            self._spread([job.seq], now)
            return
        if ended is not AttemptState.COMPLETED:
            self.ended_at.append((now // BUCKET_MS, False))
            if job.attempts == job.max_retries + 1:
                job.state = JobState.DEAD
                self._spread([job.seq], now)
            else:
                job.state = JobState.FAILED
                job.run_at = now + 1000 * BACKOFF_BASE**job.attempts
            return
        self.ended_at.append((now // BUCKET_MS, True))
        job.state = JobState.COMPLETED
        self._spread([job.seq], now)

    def release(self, job: ModelJob, outcome: Outcome, now: int) -> None:
        if job.cancel_requested:
            self.finish(job, outcome, now)
            return
        self._end_attempt(job, AttemptState.RELEASED, outcome, now)
        job.state, job.ready = JobState.PENDING, True
        job.run_at = min(job.run_at, now)
        job.attempts -= 1

    def settle(self, attempt: int) -> None:
        job = self.held_by(attempt)
        if job is not None:
            job.held_by = None

    def cancel(self, jobs: Sequence[ModelJob], now: int) -> None:
        waiting = [job.seq for job in jobs if job.state is not JobState.PROCESSING]
        for job in jobs:
            if job.state is JobState.PROCESSING:
                job.cancel_requested = True
            else:
                job.state, job.ready, job.held = JobState.CANCELLED, False, False
            job.updated_at = now
        self._spread(waiting, now)

    def hold(self, jobs: Iterable[ModelJob], now: int) -> None:
        for job in jobs:
            if not job.held:
                job.held, job.ready, job.updated_at = True, False, now

    def unhold(self, jobs: Iterable[ModelJob], now: int) -> None:
        for job in jobs:
            if job.held:
                job.held, job.updated_at = False, now
                job.ready = job.is_waiting and job.run_at <= now

    def retry(self, jobs: Sequence[ModelJob], now: int) -> None:
        for job in jobs:
            job.held = False
            if job.state is not JobState.FAILED:
                job.attempts, job.state = 0, JobState.PENDING
            job.ready = job.held_by is None
            job.run_at = job.updated_at = now
        self._resettle(jobs, now)

    def edit(self, job: ModelJob, new: NewJob, now: int) -> None:
        job.queue, job.priority, job.key = new.queue, new.priority, new.unique_key
        job.label = new.label
        job.max_retries = 3 if new.max_retries is None else new.max_retries
        job.needs = {needed.seq for needed in self.named(new.depends_on)}
        job.on_failure = new.on_dependency_failure
        if new.delay is not None:
            job.run_at = now + int(new.delay * 1000)
        elif new.run_at is not None:
            job.run_at = new.run_at
        job.ready, job.updated_at = False, now
        self._settle([job], now)

    def revert(self, job: ModelJob, before: ModelJob, now: int) -> None:
        """It is as it was before something was done to it."""
        job.state, job.attempts, job.ready = before.state, before.attempts, False
        job.held = before.held
        job.run_at, job.updated_at = before.run_at, before.updated_at
        self._resettle([job], now)

    def can_revert(self, job: ModelJob, seen: Job, wanted: JobState) -> bool:
        """Whether it still is as it was ``seen``, and its key not another's meanwhile."""
        as_seen = (job.state, job.updated_at, job.number) == (
            seen.state,
            seen.updated_at,
            seen.number,
        )
        holder = self.holder_of_key(job.key)
        return as_seen and not (holder and holder is not job and not wanted.finished)

    def _resettle(self, jobs: Iterable[ModelJob], now: int) -> None:
        changed = {job.seq for job in jobs}
        self._settle(
            [job for job in self.jobs.values() if job.seq in changed or job.needs & changed], now
        )

    def _settle(self, jobs: Sequence[ModelJob], now: int) -> None:
        """They wait, wait no more, or are cancelled, by what they need."""
        for job in jobs:
            if job.state is JobState.PENDING and self.unmet(job):
                job.state, job.ready = JobState.BLOCKED, False
        for job in jobs:
            if job.state is JobState.BLOCKED and not self.unmet(job):
                job.state = JobState.PENDING
                job.ready = job.is_waiting and job.run_at <= now
        needed = {seq for job in jobs for seq in job.needs}
        failed = [seq for seq in needed if self.jobs[seq].state in FAILED_FOR_GOOD]
        self._free_behind(self._cancel_behind(failed, now), now)

    def _spread(self, ended: Sequence[int], now: int) -> None:
        """What an ending means to those who wait."""
        self._free_behind([*ended, *self._cancel_behind(ended, now)], now)

    def _cancel_behind(self, ended: Iterable[int], now: int) -> list[int]:
        failed = {seq for seq in ended if self.jobs[seq].state in FAILED_FOR_GOOD}
        behind = [
            job
            for job in self.jobs.values()
            if job.state is JobState.BLOCKED
            and job.on_failure is OnDependencyFailure.CANCEL
            and job.needs & failed
        ]
        for job in behind:
            job.state, job.held, job.updated_at = JobState.CANCELLED, False, now
        cancelled = [job.seq for job in behind]
        return [*cancelled, *self._cancel_behind(cancelled, now)] if cancelled else []

    def _free_behind(self, ended: Iterable[int], now: int) -> None:
        changed = {*ended}
        for job in self.jobs.values():
            if job.state is JobState.BLOCKED and job.needs & changed and not self.unmet(job):
                job.state, job.updated_at = JobState.PENDING, now
                job.ready = job.is_waiting and job.run_at <= now

    def delete(self, jobs: Iterable[ModelJob]) -> None:
        for job in jobs:
            del self.jobs[job.seq]
        for job in self.jobs.values():
            job.needs &= self.jobs.keys()

    def deletable(
        self, states: Iterable[JobState], queue: str | None, before: int | None
    ) -> list[ModelJob]:
        needed = self.needed()
        return [
            job
            for job in self.jobs.values()
            if job.state in FINISHED
            and job.state in states
            and queue in (None, job.queue)
            and (before is None or job.updated_at < before)
            and job.seq not in needed
        ]

    def _end_attempt(self, job: ModelJob, ended: AttemptState, outcome: Outcome, now: int) -> None:
        attempt, _, worker = job.history[-1]
        job.history[-1] = (attempt, ended, worker)
        job.lease, job.cancel_requested = None, False
        job.finished_at = job.updated_at = now
        job.exit_code = outcome.exit_code

    def forget_throughput(self, now: int) -> None:
        oldest = (now - 2 * MINUTES_KEPT * 60_000) // BUCKET_MS
        self.ended_at = [entry for entry in self.ended_at if entry[0] >= oldest]

    def running(self, queue: str) -> int:
        return sum(
            job.state is JobState.PROCESSING for job in self.jobs.values() if job.queue == queue
        )

    def _is_open(self, queue: str, now: int) -> bool:
        most = self.max_running.get(queue)
        full = most is not None and self.running(queue) >= most
        return queue not in self.paused and not full and self.opens_at(queue, now) is None

    def _has_room(self, job: ModelJob) -> bool:
        most = self.max_per_label.get(job.queue)
        return most is None or job.label is None or self._running_with(job) < most

    def _running_with(self, job: ModelJob) -> int:
        return sum(
            other.state is JobState.PROCESSING
            and (other.queue, other.label) == (job.queue, job.label)
            for other in self.jobs.values()
        )


def _unfinished(job: ModelJob) -> bool:
    return not job.state.finished
