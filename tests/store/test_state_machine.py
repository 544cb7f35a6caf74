"""Whatever happens in whatever order, the store stays what the model says.

People, workers that die, leases that are stale, clocks that jump and commits that fail take turns;
after each step every row is held against the table of states and against the model.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    run_state_machine_as_test,
)

from store import (
    FINISHED,
    InvalidInput,
    Job,
    JobFilter,
    JobState,
    KeyInUse,
    LeaseLost,
    NewJob,
    NoSuchJob,
    Outcome,
    QueueInfo,
    Rate,
    WrongState,
)
from store.queue import Queue

from .breakage import Breakage
from .drafts import (
    CARELESS,
    DRAFT,
    DRAFTS,
    LIMIT,
    MOMENTS,
    OUTCOMES,
    PER_LABEL,
    PLACE,
    PLACES,
    QUEUES,
    RATE,
    SOME_QUEUES,
    STATES,
    Draft,
)
from .forbidden import FORBIDDEN
from .machine import ALLOWED, EDITABLE, KEEP_DEAD, KEEP_DONE, SETTLED, StoreMachine, step
from .model import ATTEMPT_COLUMNS, JOB_COLUMNS

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


class QueueMachine(StoreMachine):
    """What may happen, and what always holds."""

    # People --------------------------------------------------------------------------------------

    @initialize(
        drafts=st.tuples(DRAFTS, DRAFTS).map(lambda two: [*two[0], *two[1]]),
        per_label=PER_LABEL,
    )
    def begin(self, drafts: list[Draft], per_label: int | None) -> None:
        for name in QUEUES:
            self._store().queues.set_max_per_label(name, per_label)
            self.model.max_per_label[name] = per_label
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
        act=st.sampled_from(("cancel", "retry", "delete", "cancel", "retry", "hold", "unhold")),
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
        act=st.sampled_from(("cancel", "retry", "cancel", "retry", "hold", "unhold", "unhold")),
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
        done = self._change(lambda queue: getattr(queue, f"{act}_matching")(wanted))
        if act == "retry":
            possible = self.model.retryable(jobs)
            assert done.ids == [job.id for job in possible]
            assert {left.id for left in done.left} == {
                job.id for job in jobs if job not in possible
            }
            jobs = possible
        elif act == "cancel":
            assert done == len(jobs)
        else:
            jobs = [job for job in jobs if job.held is (act == "unhold")]
            assert done == Counter(job.queue for job in jobs)
        self._model_does(act, jobs)

    @step(act=st.sampled_from(("cancel", "retry", "hold", "unhold")), place=PLACE)
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

    @step(place=PLACE, draft=DRAFT, careless=CARELESS)
    def edit(self, place: int, draft: Draft, careless: bool) -> None:
        """Where it was tried already the limit of attempts stays: an invariant goes by it."""
        ids = self.model.ids() if careless else self.model.ids(EDITABLE)
        if not ids:
            return
        (job,) = self.model.named([ids[place % len(ids)]])
        others = [job_id for job_id in self.model.ids() if job_id != job.id]
        most = job.max_retries if job.attempts else draft.max_retries
        new = replace(draft, name=None, max_retries=most).to_job(self.clock.ms, others)
        ask: Callable[[Queue], Job] = lambda queue: queue.edit(job.id, new)  # noqa: E731
        holder = self.model.holder_of_key(new.unique_key)
        if job.state not in EDITABLE:
            self._refused(ask, WrongState)
        elif holder not in (None, job) and not job.state.finished:
            self._refused(ask, KeyInUse)
        elif self.model.would_ring(job, new.depends_on):
            self._refused(ask, InvalidInput)
        else:
            self._change(ask)
            self.model.edit(job, new, self.clock.ms)
            self.tally["edited"] += 1

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

    @step(name=st.sampled_from(QUEUES), per_label=PER_LABEL, rate=RATE)
    def limit_a_queue(self, name: str, per_label: int | None, rate: Rate | None) -> None:
        self._change(lambda queue: queue.queues.set_max_per_label(name, per_label))
        self.model.max_per_label[name] = per_label
        self._change(lambda queue: queue.queues.set_rate(name, rate))
        self.model.rate[name] = rate

    @step(name=st.sampled_from(QUEUES), paused=CARELESS, most=LIMIT)
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
        assert self._store().asked(lease).stop
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

    @precondition(lambda self: self._next_chance())
    @step(early=st.booleans())
    def something_is_nearly_due(self, early: bool) -> None:
        self._set_clock((self._next_chance() or 0) - early)

    @step(breakage=st.sampled_from(Breakage), after=st.integers(0, 60))
    def the_next_change_breaks(self, breakage: Breakage, after: int) -> None:
        self.breakage = breakage, after

    def _next_chance(self) -> int | None:
        """When a job becomes due, or a queue goes on whose ready jobs only its rate holds."""
        stopped = {name for (name,) in self._rows("SELECT queue FROM job WHERE ready = 1")}
        openings = [
            self.model.opens_at(queue, self.clock.ms) for queue in stopped - self.model.paused
        ]
        return min(filter(None, [self.model.next_due(), *openings]), default=None)

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
        [(held,)] = self._rows("SELECT count(*) FROM job WHERE held")
        self.tally["held"] += held
        [(parked,)] = self._rows("SELECT count(*) FROM job WHERE parked")
        self.tally["parked"] += parked

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
            self.tally["stopped by a rate"] += info.rate_opens_at is not None
            assert info == QueueInfo(
                info.name,
                paused=info.name in self.model.paused,
                max_running=self.model.max_running.get(info.name),
                pending=depth.get((info.name, "pending"), 0),
                processing=depth.get((info.name, "processing"), 0),
                waiting=sum(depth.get((info.name, state), 0) for state in ("pending", "failed")),
                max_per_label=self.model.max_per_label.get(info.name),
                rate=self.model.rate.get(info.name),
                rate_opens_at=self.model.opens_at(info.name, self.clock.ms),
            )

    @invariant()
    def questions_are_answered_as_the_model_would(self) -> None:
        store = self._store()
        assert store.next_due() == self._next_chance()
        for lease in self.leases[-3:]:
            job = self.model.of_lease(lease.attempt_id)
            assert store.asked(lease).stop == (job is None or job.cancel_requested)


def test_the_store_is_what_the_model_says_whatever_happens() -> None:
    QueueMachine.tally.clear()
    run_state_machine_as_test(QueueMachine, settings=CALM)
    tally = QueueMachine.tally
    print(dict(tally))
    assert tally["claimed"] >= EXAMPLES * 5
    assert tally["undone"] >= EXAMPLES / 3
    assert tally["left out"] >= EXAMPLES / 10
    assert tally["reverted"] >= EXAMPLES / 10
    assert tally["edited"] >= EXAMPLES / 2
    assert tally["lease lost"] >= EXAMPLES / 4
    assert tally["recovered"] >= EXAMPLES / 4
    assert tally["held"] >= EXAMPLES
    assert tally["parked"] >= EXAMPLES / 4
    assert tally["stopped by a rate"] >= EXAMPLES / 4
    if SCALE >= 1:
        assert all(tally[breakage.value] for breakage in Breakage)
