"""An attempt whose worker died, carried on by a supervisor."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress

from store import Lease, LeaseLost, ProcessIdentity
from store.queue import Queue
from workers import journal, processes
from workers.runner import Execution, Stop
from workers.scratch import Scratch, settled_output

Reaped = MutableMapping[int, tuple[int, resource.struct_rusage]]
"""What ended, by pid: its wait status and what it used."""

_NO_USAGE = resource.struct_rusage((0.0,) * 16)


class Adopted:
    """Finds out what became of the command, and sees it through.

    A command that still runs (it is this process's child by now) keeps its limits, and its real
    exit is recorded. Of one that can't be traced every process is ended first; then the attempt is
    recorded as lost. ``over`` when there is nothing left to do.
    """

    def __init__(
        self,
        queue: Queue,
        lease: Lease,
        worker: str,
        identity: ProcessIdentity | None,
        *,
        recorded: bool,
        reaped: Reaped,
        narrate: Callable[[str], None],
    ) -> None:
        """``recorded``: the attempt has ended, only its processes are to be cleared away.

        ``identity`` is the dead worker's, if known.
        """
        self.worker = worker
        self.over = False
        self._queue = queue
        self._lease = lease
        self._identity = identity
        self._narrate = narrate
        self._recorded = self._held = recorded
        self._lost = self._noted = False
        self._journal = journal.read(queue.folders.journal(worker))
        self._scratch = Scratch(queue.folders, worker)
        self._execution = Execution(lease, self._scratch, family=self._family, now=time.monotonic())
        self._trace(reaped)

    @property
    def ending(self) -> bool:
        """Whether its processes are being ended right now, and worth looking at often."""
        return self._execution.ended and not self._noted

    def pass_on(self, reaped: Reaped) -> None:
        """Take what is ours from the processes that ended."""
        leader = self._execution.leader
        if leader is not None and leader in reaped:
            self._execution.reaped(leader, *reaped.pop(leader))

    def advance(self, *, stop: bool) -> None:
        """Do what is due; ``stop``: end it and give the job back."""
        execution, lease = self._execution, self._lease
        if stop:
            execution.stop(Stop.RELEASE, time.monotonic())
        elif not execution.ended and self._queue.cancel_requested(lease):
            execution.stop(Stop.CANCEL, time.monotonic())
        empty = execution.ended and not self._family(lease) and not self._is_doubtful()
        execution.advance(time.monotonic(), empty=empty)
        if execution.recordable and not self._recorded:
            self._record()
        if execution.over and self._recorded:
            if self._held:
                self._queue.settle(lease, settled_output(self._queue.folders, lease))
            self._scratch.close()
            self.over = True

    def _trace(self, reaped: Reaped) -> None:
        entry, now = self._journal, time.monotonic()
        if self._recorded or entry is None or entry.attempt_id != self._lease.attempt_id:
            self._lose("its worker died", now)
        elif entry.status is not None:
            self._execution.adopt(entry.leader, 0.0)
            self._execution.reaped(entry.leader, entry.status, _NO_USAGE)
        elif entry.leader in reaped or _is_child(entry.leader):
            self._execution.adopt(entry.leader, self._elapsed())
            self._narrate(f"{self._lease.job_id} goes on without its worker {self.worker}")
        else:
            self._lose("its worker and supervisor died", now)

    def _lose(self, why: str, now: float) -> None:
        self._lost = True
        self._execution.lose(why, now)

    def _elapsed(self) -> float:
        started_at = next(
            attempt.started_at
            for attempt in self._queue.history(self._lease.job_id)
            if attempt.id == self._lease.attempt_id
        )
        return max(0.0, (self._queue.now() - started_at) / 1000)

    def _family(self, lease: Lease) -> list[int]:
        """Live processes of the attempt, and of its worker: a child not yet become the command."""
        if self._is_of_another_boot():
            return []
        store = self._queue.store_id
        markers = [f"{store}/{lease.attempt_id}"]
        if self._lost:
            markers.append(f"{store}/{self.worker}")
        found = processes.marked(markers)
        leader = self._execution.leader
        if leader is not None:
            found += [pid for pid in processes.descendants(leader) if pid not in found]
        return found

    def _is_doubtful(self) -> bool:
        """Whether processes that hide their environment may belong to a lost attempt.

        Then the job stays as it is, and says so.
        """
        if not self._lost or self._identity is None or self._is_of_another_boot():
            return False
        entry = self._journal
        known = entry is not None and entry.attempt_id == self._lease.attempt_id
        session = entry.leader if entry is not None and known else None
        hidden = processes.doubtful(session, self._identity.start)
        if hidden and not self._noted:
            self._noted = True
            pids = ", ".join(map(str, hidden))
            text = (
                f"needs attention: its worker died, and process {pids} may still belong to it; "
                "end that process to let the job go on"
            )
            self._queue.note(self._lease, text)
            self._narrate(f"{self._lease.job_id} {text}")
        return bool(hidden)

    def _is_of_another_boot(self) -> bool:
        return self._identity is not None and self._identity.boot_id != processes.boot_id()

    def _record(self) -> None:
        execution, lease = self._execution, self._lease
        self._held = not execution.over
        outputs = self._scratch.collect(lease, held=self._held)
        outcome = execution.outcome(outputs, self._queue.folders)
        with suppress(LeaseLost):
            if execution.released:
                self._queue.release(lease, outcome)
            else:
                self._queue.finish(lease, outcome)
        self._recorded = True
        self._narrate(f"{lease.job_id} {outcome.state.value.replace('_', ' ')}")


def _is_child(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
