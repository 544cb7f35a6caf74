"""A store under test beside the model of it, and what the rules do with both."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache, wraps
from pathlib import Path
from random import Random
from typing import Any, ClassVar, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, rule

from store import (
    FINISHED,
    HOLDABLE,
    AttemptState,
    IdInUse,
    InvalidInput,
    Job,
    JobState,
    KeyInUse,
    Lease,
    NewJob,
    Outcome,
    Output,
    Stream,
    WorkerKind,
    open_store,
)
from store.queue import Queue

from .breakage import BROKEN, BreakableClock, Breakage, broken
from .drafts import MEANWHILE, Draft
from .model import RETRYABLE, Model, ModelJob

IN_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None

KEEP_DONE, KEEP_DEAD = 60_000, 120_000
TABLES = (
    *("job", "attempt", "dependency", "queue", "worker", "job_count", "throughput"),
    "queue_start",
    "sqlite_sequence",
)
UNFINISHED = frozenset(JobState) - FINISHED
EDITABLE = frozenset(JobState) - {JobState.PROCESSING}
ALLOWED = {
    "cancel": UNFINISHED,
    "retry": RETRYABLE,
    "delete": FINISHED,
    "hold": HOLDABLE,
    "unhold": HOLDABLE,
}
SETTLED = {stream: Output(0, b"") for stream in Stream}

T = TypeVar("T")


class Undone(Exception):
    """The change has failed, and the store is what it was."""


def step(**strategies: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule after which some workers work. When its change fails, the rest is skipped."""

    def decorate(act: Callable[..., None]) -> Any:
        @wraps(act)
        def acting(
            self: StoreMachine, meanwhile: list[tuple[int, Outcome | None]], **values: Any
        ) -> None:
            try:
                act(self, **values)
                self.work(meanwhile)
            except Undone:
                self.tally["undone"] += 1

        return rule(**strategies, meanwhile=MEANWHILE)(acting)  # type: ignore[no-untyped-call]

    return decorate


@cache
def new_store() -> bytes:
    """An empty store's file: opening a copy of it is quick."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        queue = open_store(f"{folder}/queue.db", durable=False)
        queue.settings.set("keep_completed", f"{KEEP_DONE // 1000}s")
        queue.settings.set("keep_dead", f"{KEEP_DEAD // 1000}s")
        queue.settings.set("min_free_space", "0")
        queue.close()
        return queue.path.read_bytes()


class StoreMachine(RuleBasedStateMachine):
    """One store, opened twice; three workers up at any time."""

    tally: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=IN_MEMORY)
        self.path = Path(self.folder.name) / "queue.db"
        self.path.touch(0o600)
        self.path.write_bytes(new_store())
        self.clock = BreakableClock()
        self.latest = self.clock.ms
        self.model = Model()
        self.leases: list[Lease] = []
        self.dead_workers: list[str] = []
        self.unknown_workers: set[str] = set()
        self.breakage: tuple[Breakage, int] | None = None
        self.last_asked: tuple[Job, Job, ModelJob] | None = None
        self.turn = 0
        self._open()
        self.workers = [self._new_worker() for _ in range(3)]
        self.supervisor = self._store().registry.register(
            WorkerKind.SUPERVISOR, pool="default", host="here"
        )

    def teardown(self) -> None:
        self._close()
        self.folder.cleanup()

    def _open(self) -> None:
        self.stores = [
            open_store(
                str(self.path), durable=False, patience=0.0, clock=self.clock, random=Random(7)
            )
            for _ in range(2)
        ]
        self.reader = sqlite3.connect(self.path, isolation_level=None)

    def _close(self) -> None:
        self.reader.close()
        for store in self.stores:
            store.close()

    def _new_worker(self) -> str:
        return self._store().registry.register(WorkerKind.WORKER, pool="default", host="here")

    def _store(self) -> Queue:
        """The two take turns, so that each sees what the other wrote."""
        self.turn += 1
        return self.stores[self.turn % 2]

    def _rows(self, query: str) -> list[Any]:
        return self.reader.execute(query).fetchall()

    def _everything(self) -> list[Any]:
        return [self._rows(f"SELECT * FROM {table}") for table in TABLES]

    def _set_clock(self, ms: int) -> None:
        self.clock.ms = ms
        self.latest = max(self.latest, ms)

    def _change(self, act: Callable[[Queue], T]) -> T:
        """Let the store do it; if it was to break and did, nothing has changed."""
        store = self._store()
        if self.breakage is None:
            return act(store)
        (breakage, after), self.breakage = self.breakage, None
        before = self._everything()
        try:
            with broken(store, self.clock, breakage, after):
                return act(store)
        except BROKEN:
            assert self._everything() == before, f"half of it was kept when {breakage}"
        self.tally[breakage.value] += 1
        raise Undone

    def _refused(self, act: Callable[[Queue], object], *errors: type[Exception]) -> None:
        before = self._everything()
        try:
            self._change(act)
        except errors:
            assert self._everything() == before
        else:
            raise AssertionError(f"not refused: {errors}")

    def _enqueue(self, batch: list[NewJob]) -> None:
        errors = self._objections(batch)
        if errors:
            self._refused(lambda queue: queue.enqueue(batch), *errors)
            return
        ids = self._change(lambda queue: queue.enqueue(batch))
        assert [job.id or job_id for job, job_id in zip(batch, ids, strict=True)] == ids
        assert not set(ids) & set(self.model.ids())
        self.model.enqueue(batch, ids, self.clock.ms)

    def _objections(self, batch: list[NewJob]) -> tuple[type[Exception], ...]:
        ids = [job.id for job in batch if job.id]
        keys = [job.unique_key for job in batch if job.unique_key]
        existing = set(self.model.ids())
        found: list[type[Exception]] = []
        if existing.intersection(ids):
            found.append(IdInUse)
        if any(self.model.holder_of_key(key) for key in keys):
            found.append(KeyInUse)
        twice = len(set(ids)) < len(ids) or len(set(keys)) < len(keys)
        if twice or any(
            needed == job.id or needed not in existing.union(ids)
            for job in batch
            for needed in job.depends_on
        ):
            found.append(InvalidInput)
        return tuple(found)

    def _acceptable(self, drafts: Iterable[Draft]) -> list[Draft]:
        """The same jobs, with what would be refused left out."""
        names, keys = set(self.model.ids()), set[str]()
        accepted = []
        for draft in drafts:
            name = None if f"j{draft.name}" in names else draft.name
            taken = draft.key in keys or self.model.holder_of_key(draft.key)
            names.add(f"j{name}")
            keys.add(draft.key or "")
            accepted.append(replace(draft, name=name, key=None if taken else draft.key))
        return accepted

    def _model_does(self, act: str, jobs: list[ModelJob]) -> None:
        if act == "delete":
            self.model.delete(jobs)
        else:
            getattr(self.model, act)(jobs, self.clock.ms)

    def work(self, meanwhile: Iterable[tuple[int, Outcome | None]]) -> None:
        """Workers take what they find; some of it ends at once."""
        for place, outcome in meanwhile:
            lease = self._claim(self.workers[place])
            if lease is not None and outcome is not None:
                self._finish(lease, outcome)

    def _claim(self, worker: str, names: Sequence[str] = ()) -> Lease | None:
        lease = self._change(lambda queue: queue.claim(worker, names))
        self._claimed(lease, worker, names)
        return lease

    def _finish(
        self,
        lease: Lease,
        outcome: Outcome,
        *,
        claim_for: str | None = None,
        names: Sequence[str] = (),
    ) -> Lease | None:
        following = self._change(
            lambda queue: queue.finish(lease, outcome, claim_for=claim_for, queues=names)
        )
        (job,) = self.model.named([lease.job_id])
        self.model.finish(job, outcome, self.clock.ms)
        if claim_for is not None and outcome.tree_empty:
            self._claimed(following, claim_for, names)
        else:
            assert following is None
        return following

    def _claimed(self, lease: Lease | None, worker: str, names: Sequence[str]) -> None:
        job = self.model.claim(worker, names, self.clock.ms)
        if lease is None:
            assert job is None
            return
        assert job is not None
        assert (lease.job_id, lease.job_seq, lease.number) == (job.id, job.seq, job.number)
        assert lease.attempt_id == job.lease
        assert all(lease.attempt_id > earlier.attempt_id for earlier in self.leases)
        assert job.run_at <= self.latest
        self.leases.append(lease)
        self.tally["claimed"] += 1

    def _recover(self, worker: str, outcome: Outcome) -> None:
        """What a supervisor does for the dead: its attempts are lost, then its trees empty."""
        self._inherit()
        lost = outcome._replace(state=AttemptState.LOST)
        leases = self._store().leases(worker)
        assert {lease.attempt_id for lease in leases} == self.model.leases_of(worker)
        for lease in leases:
            assert lease in self.leases
            self._finish(lease, lost)
        held = self._store().held(worker)
        assert {lease.attempt_id for lease in held} == self.model.held_of(worker)
        for lease in held:
            self._settle(lease)
        self._change(lambda queue: queue.registry.unregister(worker))
        self.unknown_workers.discard(worker)
        self.dead_workers.remove(worker)
        self.tally["recovered"] += 1

    def _inherit(self) -> None:
        """Who is unknown yet has attempts becomes known, and is handed out once."""
        orphans = [
            worker
            for worker in sorted(self.unknown_workers)
            if self.model.leases_of(worker) or self.model.held_of(worker)
        ]
        for expected in (orphans, []):
            inherited = self._change(
                lambda queue: queue.registry.inherit_orphans(
                    self.supervisor, pool="default", host="here"
                )
            )
            assert sorted(inherited) == expected
            self.unknown_workers.difference_update(inherited)

    def _settle(self, lease: Lease) -> None:
        self._change(lambda queue: queue.settle(lease, SETTLED))
        self.model.settle(lease.attempt_id)

    def _running(self) -> list[tuple[Lease, ModelJob]]:
        """What workers run that are alive."""
        return [
            (lease, job)
            for lease in self.leases
            if (job := self.model.of_lease(lease.attempt_id)) and job.worker in self.workers
        ]

    def _pick_running(self, place: int) -> tuple[Lease, ModelJob]:
        running = self._running()
        return running[place % len(running)]

    def _held(self) -> list[Lease]:
        return [lease for lease in self.leases if self.model.held_by(lease.attempt_id)]

    def _stale(self) -> list[Lease]:
        return [
            lease
            for lease in self.leases
            if not self.model.of_lease(lease.attempt_id)
            and not self.model.held_by(lease.attempt_id)
        ]
