"""``Queue``: every change of a job's state begins here and only here.

Each public method that changes something is one transaction, and rings the doorbells afterwards.
What it returns is read before the commit, and nothing that follows the commit may fail.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from store import doorbell, overview
from store.batch import Batch, environment_id
from store.database import Database
from store.errors import InvalidInput, NoSuchJob, QueueError
from store.jobs import (
    EDITABLE,
    HOLDABLE,
    RETRYABLE,
    RUNNING,
    UNFINISHED,
    Asked,
    Attempt,
    AttemptState,
    ErrorGroup,
    Job,
    JobFilter,
    JobState,
    Lease,
    NewJob,
    NotRetried,
    Order,
    Outcome,
    Outlook,
    Output,
    Pause,
    PauseProgress,
    Placing,
    Retried,
    Snapshot,
    Status,
    Stream,
    Window,
    Worker,
)
from store.late import Late
from store.leasing import Leasing
from store.output import Folders, OutputView, Recorded, StoredOutput, in_files, recorded, remove
from store.queues import Queues
from store.registry import Registry
from store.settings import Settings
from store.steering import Steering
from store.tally import Tally

if TYPE_CHECKING:
    from random import Random

    from store import listing, outlook, reads
    from store.chains import Chain
    from store.retention import Excess, Retention
    from store.schedules import Schedules
    from store.sweep import Sweep
else:
    listing = Late("store.listing")
    outlook = Late("store.outlook")
    reads = Late("store.reads")  # it knows peewee, which plain commands and workers go without

_READ_AT_ONCE = 500

Clock = Callable[[], int]


class Queue:
    """A store of jobs, opened. Made by ``open_store``; may be used from several threads."""

    def __init__(self, database: Database, *, clock: Clock, random: Random | None) -> None:
        self._database = database
        self._clock = clock
        self._chance = random
        self.path: Path = database.path
        self.url = str(database.path)
        self.settings = Settings(database)
        self._leasing = Leasing(self.settings, clock, self._by_chance)
        self._tally = Tally()
        self.registry = Registry(database, clock)
        self.queues = Queues(database, clock)
        self.folders = Folders(database.folder)
        self._steering = Steering(database, self.settings, self.folders, self._leasing, clock)
        self.store_id = database.store_id
        self.file = database.file
        """Device and inode of the file that is open, whatever stands at ``path`` now."""

    @cached_property
    def _random(self) -> Random:
        from random import Random

        return self._chance or Random()

    def _by_chance(self) -> float:
        return self._random.random()

    @cached_property
    def schedules(self) -> Schedules:
        """The recurring jobs."""
        from store.schedules import Schedules

        return Schedules(
            self._database,
            self.settings,
            clock=self._clock,
            random=self._random,
            environment_id=self._environment_id,
        )

    @cached_property
    def _retention(self) -> Retention:
        from store.retention import Retention

        return Retention(self._database, self.settings, self.folders, self._steering.delete)

    def now(self) -> int:
        """UTC milliseconds by the store's clock."""
        return self._clock()

    def close(self) -> None:
        """Close this thread's connection."""
        self._database.close()

    # What people do ------------------------------------------------------------------------------

    def enqueue(
        self,
        jobs: Iterable[NewJob],
        *,
        captured_env: Mapping[str, str] | None = None,
        dry_run: bool = False,
        skip_existing: bool = False,
        places: Mapping[int, str] = MappingProxyType({}),
    ) -> Sequence[str]:
        """Store a batch, all or nothing; the ids in order. On disk when this returns.

        The ids of a large batch are read back from a file as often as they are gone through.
        ``captured_env`` is what the jobs take along from where they were enqueued. ``dry_run``
        checks everything and stores nothing. ``skip_existing`` leaves out jobs whose id or unique
        key is in use, instead of refusing the batch. ``places`` name, by a job's place in the
        batch, where what it depends on was written, for an error about that. Raises ``IdInUse``,
        ``KeyInUse``, ``InvalidInput``.
        """
        batch = Batch(self._database.folder)
        try:
            now = self.now()
            batch.fill(
                jobs,
                now=now,
                cwd=os.getcwd,
                settings=self.settings.values(),
            )
            if not len(batch):
                raise InvalidInput("the batch is empty: there is no job in it")
            with suppress(_DryRun), self._change() as connection:
                ids = batch.insert(
                    connection,
                    now=now,
                    random=self._random,
                    environment=environment_id(connection, captured_env or {}),
                    skip_existing=skip_existing,
                    places=places,
                )
                if dry_run:
                    raise _DryRun
            return ids
        except BaseException:
            batch.close()
            raise

    def clone(
        self,
        job_id: str,
        change: Callable[[NewJob], NewJob] | None = None,
        *,
        place: str = "depends_on",
    ) -> Job:
        """Store another job of the same fields, and the variables that were captured for it.

        Neither a time that it waits for nor a hold is taken over; ``change`` may alter the fields.
        ``place`` is where what it depends on was written, for an error about that. Raises
        ``NoSuchJob``, ``IdInUse``, ``KeyInUse``, ``InvalidInput``.
        """
        batch = Batch(self._database.folder)
        try:
            with self._change() as connection:
                old = reads.one_job(self._database.query, job_id)
                new, now = old.as_clone(), self.now()
                new = new if change is None else change(new)
                batch.fill([new], now=now, cwd=os.getcwd, settings=self.settings.values())
                query = "SELECT environment FROM job WHERE seq = ?"
                (environment,) = connection.execute(query, (old.seq,)).fetchone()
                (clone,) = batch.insert(
                    connection,
                    now=now,
                    random=self._random,
                    environment=environment,
                    places={0: place},
                )
                return reads.one_job(self._database.query, clone)
        finally:
            batch.close()

    def cancel(self, ids: Sequence[str], *, signal: int | None = None) -> list[Job]:
        """End waiting jobs now; running ones are marked, and their workers told.

        These send ``signal`` in place of SIGTERM; of one that is being stopped already, too.
        Raises ``NoSuchJob``, or ``WrongState`` when one has finished; then none is changed.
        """
        with self._change() as connection:
            self._steering.cancel(connection, overview.seqs(connection, ids), signal=signal)
            return reads.named(self._database.query, ids)

    def cancel_matching(self, wanted: JobFilter, *, signal: int | None = None) -> int:
        """Cancel all unfinished jobs that match; how many."""
        cancel = partial(self._steering.cancel, signal=signal)
        return self._on_matching(wanted, UNFINISHED, cancel)

    def hold(self, ids: Sequence[str]) -> list[Job]:
        """Start none of these waiting jobs until they are released; some may be held already.

        Raises ``NoSuchJob``, or ``WrongState`` when one runs or has finished; then none is held.
        """
        with self._change() as connection:
            self._steering.hold(connection, overview.seqs(connection, ids))
            return reads.named(self._database.query, ids)

    def hold_matching(self, wanted: JobFilter) -> Counter[str]:
        """Hold all waiting jobs that match and aren't held yet; how many of each queue."""
        with self._change() as connection:
            waiting = self._matching(wanted._replace(held=False), HOLDABLE)
            return self._steering.hold(connection, waiting)

    def unhold(self, ids: Sequence[str]) -> list[Job]:
        """Let waiting jobs start that are held; those that are due at once.

        Raises ``NoSuchJob``, or ``WrongState`` when one runs or has finished; then none is changed.
        """
        with self._change() as connection:
            self._steering.unhold(connection, overview.seqs(connection, ids))
            return reads.named(self._database.query, ids)

    def unhold_matching(self, wanted: JobFilter) -> Counter[str]:
        """Let all held jobs that match start; how many of each queue."""
        with self._change() as connection:
            held = self._matching(wanted._replace(held=True), HOLDABLE)
            return self._steering.unhold(connection, held)

    def pause(self, ids: Sequence[str]) -> list[int]:
        """Ask the workers to stop running jobs where they are; the attempts that are meant.

        ``pausing`` tells how far that is. Raises ``NoSuchJob``, or ``WrongState`` when one does
        not run; then none is asked for.
        """
        with self._change() as connection:
            return self._steering.pause(connection, overview.seqs(connection, ids))

    def pause_matching(self, wanted: JobFilter) -> list[int]:
        """Like ``pause``, all running jobs that match, except those that are being cancelled."""
        with self._change() as connection:
            return self._steering.pause_any(connection, self._matching(wanted, RUNNING))

    def resume(self, ids: Sequence[str]) -> list[int]:
        """Let paused jobs go on; the attempts that are meant, those that were not paused too.

        Raises ``NoSuchJob``, or ``WrongState`` when one does not run; then none is resumed.
        """
        with self._change() as connection:
            return self._steering.resume(connection, overview.seqs(connection, ids))

    def resume_matching(self, wanted: JobFilter) -> list[int]:
        """Let all paused jobs that match go on; their attempts."""
        with self._change() as connection:
            return self._steering.resume_any(connection, self._matching(wanted, RUNNING))

    def retry(self, ids: Sequence[str], *, dry_run: bool = False) -> list[Job]:
        """Run finished or failed jobs (again) now; all but failed ones start over at 0 attempts.

        ``dry_run`` checks everything and changes nothing. Raises ``NoSuchJob``, ``WrongState``,
        ``KeyInUse``; then none is changed.
        """
        with suppress(_DryRun), self._change() as connection:
            self._steering.retry(connection, overview.seqs(connection, ids))
            jobs = reads.named(self._database.query, ids)
            if dry_run:
                raise _DryRun
        return jobs

    def retry_possible(self, ids: Sequence[str]) -> tuple[list[Job], list[NotRetried]]:
        """Like ``retry``, but leaves out jobs whose unique keys are in use; which, and why.

        Of several with one key the newest is retried. Raises ``NoSuchJob``, ``WrongState``.
        """
        with self._change() as connection:
            chosen = overview.seqs(connection, ids)
            possible, left = self._steering.retry_possible(connection, chosen)
            return reads.jobs_at(self._database.query, possible, JobFilter()), left

    def retry_matching(self, wanted: JobFilter, *, dry_run: bool = False) -> Retried:
        """``retry_possible`` all finished or failed jobs that match."""
        with suppress(_DryRun), self._change() as connection:
            chosen = self._matching(wanted, RETRYABLE)
            possible, left = self._steering.retry_possible(connection, chosen)
            retried = Retried(*reads.ids_at(self._database.query, possible), left)
            if dry_run:
                raise _DryRun
        return retried

    def revert(self, before: Sequence[Job], after: Sequence[Job]) -> int:
        """Undo a retry, a hold, a release, or the cancelling of a waiting job; how many could be.

        The pairs are a job as it stood before and after. One that has moved on since, or whose
        unique key is in use now, stays as it is.
        """
        with self._change() as connection:
            return self._steering.revert(connection, before, after)

    @cached_property
    def sweep(self) -> Sweep:
        """What is done in steps to all that match."""
        from store.sweep import Sweep

        return Sweep(self._database, self._steering, self._change)

    def edit(self, job_id: str, new: NewJob) -> Job:
        """Give a job that is not running the fields of ``new``; its id stays.

        What ``new`` leaves open is settled as for a new job, but a ``run_at`` left open stays as it
        is. Raises ``NoSuchJob``, ``WrongState``, ``KeyInUse``, ``InvalidInput``.
        """
        return self.edit_each([job_id], lambda _: new)[0]

    def edit_each(self, ids: Sequence[str], change: Callable[[Job], NewJob]) -> list[Job]:
        """Like ``edit``, each job by what ``change`` makes of it as it stands then.

        When one can't be edited, none is.
        """
        with self._change() as connection:
            self._steering.edit(connection, overview.seqs(connection, ids), change)
            return reads.named(self._database.query, ids)

    def edit_matching(self, wanted: JobFilter, change: Callable[[Job], NewJob]) -> int:
        """Edit all jobs that match and aren't running; how many."""
        return self._on_matching(wanted, EDITABLE, partial(self._steering.edit, change=change))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove finished jobs with their history and output.

        Raises ``NoSuchJob``, or ``WrongState`` when one is unfinished or an unfinished job needs
        it; then none is removed.
        """
        with self._change() as connection:
            chosen = overview.seqs(connection, ids)
            kept_files = self._steering.delete(connection, chosen)
        remove(kept_files)

    def delete_some(self, wanted: JobFilter) -> int:
        """Like ``delete_matching``, the first of them, in one transaction; 0 when done."""
        return self._retention.remove_some(wanted)

    def delete_matching(self, wanted: JobFilter, *, finished_before: int | None = None) -> int:
        """Remove finished jobs that match, in small transactions; how many.

        ``finished_before`` is a time in UTC milliseconds. What an unfinished job needs stays.
        """
        return self._retention.remove(wanted, finished_before)

    # What people ask -----------------------------------------------------------------------------

    def job(self, job_id: str) -> Job:
        """The job as it stands. Raises ``NoSuchJob``."""
        with self._database.read():
            return reads.one_job(self._database.query, job_id)

    def named(self, ids: Sequence[str]) -> list[Job]:
        """The jobs with these ids, in their order. Raises ``NoSuchJob``."""
        found = self.present(ids)
        if len(found) < len(ids):
            known = {job.id for job in found}
            raise NoSuchJob(next(job_id for job_id in ids if job_id not in known))
        return found

    def present(self, ids: Sequence[str]) -> list[Job]:
        """Like ``named``, without those that aren't there."""
        with self._database.read():
            return reads.named(self._database.query, ids)

    def ids(
        self,
        wanted: JobFilter,
        order: Order | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[str]:
        """The ids of jobs that match, the oldest first unless ``order`` says otherwise."""
        with self._database.read():
            return reads.ids(self._database.query, wanted, order or Order(), limit, offset)

    def outlooks(self, ids: Sequence[str]) -> Mapping[str, Outlook]:
        """How jobs stand, and whether they are over; without those that aren't there."""
        with self._database.read() as connection:
            return outlook.outlooks(connection, ids)

    def held_jobs(self) -> list[Job]:
        """Jobs whose last attempt has ended, though not yet every process of it."""
        with self._database.read() as connection:
            held = [job_id for (job_id,) in connection.execute(_HELD_JOBS)]
            return reads.named(self._database.query, held)

    def jobs(
        self,
        wanted: JobFilter | None = None,
        order: Order | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Job]:
        """Jobs that match; newest first unless ``order`` says otherwise."""
        with self._database.read():
            return reads.jobs(
                self._database.query,
                wanted or JobFilter(),
                order or Order(reverse=True),
                limit,
                offset,
            )

    def iter_jobs(
        self,
        wanted: JobFilter | None = None,
        order: Order | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> Iterator[Job]:
        """The same as ``jobs``, in little memory however many they are.

        Which jobs, and in what order, is settled at the first. Each is as it stands when its turn
        comes, and left out if it doesn't match any more: no transaction is open between two, since
        one that waits for a reader would keep the write-ahead log growing.
        """
        wanted, order = wanted or JobFilter(), order or Order(reverse=True)
        with self._database.read():
            places = reads.places(self._database.query, wanted, order, limit, offset)
        for start in range(0, len(places), _READ_AT_ONCE):
            with self._database.read():
                page = reads.jobs_at(
                    self._database.query, places[start : start + _READ_AT_ONCE], wanted
                )
            yield from page

    def count(self, wanted: JobFilter | None = None) -> int:
        """How many jobs match."""
        with self._database.read():
            return reads.count(self._database.query, wanted or JobFilter())

    def outside(self, ids: Sequence[str], wanted: JobFilter | None = None) -> list[str]:
        """Those of ``ids`` whose jobs don't match, or are not there at all."""
        with self._database.read():
            return listing.outside(self._database.query, ids, wanted or JobFilter())

    def history(self, job_id: str) -> list[Attempt]:
        """Every attempt of a job, oldest first. Raises ``NoSuchJob``."""
        with self._database.read() as connection:
            (seq,) = overview.seqs(connection, [job_id])
            return reads.history(self._database.query, seq)

    def histories(self, ids: Sequence[str]) -> Mapping[str, list[Attempt]]:
        """Every attempt, oldest first, of each of these jobs that has run."""
        with self._database.read():
            return reads.histories(self._database.query, ids)

    def chain(self, job_id: str) -> Chain:
        """The jobs that it waits for, and those that wait for it. Raises ``NoSuchJob``."""
        from store.chains import read_chain

        with self._database.read() as connection:
            (seq,) = overview.seqs(connection, [job_id])
            return read_chain(connection, self._database.query, seq)

    def output(self, job_id: str, number: int | None, stream: Stream) -> OutputView:
        """What an attempt printed (``None``: the last). Raises ``NoSuchJob``, ``QueueError``."""
        attempts = self.history(job_id)
        chosen = [attempt for attempt in attempts if number in (None, attempt.number)]
        if not chosen:
            known = f"it has {len(attempts)}" if attempts else "it has not run yet"
            what = "no attempt" if number is None else f"no attempt {number}"
            raise QueueError(f"{what} of job {job_id}: {known}")
        return self.output_of(chosen[-1], stream)

    def output_of(self, attempt: Attempt, stream: Stream) -> OutputView:
        """What this attempt printed. Raises ``NoSuchJob`` when its job was deleted."""

        def look() -> Recorded:
            with self._database.look() as connection:
                return recorded(connection, attempt.id, stream)

        return StoredOutput(look, self.folders, attempt.id, stream)

    def measured(self, attempts: Iterable[Attempt]) -> list[Attempt]:
        """The same; those that run with the bytes that they have printed so far."""
        return [
            self._measured(attempt) if attempt.state is AttemptState.RUNNING else attempt
            for attempt in attempts
        ]

    def _measured(self, attempt: Attempt) -> Attempt:
        with suppress(NoSuchJob):  # it has ended and was deleted meanwhile
            stdout, stderr = (self.output_of(attempt, stream).size() for stream in Stream)
            return attempt._replace(stdout_bytes=stdout, stderr_bytes=stderr)
        return attempt

    def pausing(self, attempts: Sequence[int]) -> list[PauseProgress]:
        """How far requests to pause or resume these attempts have come."""
        with self._database.look() as connection:
            return self._steering.pausing(connection, attempts)

    def status(self) -> Status:
        """Counts, workers and throughput at a glance."""
        with self._database.read() as connection:
            return overview.status(connection, self.now())

    def workers(self) -> list[Worker]:
        """Supervisors, each followed by its workers."""
        with self._database.read() as connection:
            return overview.workers(connection, self.now())

    def error_groups(self, wanted: JobFilter | None = None) -> list[ErrorGroup]:
        """Dead jobs by their last error, the most frequent first."""
        with self._database.read():
            return reads.error_groups(self._database.query, wanted or JobFilter())

    def window(
        self,
        wanted: JobFilter,
        order: Order,
        *,
        offset: int | Placing,
        limit: int,
        follow: str | None = None,
    ) -> Window:
        """Rows ``offset`` to ``offset + limit`` of a list, and where ``follow`` stands in it.

        ``offset`` may be chosen once it is known how long the list is and where ``follow`` stands.
        """
        with self._database.read():
            return listing.window(
                self._database.query, wanted, order, offset=offset, limit=limit, follow=follow
            )

    def snapshot(
        self,
        wanted: JobFilter,
        order: Order,
        *,
        offset: int | Placing,
        limit: int,
        follow: str | None = None,
    ) -> Snapshot:
        """Status, workers and a window of jobs, all of one moment."""
        with self._database.read() as connection:
            now = self.now()
            return Snapshot(
                at=now,
                status=overview.status(connection, now),
                workers=tuple(overview.workers(connection, now)),
                window=listing.window(
                    self._database.query, wanted, order, offset=offset, limit=limit, follow=follow
                ),
            )

    def interrupter(self) -> Callable[[], None]:
        """What another thread calls to make this one's reading raise ``Interrupted``.

        It may strike between two statements and then does nothing: call it until that is raised.
        """
        return self._database.connection().interrupt

    def require_known_schema(self) -> None:
        """Raises ``StoreUnusable`` when the store was upgraded under the open program."""
        self._database.require_known_schema()

    def change_token(self) -> int:
        """A number that moves whenever something was committed; asking is cheap."""
        return self._database.data_version() + self._database.connection().total_changes

    # What workers do -----------------------------------------------------------------------------

    def claim(self, worker: str, queues: Sequence[str] = ()) -> Lease | None:
        """Take the best ready job for ``worker``, from ``queues`` only if any are named."""
        with self._database.look() as connection:
            if not self._leasing.has_work(connection, queues) or self.is_disk_low():
                return None
        with self._database.write() as connection:
            return self._leasing.claim(connection, worker, queues)

    def secure(self, lease: Lease) -> None:
        """To be called before what was claimed is started. Raises ``QueueError``: don't start it.

        A claim isn't durable by itself, but a job without retries is never run again.
        """
        if lease.max_retries == 0:
            self._database.sync()

    def finish(
        self,
        lease: Lease,
        outcome: Outcome,
        *,
        claim_for: str | None = None,
        queues: Sequence[str] = (),
        tally_later: bool = False,
    ) -> Lease | None:
        """Record how an attempt ended, and claim the next job in the same transaction.

        ``tally_later`` lets a busy worker leave the throughput, and what it has done, to its next
        call of this or ``tally``. Raises ``LeaseLost`` when the attempt was ended by somebody
        else: nothing is recorded.
        """
        following = None
        with self._database.write() as connection:
            ended = self._leasing.finish(connection, lease, outcome)
            if claim_for is not None and outcome.tree_empty and not self.is_disk_low():
                following = self._leasing.claim(connection, claim_for, queues)
            tally = self._tally.plus(ended.score)
            if following is None or not tally_later:
                tally = tally.counted(connection)
        self._tally = tally
        if ended.others_can_start:
            self.ring()
        return following

    def tally(self) -> None:
        """Count what calls of ``finish`` have left for later."""
        if self._tally:
            with self._database.write() as connection:
                tally = self._tally.counted(connection)
            self._tally = tally

    def release(self, lease: Lease, outcome: Outcome) -> None:
        """Give a job back unrun: pending again, the attempt not counted. Raises ``LeaseLost``.

        A job that was to be cancelled is cancelled.
        """
        with self._change() as connection:
            self._leasing.release(connection, lease, outcome)
            tally = self._tally.counted(connection)
        self._tally = tally

    def is_disk_low(self) -> bool:
        """Whether less than ``min_free_space`` is left: then nothing new is started."""
        return self.free_space() < int(self.settings.values()["min_free_space"])

    def free_space(self) -> int:
        """Bytes left on the store's disk."""
        return self._database.free_space()

    def settle(
        self, lease: Lease, outputs: Mapping[Stream, Output], *, children_ended: int = 0
    ) -> None:
        """The attempt's processes are all gone: its output is final, its job may be run again.

        ``children_ended`` is how many it had left running that were ended.
        """
        with self._change() as connection:
            self._leasing.settle(connection, lease, outputs, children_ended)
        remove(
            self.folders.kept(lease.attempt_id, stream)
            for stream, output in outputs.items()
            if output.data is not None
        )

    def take_ended(self, most: int) -> list[Job]:
        """Jobs that have ended for good since setting ``on_finish`` was made; each is told once."""
        with self._database.look() as connection:
            if connection.execute("SELECT 1 FROM ended").fetchone() is None:
                return []
        with self._database.write() as connection:
            told = connection.execute(
                "DELETE FROM ended WHERE job IN (SELECT job FROM ended ORDER BY job LIMIT ?)"
                " RETURNING (SELECT id FROM job WHERE seq = ended.job)",
                (most,),
            ).fetchall()
            return reads.named(self._database.query, [job_id for (job_id,) in told])

    def asked(self, lease: Lease) -> Asked:
        """What somebody wants of this attempt."""
        with self._database.look() as connection:
            return self._leasing.asked(connection, lease)

    def note_pause(self, lease: Lease, pause: Pause) -> None:
        """Record how an attempt stands; the request is withdrawn unless it is still ``asked``."""
        with self._database.write() as connection:
            self._leasing.note_pause(connection, lease, pause)

    def open_attempts(self) -> set[int]:
        """Attempts that run, or have ended while not yet all of their processes have."""
        with self._database.look() as connection:
            return {attempt for (attempt,) in connection.execute(_OPEN_ATTEMPTS)}

    def next_due(self) -> int | None:
        """When time alone may next let a job start (UTC milliseconds).

        It becomes due, or the rate of its queue allows another.
        """
        with self._database.look() as connection:
            return self._leasing.next_chance(connection)

    def leases(self, worker: str) -> list[Lease]:
        """The attempts that ``worker`` runs."""
        with self._database.read() as connection:
            return self._leasing.leases(connection, worker, held=False)

    def held(self, worker: str) -> list[Lease]:
        """Attempts of ``worker`` that have ended, but whose processes have yet to be."""
        with self._database.read() as connection:
            return self._leasing.leases(connection, worker, held=True)

    def note(self, lease: Lease, text: str) -> None:
        """Say why nothing happens with an attempt that runs or is held; shown as last error."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE job SET last_error = ?1 WHERE seq = ?2 AND (lease = ?3 OR held_by = ?3)",
                (text, lease.job_seq, lease.attempt_id),
            )

    # Keeping house -------------------------------------------------------------------------------

    def prune(self) -> int:
        """Remove some of what the settings keep no longer; how many jobs, 0 when done."""
        return self._retention.prune(self.now())

    def excess_with(self, name: str, text: str | None) -> Excess:
        """What would be kept no longer with a setting set, or without one, and is kept so far.

        Raises ``InvalidInput``.
        """
        now = self.now()
        before = self._retention.excess(self.settings.values(), now)
        after = self._retention.excess(self.settings.values_with(name, text), now)
        return after.beyond(before)

    def backup(self, target: Path, *, outputs: bool = True) -> int:
        """Copy the store, as it is at one moment, into the new file ``target``.

        The copy is a store of its own: it runs nothing, what was running starts over. Large
        outputs, which are files, go into the folder beside it unless ``outputs`` is False; returns
        how many they are. Raises ``QueueError`` if either exists; then, as after any error, there
        is no copy.
        """
        from store.backup import back_up

        return back_up(self._database, target, outputs=outputs)

    def missing_outputs(self) -> int:
        """How many large outputs are not where they should be."""
        with self._database.read() as connection:
            wanted = in_files(connection)
        return sum(not self.folders.kept(*output).exists() for output in wanted)

    def checkpoint(self) -> int:
        """Move the write-ahead log into the database; how many pages were in it."""
        return self._database.checkpoint()

    def sync(self) -> None:
        """Put everything committed on disk, and note how far that is."""
        self._database.sync_and_note()

    def ring(self) -> None:
        """Wake everybody who waits for a change."""
        doorbell.ring(self._database.bells)

    def doorbell(self, name: str) -> doorbell.Doorbell:
        """A doorbell of one's own; ``name`` is the store's id of a worker or supervisor."""
        return doorbell.Doorbell(self._database.bells, name)

    def pool_lock(self, pool: str) -> Path:
        """The file whose lock says that this machine's supervisor of ``pool`` is running."""
        from hashlib import sha256

        return self._database.folder / "locks" / sha256(pool.encode()).hexdigest()[:32]

    @property
    def log_path(self) -> Path:
        """Where detached supervisors write what they do."""
        return self._database.folder / "supervisor.log"

    # One statement at a time ---------------------------------------------------------------------

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """A transaction whose change everybody is told of."""
        with self._database.write() as connection:
            yield connection
        self.ring()

    def _environment_id(self, captured: Mapping[str, str]) -> int | None:
        with self._database.write() as connection:
            return environment_id(connection, captured)

    def _matching(self, wanted: JobFilter, allowed: frozenset[JobState]) -> list[int]:
        """Row numbers of the jobs that match in one of these states."""
        states = (wanted.states or allowed) & allowed
        if not states:
            return []
        return reads.matching(self._database.query, wanted._replace(states=states))

    def _on_matching(
        self,
        wanted: JobFilter,
        allowed: frozenset[JobState],
        act: Callable[[sqlite3.Connection, Sequence[int]], None],
    ) -> int:
        with self._change() as connection:
            chosen = self._matching(wanted, allowed)
            act(connection, chosen)
        return len(chosen)


class _DryRun(Exception):
    """Everything was in order; undo it."""


_OPEN_ATTEMPTS = """
    SELECT lease FROM job INDEXED BY job_running WHERE lease IS NOT NULL
    UNION SELECT held_by FROM job INDEXED BY job_held WHERE held_by IS NOT NULL
"""
_HELD_JOBS = "SELECT id FROM job INDEXED BY job_held WHERE held_by IS NOT NULL"
