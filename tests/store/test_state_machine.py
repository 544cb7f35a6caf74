"""Whatever happens in whatever order, the store stays what the model says.

People, workers that die, leases that are stale, clocks that jump and commits that fail take turns;
after each step every row is held against the table of states and against the model.
"""

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

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from store import (
    FINISHED,
    AttemptState,
    IdInUse,
    InvalidInput,
    Job,
    JobFilter,
    JobState,
    KeyInUse,
    Lease,
    LeaseLost,
    NewJob,
    NoSuchJob,
    Outcome,
    Output,
    QueueInfo,
    Stream,
    WorkerKind,
    WrongState,
    open_store,
)
from store.queue import Queue

from .breakage import BROKEN, BreakableClock, Breakage, broken
from .drafts import (
    CARELESS,
    DRAFTS,
    MEANWHILE,
    MOMENTS,
    OUTCOMES,
    PLACE,
    PLACES,
    QUEUES,
    SOME_QUEUES,
    STATES,
    Draft,
    seldom,
)
from .forbidden import FORBIDDEN
from .model import ATTEMPT_COLUMNS, JOB_COLUMNS, RETRYABLE, Model, ModelJob

# Shorter by hand: QUEUECTL_CHAOS=0.2 pytest tests/store. CI always runs it whole.
SCALE = 1.0 if os.environ.get("CI") else float(os.environ.get("QUEUECTL_CHAOS", "1"))
EXAMPLES = max(5, round(250 * SCALE))
STEPS = 50
CALM = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    phases=[Phase.generate],  # shrinking can take many minutes; by hand, do without this line
    suppress_health_check=list(HealthCheck),
)
QUICK_TO_FAIL = settings(
    CALM, max_examples=400, phases=[Phase.generate], report_multiple_bugs=False, print_blob=False
)
IN_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None

KEEP_DONE, KEEP_DEAD = 60_000, 120_000
TABLES = (
    *("job", "attempt", "dependency", "queue", "worker", "job_count", "throughput"),
    "sqlite_sequence",
)
UNFINISHED = frozenset(JobState) - FINISHED
ALLOWED = {"cancel": UNFINISHED, "retry": RETRYABLE, "delete": FINISHED}
SETTLED = {stream: Output(0, b"") for stream in Stream}

T = TypeVar("T")


class Undone(Exception):
    """The change has failed, and the store is what it was."""


def step(**strategies: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule after which some workers work. When its change fails, the rest is skipped."""

    def decorate(act: Callable[..., None]) -> Any:
        @wraps(act)
        def acting(
            self: QueueMachine, meanwhile: list[tuple[int, Outcome | None]], **values: Any
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
        queue.settings.set("keep_completed", str(KEEP_DONE // 1000))
        queue.settings.set("keep_dead", str(KEEP_DEAD // 1000))
        queue.settings.set("min_free_space", "0")
        queue.close()
        return queue.path.read_bytes()


class QueueMachine(RuleBasedStateMachine):
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

    # People --------------------------------------------------------------------------------------

    @initialize(drafts=st.tuples(DRAFTS, DRAFTS).map(lambda two: [*two[0], *two[1]]))
    def begin(self, drafts: list[Draft]) -> None:
        plain = [replace(draft, name=None, needs=(), key=None) for draft in drafts]
        self._enqueue([draft.to_job(self.clock.ms, ()) for draft in plain])

    @step(drafts=DRAFTS, careless=CARELESS)
    def enqueue(self, drafts: list[Draft], careless: bool) -> None:
        if not careless:
            drafts = self._acceptable(drafts)
        known = [*self.model.ids(), *(["nobody"] if careless else [])]
        jobs: list[NewJob] = []
        for draft in reversed(drafts):  # each knows those that follow: no ring, which is refused
            jobs.insert(0, draft.to_job(self.clock.ms, known))
            known += [] if draft.name is None else [f"j{draft.name}"]
        self._enqueue(jobs)

    @step(drafts=DRAFTS)
    def enqueue_what_is_new(self, drafts: list[Draft]) -> None:
        known = self.model.ids()
        batch = [draft.to_job(self.clock.ms, known) for draft in drafts]
        ids, keys = (
            {*known},
            {job.key for job in self.model.jobs.values() if not job.state.finished},
        )
        new: list[NewJob] = []
        for job in batch:
            if job.id not in ids and (job.unique_key is None or job.unique_key not in keys):
                new.append(job)
                ids |= {job.id} if job.id else set()
                keys.add(job.unique_key)
        stored = self._change(lambda queue: queue.enqueue(batch, skip_existing=True))
        assert [job.id or job_id for job, job_id in zip(new, stored, strict=True)] == stored
        places = dict(self._rows("SELECT id, seq FROM job"))  # what is left out leaves gaps
        self.model.enqueue(new, stored, self.clock.ms, [places[job_id] for job_id in stored])
        [(self.model.last_seq,)] = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'job'")
        self.tally["left out"] += len(batch) - len(new)

    @step(
        act=st.sampled_from(("cancel", "retry", "delete")),
        places=PLACES,
        with_needs=st.booleans(),
        careless=CARELESS,
    )
    def ask_for_some(self, act: str, places: list[int], with_needs: bool, careless: bool) -> None:
        """By id, perhaps with what they need; the careless don't look at a job's state."""
        allowed = ALLOWED[act]
        ids = [*self.model.ids(), "nobody"] if careless else self.model.ids(allowed)
        if not ids:
            return
        chosen = list(dict.fromkeys(ids[place % len(ids)] for place in places))
        if with_needs:
            chosen += [job_id for job_id in self.model.needs_of(chosen) if job_id in ids]
            chosen = list(dict.fromkeys(chosen))
        ask: Callable[[Queue], object] = lambda queue: getattr(queue, act)(chosen)  # noqa: E731
        if "nobody" in chosen:
            self._refused(ask, NoSuchJob)
            return
        jobs = self.model.named(chosen)
        is_needed = bool(self.model.needed().intersection(job.seq for job in jobs))
        if any(job.state not in allowed for job in jobs) or (act == "delete" and is_needed):
            self._refused(ask, WrongState)
        elif act == "retry" and self.model.key_clash(jobs):
            self._refused(ask, KeyInUse)
        else:
            self._change(ask)
            self._model_does(act, jobs)

    @step(
        act=st.sampled_from(("cancel", "retry")),
        states=STATES,
        name=st.none() | st.sampled_from(QUEUES),
    )
    def ask_for_all(self, act: str, states: frozenset[JobState], name: str | None) -> None:
        wanted = JobFilter(states=states, queue=name)
        allowed = (states or ALLOWED[act]) & ALLOWED[act]
        jobs = [
            job
            for job in self.model.jobs.values()
            if job.state in allowed and name in (None, job.queue)
        ]
        ask: Callable[[Queue], int] = lambda queue: getattr(queue, f"{act}_matching")(wanted)  # noqa: E731
        if act == "retry" and self.model.key_clash(jobs):
            self._refused(ask, KeyInUse)
        else:
            assert self._change(ask) == len(jobs)
            self._model_does(act, jobs)

    @step(act=st.sampled_from(("cancel", "retry")), place=PLACE)
    def ask_for_one(self, act: str, place: int) -> None:
        """It may be undone later."""
        ids = self.model.ids(ALLOWED[act] - {JobState.PROCESSING})
        if not ids:
            return
        (job,) = self.model.named([ids[place % len(ids)]])
        if act == "retry" and self.model.key_clash([job]):
            return
        before, model_before = self._store().job(job.id), replace(job)
        (after,) = self._change(lambda queue: getattr(queue, act)([job.id]))
        self._model_does(act, [job])
        self.last_asked = before, after, model_before

    @precondition(lambda self: self.last_asked)
    @step()
    def undo(self) -> None:
        assert self.last_asked is not None
        before, after, model_before = self.last_asked
        job = self.model.jobs.get(after.seq)
        fits = job is not None and self.model.can_revert(job, after, before.state)
        assert self._change(lambda queue: queue.revert([before], [after])) == int(fits)
        self.last_asked = None
        if job is not None and fits:
            self.model.revert(job, model_before, self.clock.ms)
            self.tally["reverted"] += 1

    @step(
        states=STATES,
        name=st.none() | st.sampled_from(QUEUES),
        age=st.sampled_from(("any", "as set", 0, 1, 4000)),
    )
    def delete_all(self, states: frozenset[JobState], name: str | None, age: int | str) -> None:
        if age == "as set":
            done = {JobState.COMPLETED, JobState.CANCELLED}
            jobs = self.model.deletable(done, None, self.clock.ms - KEEP_DONE)
            jobs += self.model.deletable({JobState.DEAD}, None, self.clock.ms - KEEP_DEAD)
            assert self._store().prune() == len(jobs)
            self.model.forget_throughput(self.clock.ms)
        else:
            before = self.clock.ms - age if isinstance(age, int) else None
            jobs = self.model.deletable(states or FINISHED, name, before)
            wanted = JobFilter(states=states, queue=name)
            assert self._store().delete_matching(wanted, finished_before=before) == len(jobs)
        self.model.delete(jobs)

    @step(name=st.sampled_from(QUEUES), paused=CARELESS, most=seldom(st.integers(1, 3)))
    def set_a_queue(self, name: str, paused: bool, most: int | None) -> None:
        self._change(lambda queue: queue.queues.set_max_running(name, most))
        self.model.max_running[name] = most
        self._change(lambda queue: queue.queues.set_paused([name], paused))
        (self.model.paused.add if paused else self.model.paused.discard)(name)

    # Workers -------------------------------------------------------------------------------------

    @step(place=st.integers(0, 2), names=SOME_QUEUES)
    def claim(self, place: int, names: tuple[str, ...]) -> None:
        self._claim(self.workers[place], names)

    @precondition(lambda self: self._running())
    @step(place=PLACE, outcome=OUTCOMES, again=st.booleans(), names=SOME_QUEUES)
    def finish(self, place: int, outcome: Outcome, again: bool, names: tuple[str, ...]) -> None:
        lease, job = self._pick_running(place)
        self._finish(lease, outcome, claim_for=job.worker if again else None, names=names)

    @precondition(lambda self: self._running())
    @step(place=PLACE, outcome=OUTCOMES)
    def release(self, place: int, outcome: Outcome) -> None:
        lease, job = self._pick_running(place)
        self._change(lambda queue: queue.release(lease, outcome))
        self.model.release(job, outcome, self.clock.ms)

    @precondition(lambda self: self._held())
    @step(place=PLACE)
    def settle(self, place: int) -> None:
        held = self._held()
        self._settle(held[place % len(held)])

    @precondition(lambda self: self._stale())
    @step(
        place=PLACE,
        outcome=OUTCOMES,
        act=st.sampled_from(("finish", "finish and claim", "release", "settle", "note")),
    )
    def use_a_stale_lease(self, place: int, outcome: Outcome, act: str) -> None:
        stale = self._stale()
        lease = stale[place % len(stale)]
        assert self._store().cancel_requested(lease)
        if act == "settle":
            self._change(lambda queue: queue.settle(lease, SETTLED))
        elif act == "note":
            self._change(lambda queue: queue.note(lease, "not mine any more"))
        else:
            calls: dict[str, Callable[[Queue], object]] = {
                "finish": lambda queue: queue.finish(lease, outcome),
                "finish and claim": lambda queue: queue.finish(lease, outcome, claim_for="w1"),
                "release": lambda queue: queue.release(lease, outcome),
            }
            self._refused(calls[act], LeaseLost)
            self.tally["lease lost"] += 1

    @precondition(lambda self: self._running())
    @step(place=PLACE, restored=CARELESS, outcome=st.none() | OUTCOMES)
    def a_worker_dies(self, place: int, restored: bool, outcome: Outcome | None) -> None:
        """Where ``restored``, nobody has heard of it: the store is a copy from another day."""
        lease, job = self._pick_running(place)
        worker = job.worker or ""
        self.workers[self.workers.index(worker)] = self._new_worker()
        self.dead_workers.append(worker)
        if restored:
            self._store().registry.unregister(worker)
            self.unknown_workers.add(worker)
        self._change(lambda queue: queue.note(lease, "its worker is gone"))
        job.last_error = "its worker is gone"
        if outcome is not None:
            self._recover(worker, outcome)

    @precondition(lambda self: self.dead_workers)
    @step(outcome=OUTCOMES)
    def recover(self, outcome: Outcome) -> None:
        self._recover(self.dead_workers[0], outcome)

    # The world -----------------------------------------------------------------------------------

    @step(ms=MOMENTS, back=CARELESS, reopened=CARELESS)
    def the_clock_moves(self, ms: int, back: bool, reopened: bool) -> None:
        if reopened:
            self._close()
            self._open()
        self._set_clock(self.clock.ms + (-ms if back else ms))

    @precondition(lambda self: self.model.next_due())
    @step(early=st.booleans())
    def something_is_nearly_due(self, early: bool) -> None:
        self._set_clock((self.model.next_due() or 0) - early)

    @step(breakage=st.sampled_from(Breakage), after=st.integers(0, 60))
    def the_next_change_breaks(self, breakage: Breakage, after: int) -> None:
        self.breakage = breakage, after

    # What always holds ---------------------------------------------------------------------------

    @invariant()
    def the_store_is_what_the_model_says(self) -> None:
        rows = self._rows(f"SELECT {JOB_COLUMNS} FROM job ORDER BY seq")
        jobs = [self.model.jobs[seq] for seq in sorted(self.model.jobs)]
        assert rows == [job.row() for job in jobs]
        attempts = self._rows(f"SELECT {ATTEMPT_COLUMNS} FROM attempt ORDER BY job, number")
        assert attempts == [row for job in jobs for row in job.attempt_rows()]
        needs = self._rows("SELECT job, needs FROM dependency ORDER BY job, needs")
        assert needs == [(job.seq, needed) for job in jobs for needed in sorted(job.needs)]
        completed = [done for _, done in self.model.ended_at]
        assert self._rows("SELECT total(completed), total(failed) FROM throughput") == [
            (completed.count(True), completed.count(False))
        ]

    @invariant()
    def every_row_fits_the_table_of_states(self) -> None:
        for what, query in FORBIDDEN.items():
            assert self._rows(query) == [], what

    @invariant()
    def counts_are_of_the_rows(self) -> None:
        status = self._store().status()
        grouped = dict(self._rows("SELECT state, count(*) FROM job GROUP BY state"))
        assert {state.value: number for state, number in status.counts.items() if number} == grouped
        depth = {
            (queue, state): number
            for queue, state, number in self._rows(
                "SELECT queue, state, count(*) FROM job GROUP BY queue, state"
            )
        }
        for info in status.queues:
            assert info == QueueInfo(
                info.name,
                paused=info.name in self.model.paused,
                max_running=self.model.max_running.get(info.name),
                pending=depth.get((info.name, "pending"), 0),
                processing=depth.get((info.name, "processing"), 0),
            )

    @invariant()
    def questions_are_answered_as_the_model_would(self) -> None:
        store = self._store()
        assert store.next_due() == self.model.next_due()
        for lease in self.leases[-3:]:
            job = self.model.of_lease(lease.attempt_id)
            assert store.cancel_requested(lease) == (job is None or job.cancel_requested)

    # Helpers -------------------------------------------------------------------------------------

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
        if len(set(keys)) < len(keys) or any(self.model.holder_of_key(key) for key in keys):
            found.append(KeyInUse)
        if len(set(ids)) < len(ids) or any(
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
        elif act == "retry":
            self.model.retry(jobs, self.clock.ms)
        else:
            self.model.cancel(jobs, self.clock.ms)

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


def test_the_store_is_what_the_model_says_whatever_happens() -> None:
    QueueMachine.tally.clear()
    run_state_machine_as_test(QueueMachine, settings=CALM)
    tally = QueueMachine.tally
    print(dict(tally))
    assert tally["claimed"] >= EXAMPLES * 5
    assert tally["undone"] >= EXAMPLES / 3
    assert tally["left out"] >= EXAMPLES / 10
    assert tally["reverted"] >= EXAMPLES / 10
    assert tally["lease lost"] >= EXAMPLES / 4
    assert tally["recovered"] >= EXAMPLES / 4
    if SCALE >= 1:
        assert all(tally[breakage.value] for breakage in Breakage)
