"""An attempt whose worker died, carried on by a supervisor."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass

from store import AttemptState, Lease, LeaseLost, Outcome, ProcessIdentity
from store.queue import Queue
from workers import journal, processes
from workers.runner import Execution, Stop
from workers.scratch import Scratch, settled_output


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended as this one's child: how, what it used, and whether it led a session."""

    status: int
    usage: resource.struct_rusage
    led_session: bool


Reaped = MutableMapping[int, Ended]
"""What ended, by pid."""

_NEVER_STARTED = Outcome(AttemptState.RELEASED)
_BECOMING_WITHIN = 2.0  # seconds between a fork and the command, on a busy machine
_LOOK_AGAIN_AFTER, _LOOK_AT = 0.05, 0.5  # seconds
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
        witnessed: bool,
        strays: Callable[[], list[int]],
        may_end_strays: Callable[[Adopted], bool],
        strangers: Callable[[], list[int]],
        narrate: Callable[[str], None],
    ) -> None:
        """``recorded``: the attempt has ended, only its processes are to be cleared away.

        ``identity`` is the dead worker's, if known; ``witnessed``: it was this process's child, so
        that whatever it left has come here. ``strays`` lists what came without a trace of whose
        it was; ``may_end_strays`` tells whether it can't be a running command's of another dead
        worker. ``strangers`` lists every unclaimed child.
        """
        self.worker = worker
        self.over = False
        self._queue = queue
        self._lease = lease
        self._identity = identity
        self._witnessed = witnessed
        self._strays = strays
        self._may_end_strays = may_end_strays
        self._strangers = strangers
        self._narrate = narrate
        self._recorded = self._held = recorded
        self._lost = self._noted = self._waits = False
        self._outcome: Outcome | None = None
        self._journal_is_lost = False
        self._entry = self._read_journal()
        self._tree: set[ProcessIdentity] = set()
        self._scratch = Scratch(queue.folders, worker, inherited=lease)
        self._execution = Execution(lease, self._scratch, family=self._family, now=time.monotonic())
        self.traced = False
        self._since = time.monotonic()

    @property
    def rest(self) -> float:
        """Seconds that may pass until it is worth looking at again."""
        if not self.traced or (self._execution.ended and not (self._noted or self._waits)):
            return _LOOK_AGAIN_AFTER
        due = None if self._execution.ended else self._execution.deadline
        return _LOOK_AT if due is None else min(_LOOK_AT, max(0.0, due - time.monotonic()))

    @property
    def leader(self) -> int | None:
        """The command that was taken over."""
        return self._execution.leader

    @property
    def leader_is_unknown(self) -> bool:
        """Whether the worker died before it could note what it had started."""
        return self._entry is not None and self._entry.leader is None

    @property
    def left_strays(self) -> bool:
        """Whether its command runs, and may have left here what can't be traced to it."""
        return self._witnessed and not self._execution.ended

    def tree(self) -> list[int]:
        """Live processes that can be traced to the attempt."""
        self._look_for_more()
        return [known.pid for known in self._tree]

    def advance(self, reaped: Reaped, *, stop: bool) -> None:
        """Do what is due, and take what is ours from ``reaped``; ``stop``: give the job back.

        Raises ``QueueError`` when the store can't be written; the next call goes on from there.
        """
        execution, lease = self._execution, self._lease
        if not self.traced:
            self.traced = self._trace(reaped)
            if not self.traced:
                return
        if execution.leader is not None and execution.leader in reaped:
            ended = reaped.pop(execution.leader)
            execution.reaped(execution.leader, ended.status, ended.usage)
        if stop:
            execution.stop(Stop.RELEASE, time.monotonic())
        elif not execution.ended:
            self._obey()
        execution.advance(time.monotonic(), empty=execution.ended and self._is_empty())
        if execution.pausing.unsaved and not execution.ended:
            self._save_pause()
        if execution.recordable and not self._recorded:
            self._record()
        if execution.over and self._recorded:
            if self._held:
                self._scratch.trim(lease.output_limit)
                outputs = settled_output(self._queue.folders, lease)
                self._queue.settle(lease, outputs, children_ended=execution.children_ended)
            self._scratch.close()
            self.over = True

    def _obey(self) -> None:
        """Pass on what was asked while the command ran."""
        asked = self._queue.asked(self._lease)
        if asked.stop:
            self._execution.cancel(asked.signal, time.monotonic())
        else:
            self._execution.heed(asked.pause.asked, time.monotonic())

    def _save_pause(self) -> None:
        pausing = self._execution.pausing
        self._queue.note_pause(self._lease, pausing.record)
        pausing.unsaved = False
        self._narrate(f"{self._lease.job_id} {pausing.event}")

    def _read_journal(self) -> journal.Entry | None:
        """What the worker noted of the attempt; ``None``: that it was not started."""
        try:
            entry = journal.read(self._queue.folders.journal(self.worker))
        except OSError:
            self._journal_is_lost = True
            return journal.Entry(self._lease.attempt_id, None, 0, None)
        return entry if entry and entry.attempt_id == self._lease.attempt_id else None

    def _trace(self, reaped: Reaped) -> bool:
        """Find out what became of the command; False when that can't be told yet."""
        entry = self._entry
        if self._recorded or self._identity is None or self._is_of_another_boot():
            self._lose()
        elif entry is None:
            self._give_back()
        elif entry.status is not None:
            assert entry.leader is not None
            self._execution.adopt(entry.leader, 0.0)
            self._execution.reaped(entry.leader, entry.status, _NO_USAGE)
        else:
            return self._find_leader(entry, reaped)
        return True

    def _find_leader(self, entry: journal.Entry, reaped: Reaped) -> bool:
        """The running command, if it is our child now: then it goes on. False: look again soon."""
        leader = entry.leader
        if leader is not None and processes.is_reused(leader, entry.started_by):
            leader = None
        elif leader is None:
            candidates = self._candidates(reaped)
            if self._witnessed and not candidates:
                if not self._strangers():
                    self._lose() if self._journal_is_lost else self._give_back()
                    return True
                # A child that is just becoming the command has no marker to be read.
                if time.monotonic() - self._since < _BECOMING_WITHIN:
                    return False
            leader = candidates[0] if len(candidates) == 1 else None
        if leader is not None and (leader in reaped or _is_child(leader)):
            pause = self._queue.asked(self._lease).pause
            self._execution.adopt(leader, processes.age(leader), pause)
            self._look_for_more()
            how = "stays paused" if self._execution.pausing.is_done else "goes on"
            self._narrate(f"{self._lease.job_id} {how} without its worker {self.worker}")
        else:
            self._lose()
        return True

    def _candidates(self, reaped: Reaped) -> list[int]:
        """What the worker started in the moment it died in, before it could note the pid.

        A child that has not become the command yet still carries the worker's marker.
        """
        store = self._queue.store_id
        command = processes.marked([f"{store}/{self._lease.attempt_id}"])
        unborn = processes.marked([f"{store}/{self.worker}"])
        ended = [pid for pid, how in reaped.items() if how.led_session]
        return [pid for pid in command if processes.leads_session(pid)] + unborn + ended

    def _give_back(self) -> None:
        """The command was never started: the attempt doesn't count."""
        with suppress(LeaseLost):
            self._queue.release(self._lease, _NEVER_STARTED)
        self._recorded = True
        self._lose()

    def _lose(self) -> None:
        self._lost = True
        leader = self._entry.leader if self._entry else None
        self._execution.lose(self._cause(), time.monotonic(), leader=leader)

    def _cause(self) -> str:
        """What happened to the worker."""
        if self._identity is None:
            return "its worker is not known any more"
        if self._is_of_another_boot():
            return "the machine was restarted"
        return "its worker died" if self._witnessed else "its worker and supervisor died"

    def _family(self, _: Lease) -> list[int]:
        """Live processes of the attempt."""
        found = self.tree()
        strays = self._strays() if self._witnessed else []
        return found + strays if strays and self._may_end_strays(self) else found

    def _is_empty(self) -> bool:
        """Whether nothing is left of the attempt, and nothing that may be of it."""
        if any(map(processes.may_signal, self._family(self._lease))) or self._is_doubtful():
            return False
        self._waits = self._witnessed and bool(self._strays())
        return not self._waits

    def _look_for_more(self) -> None:
        """Remember whatever can be traced to the attempt: once its parent is gone, it may not be.

        A process may drop the marker, leave the session or print elsewhere; not many do it all.
        """
        if self._is_of_another_boot():
            return
        store, entry, execution = self._queue.store_id, self._entry, self._execution
        markers = [f"{store}/{self._lease.attempt_id}"]
        if self._lost:
            markers.append(f"{store}/{self.worker}")  # of a child not yet become the command
        found = processes.marked(markers)
        found += [known.pid for known in self._tree if processes.is_alive(known)]
        if execution.leader is not None and not execution.ended:
            found.append(execution.leader)
        if entry is not None and entry.leader is not None and self._identity is not None:
            found += processes.of_session(entry.leader, entry.started_by)
        if entry is not None:
            found += processes.printing_into(self._scratch.written)
        identities = map(processes.identify, processes.with_descendants(found))
        self._tree = {identity for identity in identities if identity is not None}

    def _is_doubtful(self) -> bool:
        """Whether processes that can't be ended, or looked into, may belong to the attempt.

        Then the job stays as it is, and says so.
        """
        if self._is_of_another_boot():
            return False
        hidden = {one.pid for one in self._tree if not processes.may_signal(one.pid)}
        if self._lost and self._identity is not None:
            hidden.update(processes.doubtful(self._identity.start))
        if hidden and not self._noted:
            pids = ", ".join(map(str, sorted(hidden)))
            text = (
                f"needs attention: its worker died; end process {pids}, which may still belong to "
                "it, to let the job go on"
            )
            self._queue.note(self._lease, text)
            self._noted = True
            self._narrate(f"{self._lease.job_id} {text}")
        return bool(hidden)

    def _is_of_another_boot(self) -> bool:
        return self._identity is not None and self._identity.boot_id != processes.boot_id()

    def _record(self) -> None:
        execution, lease = self._execution, self._lease
        if self._outcome is None:  # what was collected once is gone from the scratch files
            keeps = execution.over and lease.keep_children and bool(self._family(lease))
            self._held = not (execution.over and (keeps or not self._scratch.has_moved))
            outputs = self._scratch.collect(lease, held=self._held or keeps)
            self._outcome = execution.outcome(outputs, self._queue.folders)
        with suppress(LeaseLost):
            if execution.released:
                self._queue.release(lease, self._outcome)
            else:
                self._queue.finish(lease, self._outcome)
        self._recorded = True
        self._narrate(f"{lease.job_id} {self._outcome.state.value.replace('_', ' ')}")


def _is_child(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
