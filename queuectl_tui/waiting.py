"""Why jobs wait: one answer for the command line and the app, from one reading of the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from queuectl_tui.text import GLYPHS, duration, local_time, size
from store import (
    FINISHED,
    Job,
    JobState,
    OnDependencyFailure,
    Outlook,
    QueueInfo,
    Status,
    Worker,
    WorkerState,
)

if TYPE_CHECKING:
    from store.queue import Queue

MOST_DEPENDENCIES = 200
_NAMED = 5
_AT_ONCE = 500


class Reason(NamedTuple):
    """What has to change before a job starts: ``word`` for programs, ``text`` for people.

    ``needed`` is the job that it depends on, where that is the reason, and ``state`` that job's.
    """

    word: str
    text: str
    needed: str | None = None
    state: JobState | None = None

    @property
    def short(self) -> str:
        return self.word.replace("_", " ")

    @property
    def lasting(self) -> bool:
        """Whether it stays until somebody does something about it."""
        return self.word in _LASTING

    @property
    def of_many(self) -> str:
        """What is said of all jobs that it is the reason of."""
        return _OF_MANY.get(self.word, self.text)


_LASTING = frozenset({"held", "queue_paused", "pool_paused", "no_worker", "disk_low"})
_OF_MANY = {
    "held": "held",
    "dependency": "blocked",
    "due": "not due yet",
    "disk_low": "the disk is too full",
}


class Facts(NamedTuple):
    """What decides whether jobs start. ``running`` counts over all queues; 0 is no limit.

    ``running_by_label`` is of queues that limit it, by queue and label.
    """

    now: int
    queues: Mapping[str, QueueInfo]
    workers: Sequence[Worker]
    running: int
    max_running: int
    free_space: int
    min_free_space: int
    running_by_label: Mapping[tuple[str, str], int]


def read_facts(queue: Queue, status: Status | None = None) -> Facts:
    """The store as it stands; workers whose processes are gone count as stale."""
    status = status or queue.status()
    settings, workers = queue.settings.values(), queue.workers()
    if workers:
        from workers import crew

        workers = crew(queue)
    return Facts(
        now=queue.now(),
        queues={info.name: info for info in status.queues},
        workers=workers,
        running=status.counts[JobState.PROCESSING],
        max_running=int(settings["max_running"]),
        free_space=queue.free_space(),
        min_free_space=int(settings["min_free_space"]),
        running_by_label=(
            queue.queues.running_by_label()
            if any(info.max_per_label for info in status.queues)
            else {}
        ),
    )


class Waiting:
    """Why jobs of a store wait, as it stands when it is first asked.

    ``status`` is that of the store, where it has been read already.
    """

    def __init__(self, queue: Queue, status: Status | None = None) -> None:
        self._queue = queue
        self._status = status
        self._standing: dict[str, tuple[Reason, ...]] = {}
        self._limits: dict[str, tuple[Reason, ...]] = {}

    @cached_property
    def facts(self) -> Facts:
        return read_facts(self._queue, self._status)

    def of(self, jobs: Iterable[Job]) -> dict[str, tuple[Reason, ...]]:
        """What those wait for that do, by id; what has to change first comes first."""
        waiting = [job for job in jobs if not (job.state.finished or _runs(job))]
        needed = self._needed(waiting)
        reasons = {job.id: self._reasons(job, needed) for job in waiting}
        return {job_id: found for job_id, found in reasons.items() if found}

    def of_queue(self, name: str) -> tuple[Reason, ...]:
        """Why nothing of the queue starts; empty when something may."""
        if name not in self._standing:
            self._standing[name] = (*_standing(self.facts, name),)
            self._limits[name] = (*_limits(self.facts, name),)
        return (*self._standing[name], *self._limits[name])

    def _needed(self, waiting: Iterable[Job]) -> Mapping[str, Outlook]:
        blocked = (job for job in waiting if job.state is JobState.BLOCKED)
        ids = {needed: None for job in blocked for needed in job.depends_on}
        return self._queue.outlooks([*ids]) if ids else {}

    def _reasons(self, job: Job, needed: Mapping[str, Outlook]) -> tuple[Reason, ...]:
        held, due = (*_held(job),), (*_due(job, self.facts.now),)
        if job.state is JobState.BLOCKED:
            return (*held, *_dependencies(job, needed), *due)
        in_queue = self.of_queue(job.queue)
        if held or due:
            return (*held, *due, *self._standing[job.queue])
        return (*in_queue, *_label_limit(self.facts, job))


def with_reasons(queue: Queue, jobs: Iterable[Job]) -> Iterator[tuple[Job, tuple[Reason, ...]]]:
    """Each job with what it waits for, in little memory however many they are."""
    waiting, some = Waiting(queue), list[Job]()
    for job in jobs:
        some.append(job)
        if len(some) == _AT_ONCE:
            yield from _paired(waiting, some)
            some = []
    yield from _paired(waiting, some)


def _paired(waiting: Waiting, jobs: Sequence[Job]) -> Iterator[tuple[Job, tuple[Reason, ...]]]:
    reasons = waiting.of(jobs)
    for job in jobs:
        yield job, reasons.get(job.id, ())


def reasons_to_json(reasons: Iterable[Reason]) -> list[dict[str, object]]:
    """As ``waits_for`` has them; one that is a job is named by its id and state."""
    return [
        {"reason": reason.word, "text": reason.text}
        if reason.state is None
        else {"id": reason.needed, "state": reason.state.value, "reason": reason.word}
        for reason in reasons
    ]


def in_words(reasons: Sequence[Reason]) -> str:
    """All of them on one line."""
    return ", ".join(reason.text for reason in reasons)


# -- Each reason


def _are(one: bool) -> str:
    return "is" if one else "are"


def _runs(job: Job) -> bool:
    return job.state is JobState.PROCESSING


def _held(job: Job) -> Iterator[Reason]:
    if job.held:
        yield Reason("held", f"held; release it with queuectl-tui release {job.id}")


def _dependencies(job: Job, needed: Mapping[str, Outlook]) -> Iterator[Reason]:
    runs_anyway = job.on_dependency_failure is OnDependencyFailure.RUN
    enough = FINISHED if runs_anyway else {JobState.COMPLETED}
    for name in job.depends_on:
        if name in needed and (state := needed[name].state) not in enough:
            yield Reason("dependency", f"{name} ({state.label})", name, state)


def _due(job: Job, now: int) -> Iterator[Reason]:
    if job.run_at > now:
        moment, left = local_time(job.run_at, now), duration((job.run_at - now) / 1000)
        yield Reason("due", f"due at {moment}, in {left}")


def _standing(facts: Facts, name: str) -> Iterator[Reason]:
    """What keeps all of the queue's jobs from starting until somebody changes it."""
    info = facts.queues.get(name)
    if info is not None and info.paused:
        yield Reason("queue_paused", f"queue {name} is paused")
    yield from _unserved(facts, name)
    if facts.free_space < facts.min_free_space:
        left, least = size(facts.free_space), size(facts.min_free_space)
        yield Reason("disk_low", f"the disk has {left} left, min_free_space is {least}")


def _unserved(facts: Facts, name: str) -> Iterator[Reason]:
    pools = {worker.pool for worker in facts.workers if worker.serves(name)}
    if not pools:
        someone = any(worker.state is not WorkerState.STALE for worker in facts.workers)
        nobody = f"no worker serves queue {name}" if someone else "no worker is up"
        yield Reason("no_worker", nobody)
    paused = {each.pool for each in facts.workers if each.state is WorkerState.PAUSED}
    if pools and pools <= paused:
        one, names = len(pools) == 1, ", ".join(sorted(pools))
        yield Reason("pool_paused", f"{'pool' if one else 'pools'} {names} {_are(one)} paused")


def _limits(facts: Facts, name: str) -> Iterator[Reason]:
    """What ends by itself: when a running job does, or with time."""
    if facts.max_running and facts.running >= facts.max_running:
        most = facts.max_running
        yield Reason("store_limit", f"as many jobs run as max_running allows: {most}")
    info = facts.queues.get(name)
    limits = [most for most in (info.max_running, len(info.slots)) if most] if info else []
    if info is not None and limits and info.processing >= min(limits):
        yield Reason("queue_limit", f"queue {name} runs {min(limits)} at once, as many as it may")
    if info is not None and info.rate is not None and info.rate_opens_at is not None:
        from queuectl_tui.queue_limits import rate_text

        rate, moment = rate_text(info.rate), local_time(info.rate_opens_at, facts.now)
        yield Reason("rate_limit", f"queue {name} is at its rate, {rate}; it goes on at {moment}")


def _label_limit(facts: Facts, job: Job) -> Iterator[Reason]:
    info = facts.queues.get(job.queue)
    if info is None or info.max_per_label is None or job.label is None:
        return
    if facts.running_by_label.get((job.queue, job.label), 0) >= info.max_per_label:
        most = f"queue {job.queue} runs {info.max_per_label} at once with this label"
        yield Reason("label_limit", f"{most}, as many as it may")


# -- In the app

_KEYS = {"queue_paused": ": Q shows the queues", "no_worker": ": w starts some"}


def dependency_states(queue: Queue, job: Job) -> dict[str, JobState | None]:
    """The states of the jobs that it depends on; None for one that is gone."""
    names = job.depends_on[:MOST_DEPENDENCIES]
    found = queue.outlooks(names) if names else {}
    return {name: found[name].state if name in found else None for name in names}


def why_not_started(queue: Queue, job: Job) -> tuple[str, ...]:
    """What a job that never ran waits for first, in sentences."""
    if job.state in FINISHED:
        return (f"It never ran: it is {job.state.label}.",)
    reasons = Waiting(queue).of([job]).get(job.id, ())
    return "Not started yet.", _sentence(job, reasons, queue.now())


def _sentence(job: Job, reasons: Sequence[Reason], now: int) -> str:
    if not reasons:
        return "It waits for its turn."
    first = reasons[0]
    if first.word == "held":
        return "It is held: H releases it."
    if first.word == "dependency":
        return f"It waits for {_needed_jobs(reasons)}."
    if first.word == "due":  # without what is left: nobody paints it anew each second
        return f"It is due at {local_time(job.run_at, now)}."
    return f"{first.text[0].upper()}{first.text[1:]}{_KEYS.get(first.word, '')}."


def _needed_jobs(reasons: Sequence[Reason]) -> str:
    needed = [
        f"{reason.needed} ({GLYPHS[reason.state]} {reason.state.label})"
        for reason in reasons
        if reason.state is not None
    ]
    more = len(needed) - _NAMED
    return ", ".join(needed[:_NAMED]) + (f" and {more} more" if more > 0 else "")
