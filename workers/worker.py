"""A worker process: claim, run, finish, and again.

Its supervisor speaks to it through standard input, a byte an order; the end of that pipe means that
the supervisor is gone. Then, as when told to drain, the worker finishes what it runs and leaves.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import TypeVar

from store import AttemptState, Lease, LeaseLost, Outcome, QueueError, StoreDamaged
from store.queue import Queue
from workers import processes
from workers.journal import Journal
from workers.kept import KeptProcesses
from workers.runner import Execution, Stop
from workers.scratch import Scratch, settled_output
from workers.wakeup import Wakeup

HEARTBEAT_EVERY = 5.0
_POLL_EVERY = 1.0
_LOOK_ANYWAY_AFTER = 5.0  # the disk may have room again, which no commit tells
_TRY_AGAIN_AFTER = 0.5
_LONGEST_REST = 30.0
_OVERDUE_AGAIN_AFTER = 0.05  # seconds to let a due job be that can't be taken now
_ORDERS = 0  # the descriptor that the supervisor's orders come through


_NOT_STARTED = Outcome(AttemptState.RELEASED)

Result = TypeVar("Result")


class Order(StrEnum):
    """What a supervisor tells a worker."""

    DRAIN = "d"
    STOP = "s"
    PAUSE = "p"
    RESUME = "r"
    ABANDON = "x"
    """The store is another's, or nobody's: end what runs, record nothing, leave."""


class Worker:
    """One command at a time, until told to stop."""

    def __init__(
        self,
        queue: Queue,
        worker_id: str,
        *,
        queues: Sequence[str] = (),
        report: bool = False,
        paused: bool = False,
        log: Callable[[str], None],
    ) -> None:
        """``report``: narrate through standard output; ``log`` gets troubles without it."""
        self._queue = queue
        self._id = worker_id
        self._queues = tuple(queues)
        self._report = report
        self._log = log
        self._troubles: set[str] = set()
        self._draining = self._stopping = self._abandoned = False
        self._paused = paused
        self._exhausted_for = 0.0
        self._looks_due = True
        self._poll_at = 0.0
        self._heard_at = -HEARTBEAT_EVERY
        self._is_up, self._supervised = False, True
        self._idle_token: int | None = None
        self._look_again_at = 0.0
        environ = {name: value for name, value in os.environ.items() if name != processes.MARKER}
        self._environ = {"PYTHONUNBUFFERED": "1", **environ}
        self._wakeup = Wakeup((signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
        self._bell = queue.doorbell(worker_id)
        self._scratch = Scratch(queue.folders, worker_id)
        self._kept = KeptProcesses()
        self._journal = Journal(queue.folders.journal(worker_id))
        os.set_blocking(_ORDERS, False)
        self._wakeup.watch(_ORDERS)
        self._wakeup.watch(self._bell)
        processes.become_subreaper()
        processes.sleep_exactly(True)

    def run(self) -> None:
        """Work until drained or stopped, then sign off."""
        self._introduce()
        following: Lease | None = None
        while following is not None or not self._draining:
            self._heartbeat()
            lease = following or self._claim()
            if lease is None:
                self._sleep()
                following = None
            elif self._stopping:
                self._store(partial(self._queue.release, lease, _NOT_STARTED))
                following = None
            else:
                following = self.run_once(lease)
        self._sign_off()

    def _introduce(self) -> None:
        """Say which process this is, should the supervisor not have come to it.

        A supervisor's successor may have given this worker up before: then it leaves.
        """
        identity = processes.identify(os.getpid())
        if identity is not None:
            is_known = self._store(partial(self._queue.registry.identify, self._id, identity))
            self._draining |= not is_known
        self._take_orders()  # also when nothing had to be waited for

    def run_once(self, lease: Lease) -> Lease | None:
        """Run one attempt to its end; the next lease, if one was claimed on the way."""
        self._tell(f"{lease.job_id} started, attempt {lease.number}")
        execution = Execution(lease, self._scratch, family=self._family, now=time.monotonic())
        if not self._start(execution):
            return None
        following, recorded, held = None, False, False
        while True:
            self._wait(execution.deadline if not execution.over else time.monotonic())
            self._obey(execution)
            empty = self._reap(execution)
            execution.advance(time.monotonic(), empty=empty)
            if execution.pausing.unsaved and not (execution.ended or self._abandoned):
                self._save_pause(execution)
            if execution.recordable and not recorded:
                following, recorded = self._record(execution), True
                held = not execution.over
            if execution.over:
                break
        if held and not self._abandoned:
            self._settle(execution)
        self._keep("its scratch files", self._scratch.clean)
        return following

    def _start(self, execution: Execution) -> bool:
        """Start the command; a job that this machine has no room for is given back, uncounted."""
        lease = execution.lease
        processes.sleep_exactly(False)  # not a command's business
        try:
            self._queue.secure(lease)
            self._scratch.clean()
            self._journal.starting(lease.attempt_id)
            execution.start(self._environment(lease))
        except (OSError, QueueError) as error:
            self._warn(f"{lease.job_id} cannot be started now: {_reason(error)}")
            self._store(partial(self._queue.release, lease, _NOT_STARTED))
            self._rest()
            return False
        finally:
            processes.sleep_exactly(True)
        self._exhausted_for = 0.0
        if execution.leader is not None:
            now = processes.start_clock()
            noted = partial(self._journal.started, lease.attempt_id, execution.leader, now)
            self._keep("its journal", noted)
        return True

    def _rest(self) -> None:
        """Take nothing for a while, longer each time."""
        self._exhausted_for = min(2 * self._exhausted_for + 1, _LONGEST_REST)
        until = time.monotonic() + self._exhausted_for
        while time.monotonic() < until and not self._draining:
            self._wait(until)

    # Around one execution ------------------------------------------------------------------------

    def _environment(self, lease: Lease) -> dict[str, str]:
        return {
            **self._environ,
            **lease.env,
            "QUEUECTL_JOB_ID": lease.job_id,
            "QUEUECTL_ATTEMPT": str(lease.number),
            "QUEUECTL_QUEUE": lease.queue,
            "QUEUECTL_SLOT": str(lease.slot),
            "QUEUECTL_WORKER": self._id,
            "QUEUECTL_DB": self._queue.url,
            processes.MARKER: self._marker(lease),
        }

    def _marker(self, lease: Lease) -> str:
        return f"{self._queue.store_id}/{lease.attempt_id}"

    def _family(self, lease: Lease) -> list[int]:
        """Live processes of the attempt: whatever is below this process, and what escaped."""
        found = processes.descendants(os.getpid())
        if not processes.IS_LINUX:
            found += [pid for pid in processes.marked([self._marker(lease)]) if pid not in found]
        return self._kept.apart_from(found, self._marker(lease)) if self._kept else found

    def _reap(self, execution: Execution) -> bool:
        """Collect what has ended; True when no process of the attempt is left."""
        with suppress(ChildProcessError):
            while ended := processes.peek():
                pid, status = ended
                if pid == execution.leader:  # noted before it is gone for good
                    noted = partial(self._journal.ended, execution.lease.attempt_id, status)
                    self._keep("its journal", noted)
                execution.reaped(*os.wait4(pid, 0))
            if not self._kept:
                return False
        exact = processes.IS_LINUX and not self._kept
        return exact or not self._family(execution.lease)

    def _obey(self, execution: Execution) -> None:
        """Pass on what was asked while the command ran."""
        if self._stopping:
            execution.stop(Stop.RELEASE, time.monotonic())
        elif self._looks_due and not execution.ended:
            self._looks_due = False
            with suppress(QueueError):
                asked = self._queue.asked(execution.lease)
                if asked.stop:
                    execution.cancel(asked.signal, time.monotonic())
                else:
                    execution.heed(asked.pause.asked, time.monotonic())

    def _save_pause(self, execution: Execution) -> None:
        """Tell how it stands; what can't be told now is told after the next wait."""
        pausing = execution.pausing
        with suppress(QueueError):
            self._queue.note_pause(execution.lease, pausing.record)
            pausing.unsaved = False
            self._tell(f"{execution.lease.job_id} {pausing.event}")

    def _record(self, execution: Execution) -> Lease | None:
        """Store how the attempt ended, for as long as it takes; maybe claim the next job in it."""
        if self._abandoned:
            return None
        lease = execution.lease
        left = self._family(lease) if execution.over and lease.keep_children else []
        self._kept.add(left)
        outputs = self._scratch.collect(lease, held=bool(left) or not execution.over)
        outcome = execution.outcome(outputs, self._queue.folders)
        for output in outputs.values():
            if output.problem:
                self._warn(f"{lease.job_id}: {output.problem}")
        self._tell(f"{lease.job_id} {'given back' if execution.released else _summary(outcome)}")
        if execution.released:
            following = self._store(lambda: self._queue.release(lease, outcome))
        else:
            following = self._store(
                lambda: self._queue.finish(
                    lease,
                    outcome,
                    claim_for=None if self._draining or self._paused else self._id,
                    queues=self._queues,
                    tally_later=True,
                )
            )
        return following

    def _settle(self, execution: Execution) -> None:
        lease, ended = execution.lease, execution.children_ended
        self._scratch.trim(lease.output_limit)
        outputs = settled_output(self._queue.folders, lease)
        self._store(lambda: self._queue.settle(lease, outputs, children_ended=ended))

    def _store(self, action: Callable[[], Result]) -> Result | None:
        """Do it until the store takes it: a result is not lost to a full disk or a long lock.

        Only one that is damaged is not waited for by who was told to stop.
        """
        while not self._abandoned:
            try:
                return action()
            except LeaseLost as error:
                self._tell(str(error))
                return None
            except QueueError as error:
                self._tell(str(error))
                if self._stopping and isinstance(error, StoreDamaged):
                    raise
                self._wait(time.monotonic() + _TRY_AGAIN_AFTER)
        return None

    # Between executions --------------------------------------------------------------------------

    def _claim(self) -> Lease | None:
        if self._draining or self._paused:
            return None
        try:
            return self._claim_if_changed()
        except QueueError as error:
            self._tell(str(error))
            self._look_again_at = time.monotonic() + _TRY_AGAIN_AFTER
            return None

    def _claim_if_changed(self) -> Lease | None:
        """Look for a job, unless nothing was committed since the last look and none is due."""
        token = self._queue.change_token()
        if token == self._idle_token and time.monotonic() < self._look_again_at:
            return None
        lease = self._queue.claim(self._id, self._queues)
        self._idle_token = None
        if lease is None:
            self._idle_token = token
            self._look_again_at = time.monotonic() + self._until_due()
        return lease

    def _until_due(self) -> float:
        """Seconds until a look is worth it though nothing was committed."""
        due = self._queue.next_due()
        if due is None:
            return _LOOK_ANYWAY_AFTER
        seconds = (due - self._queue.now()) / 1000
        return min(_LOOK_ANYWAY_AFTER, seconds if seconds > 0 else _OVERDUE_AGAIN_AFTER)

    def _sleep(self) -> None:
        """Until somebody rings, a job becomes due, or a second is over."""
        self._wait(None if self._paused else self._look_again_at)

    def _wait(self, until: float | None) -> None:
        """Sleep until ``until`` (monotonic seconds), the next full second at most, or until woken.

        Idle workers then wake together, and find in the caches what the one before has used.
        """
        until = self._poll_at if until is None else min(until, self._poll_at)
        ready = self._wakeup.wait(until - time.monotonic())
        if self._bell.fileno() in ready:
            self._bell.hush()
            self._looks_due = True
        signals = self._wakeup.signals()
        if _ORDERS in ready or signals:  # which may have ended the wait before it looked
            self._take_orders()
        for _signal in signals:
            self._stopping, self._draining = self._draining, True
        now = time.monotonic()
        if now >= self._poll_at:
            self._poll_at = (now // _POLL_EVERY + 1) * _POLL_EVERY
            self._looks_due = True
            self._tally()
        self._heartbeat()

    def _take_orders(self) -> None:
        if not self._supervised:
            return
        try:
            orders = os.read(_ORDERS, 64).decode()
        except BlockingIOError:
            return
        if not orders:
            self._wakeup.unwatch(_ORDERS)
            self._supervised = False
            orders = Order.DRAIN.value
        for order in map(Order, orders):
            self._paused = {Order.PAUSE: True, Order.RESUME: False}.get(order, self._paused)
            self._draining |= order in (Order.DRAIN, Order.STOP, Order.ABANDON)
            self._stopping |= order in (Order.STOP, Order.ABANDON)
            self._abandoned |= order is Order.ABANDON

    def _heartbeat(self) -> None:
        """Be heard: first in the store, then by the supervisor, which writes for all at once."""
        now = time.monotonic()
        if now - self._heard_at < HEARTBEAT_EVERY:
            return
        self._keep("its journal", self._journal.beat)
        if self._is_up and self._supervised:
            self._heard_at = now
            return
        if not self._abandoned:
            with suppress(QueueError):
                self._queue.registry.heartbeat(self._id)
                self._is_up, self._heard_at = True, now

    def _tally(self) -> None:
        if not self._abandoned:
            with suppress(QueueError):
                self._queue.tally()

    def _keep(self, what: str, write: Callable[[], None]) -> None:
        """Write what only matters if this worker dies; no reason to die of."""
        try:
            write()
        except OSError as error:
            if what not in self._troubles:
                self._troubles.add(what)
                self._warn(f"cannot keep {what}: {_reason(error)}")
        else:
            self._troubles.discard(what)

    def _warn(self, trouble: str) -> None:
        """One line that is read also when jobs' starts and ends are not told."""
        if self._report:
            self._tell(trouble)
        else:
            self._log(f"{self._id} {trouble}")

    def _tell(self, event: str) -> None:
        """One line to the supervisor; dropped when nobody reads."""
        if self._report:
            with suppress(OSError):
                os.write(1, f"{self._id} {event}\n".encode(errors="replace"))

    def _sign_off(self) -> None:
        self._bell.close()
        self._journal.close()
        self._scratch.close()
        self._tally()
        if not self._abandoned:
            with suppress(QueueError):
                self._queue.registry.unregister(self._id)
        self._queue.close()


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _summary(outcome: Outcome) -> str:
    if outcome.state is AttemptState.COMPLETED:
        return "completed"
    return f"{outcome.state.value.replace('_', ' ')}: {outcome.error}"
