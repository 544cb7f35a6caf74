"""One command: started, watched, stopped, and its outcome told.

``Execution`` never waits by itself. Whoever owns it (a worker, or a supervisor that adopted it)
reaps processes and passes them to ``reaped``, and calls ``advance`` when something happened or
``deadline`` has come.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from functools import partial

from store import AttemptState, Lease, Outcome, Output, Pause, Stream
from store.output import Folders
from workers import processes
from workers.error_line import telling_line
from workers.pausing import Pausing
from workers.scratch import Scratch

_KILL_AGAIN_AFTER = 0.1
_LOOK_AFTER, _LOOK_OFTEN, _LOOK_SELDOM = 0.05, 0.02, 1.0  # seconds between looks at output
_SAMPLE_AFTER = 0.02  # seconds; before, a command has hardly become itself
_ERROR_BYTES = 16 << 10  # a stack of calls may follow the error
_EXHAUSTED = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Stop(Enum):
    """Why a command is being stopped."""

    TIMEOUT = "timeout"
    CANCEL = "cancel"
    RELEASE = "release"


class Execution:
    """One attempt's command and every process it leaves.

    ``ended`` turns True with the leader's exit, which is the result; ``over`` when no process of
    the attempt is left.
    """

    def __init__(
        self,
        lease: Lease,
        scratch: Scratch,
        *,
        family: Callable[[Lease], list[int]],
        now: float,
    ) -> None:
        """``family`` lists the live processes of the attempt; ``now`` is monotonic seconds."""
        self.lease = lease
        self._scratch = scratch
        self._look_at = now + _LOOK_AFTER
        self._look_every = _LOOK_AFTER
        self._printed = 0
        self.leader: int | None = None
        self.ended = False
        self.over = False
        self._family = family
        self.pausing = Pausing(partial(family, lease), self._signal_some)
        self._started = now
        self._timeout_at = now + lease.timeout if lease.timeout else None
        self._stop: Stop | None = None
        self._asked_by = signal.SIGTERM
        self._kill_at: float | None = None
        self._status: int | None = None
        self._lost: str | None = None
        self._left_behind = False
        self.children_ended = 0
        """How many processes ran on when the leader had ended by itself, and were ended."""
        self._failure: tuple[int, str] | None = None
        self._cpu_seconds = 0.0
        self._max_rss = 0
        self._own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT

    def start(self, environ: Mapping[str, str]) -> None:
        """Run the command as leader of a session of its own. A start that fails is an outcome.

        Raises ``OSError`` when the machine has no process, descriptor or memory to spare: that is
        not the command's fault.
        """
        try:
            self.leader = self._spawn(environ)
        except OSError as error:
            if error.errno in _EXHAUSTED:
                raise
            self._failure = _start_failure(self.lease, error)
            self.ended = self.over = True

    def lose(self, why: str, now: float, *, leader: int | None) -> None:
        """Nobody can tell how it ended: kill what is left of it; the outcome is ``LOST``."""
        self.leader = leader
        self.ended = True
        self._lost = why
        self._kill_at = now

    def adopt(self, leader: int, elapsed: float, pause: Pause | None = None) -> None:
        """Take over a command that was started ``elapsed`` seconds ago.

        ``pause`` is how it stands, unless it has ended.
        """
        self.leader = leader
        now = self._started
        self._started -= elapsed
        if pause is not None:
            self._delay_timeout(pause.seconds - elapsed)
            self.pausing.take_over(pause, now)

    def heed(self, asked: bool, now: float) -> None:
        """Pause, or go on, as is ``asked``; not while it is being stopped."""
        if self._stop is not None or self.ended or asked is self.pausing.wanted:
            return
        if asked:
            self.pausing.begin(now)
        else:
            self._delay_timeout(self.pausing.end(now))

    @property
    def deadline(self) -> float | None:
        """When ``advance`` has something to do even if nothing happens (monotonic seconds)."""
        if self.over:
            return None
        if self._left_behind and self._kill_at is None:
            return self._started
        due = self._kill_at
        if due is None:
            due = self.pausing.deadline(self._timeout_at)
        if not self.lease.output_limit:
            return due
        return self._look_at if due is None else min(due, self._look_at)

    def stop(self, why: Stop, now: float) -> None:
        """Ask the whole tree to end; after the grace it is killed."""
        if self._stop is None and not self.ended:
            self._stop = why
            self.pausing.withdraw(now)
            self._terminate(now)

    def cancel(self, number: int | None, now: float) -> None:
        """Like ``stop``, by a signal of one's choice. Asked for another later, it sends that too.

        The grace begins with the first. What outlives the leader gets SIGTERM.
        """
        chosen = signal.SIGTERM if number is None else signal.Signals(number)
        if self._stop is None and not self.ended:
            self._asked_by = chosen
            self.stop(Stop.CANCEL, now)
        elif self._stop is Stop.CANCEL and chosen is not self._asked_by and not self.ended:
            self._asked_by = chosen
            self._signal(chosen)

    def kill(self, now: float) -> None:
        """No more grace."""
        if self._kill_at is not None:
            self._kill_at = now

    def reaped(self, pid: int, status: int, usage: resource.struct_rusage) -> None:
        """One of the attempt's processes ended, with ``status`` as ``wait`` gives it."""
        self._cpu_seconds += usage.ru_utime + usage.ru_stime
        peak = usage.ru_maxrss * _RSS_UNIT
        # A child begins as this process's image (vfork), and Linux counts that in: a figure not
        # above our own says nothing of the command.
        if peak > self._own_peak:
            self._max_rss = max(self._max_rss, peak)
        if pid == self.leader and not self.ended:
            self._status = status
            self.ended = True

    def advance(self, now: float, *, empty: bool) -> None:
        """Do what is due. ``empty``: no process of the attempt is left."""
        if self.over:
            return
        self._look(now)
        if self.ended and (empty or self._keeps_children):
            self.over = True
        elif self._kill_at is not None:
            if now >= self._kill_at:
                self._signal(signal.SIGKILL)
                self._kill_at = now + _KILL_AGAIN_AFTER
            elif self.ended and self._asked_by is not signal.SIGTERM:
                # A shell lets what it runs in the background ignore SIGINT.
                self._asked_by = signal.SIGTERM
                self._signal(signal.SIGTERM)
        elif self._left_behind:
            self.children_ended = len(self._family(self.lease))
            self._terminate(now)
        elif self.ended:  # to be recorded first, and cleared away after
            self._left_behind = True
        elif self._timeout_at is not None and now >= self._timeout_at and not self.pausing.is_done:
            self.stop(Stop.TIMEOUT, now)
        else:
            self.pausing.advance(now)

    @property
    def recordable(self) -> bool:
        """Whether the result is certain; a job that is to be run again waits for its whole tree."""
        return self.over if self.released or self._lost else self.ended

    @property
    def released(self) -> bool:
        """Whether it was stopped to be run again, and had not ended by itself."""
        return self._stop is Stop.RELEASE

    @property
    def _keeps_children(self) -> bool:
        """Whether what the leader left running is none of this attempt's business."""
        return self.lease.keep_children and self._stop is None and self._lost is None

    def outcome(self, outputs: Mapping[Stream, Output], folders: Folders) -> Outcome:
        """How it went; only once ``ended``."""
        exit_code, number = self._exit()
        state = self._state(exit_code)
        failed = state is not AttemptState.COMPLETED
        told = [self._error(state, exit_code, number)] if failed else []
        told += [output.problem for output in outputs.values() if output.problem]
        error = "; ".join(told) or None
        if failed:
            said = _telling_line(outputs[Stream.STDERR], folders, self.lease.attempt_id)
            if said and self._failure is None:
                error = f"{error}: {said}"
        return Outcome(
            state=state,
            exit_code=exit_code,
            signal=number,
            error=error,
            cpu_seconds=round(self._cpu_seconds, 6),
            max_rss_bytes=self._max_rss or None,
            stdout=outputs[Stream.STDOUT],
            stderr=outputs[Stream.STDERR],
            tree_empty=self.over,
        )

    def _spawn(self, environ: Mapping[str, str]) -> int:
        lease = self.lease
        arguments = lease.argv if lease.argv is not None else (*lease.shell, lease.command or "")
        leader = processes.spawn(
            arguments, cwd=lease.cwd, environ=environ, files=self._scratch.files
        )
        if lease.nice:
            processes.give_way(leader, lease.nice)
        return leader

    def _look(self, now: float) -> None:
        """Sample memory, bound the output: the faster it grows, the sooner the next look."""
        leader = None if self.ended else self.leader
        if leader is not None and now - self._started > _SAMPLE_AFTER:
            self._max_rss = max(self._max_rss, processes.peak_rss(leader))
        limit = self.lease.output_limit
        if limit and now >= self._look_at:
            before, self._printed = self._printed, sum(self._scratch.trim(limit).values())
            fast = self._printed - before > limit // 8
            self._look_every = _LOOK_OFTEN if fast else min(2 * self._look_every, _LOOK_SELDOM)
            self._look_at = now + self._look_every

    def _terminate(self, now: float) -> None:
        self._kill_at = now + self.lease.stop_grace
        self._signal(self._asked_by)

    def _delay_timeout(self, seconds: float) -> None:
        if self._timeout_at is not None:
            self._timeout_at += seconds

    def _signal(self, number: signal.Signals) -> None:
        self._signal_some(self._family(self.lease), number)

    def _signal_some(self, pids: Sequence[int], number: signal.Signals) -> None:
        processes.signal_tree(pids, self.leader, number)

    def _exit(self) -> tuple[int | None, int | None]:
        if self._failure is not None:
            return self._failure[0], None
        if self._status is None:
            return None, None
        if os.WIFSIGNALED(self._status):
            return None, os.WTERMSIG(self._status)
        return os.WEXITSTATUS(self._status), None

    def _state(self, exit_code: int | None) -> AttemptState:
        if self._lost:
            return AttemptState.LOST
        if self._stop is Stop.TIMEOUT:
            return AttemptState.TIMED_OUT
        if self._stop is Stop.CANCEL:
            return AttemptState.CANCELLED
        succeeded = exit_code in self.lease.success_exit_codes
        return AttemptState.COMPLETED if succeeded else AttemptState.FAILED

    def _error(self, state: AttemptState, exit_code: int | None, number: int | None) -> str:
        if self._lost is not None:
            return self._lost
        if self._failure is not None:
            return self._failure[1]
        if state is AttemptState.TIMED_OUT:
            return f"timed out after {self.lease.timeout:g}s"
        if state is AttemptState.CANCELLED:
            return "cancelled"
        if number is not None:
            return f"killed by {_signal_name(number)}"
        return f"exit code {exit_code}"


def _start_failure(lease: Lease, error: OSError) -> tuple[int, str]:
    """The exit code a shell would give, and what went wrong."""
    program = (lease.argv or lease.shell)[0]
    if error.filename == lease.cwd and lease.cwd != program:
        return 126, f"working folder {lease.cwd} is missing"
    if isinstance(error, FileNotFoundError):
        return 127, f"no such program: {program}"
    return 126, f"cannot start {program}: {error.strerror or error}"


def _telling_line(output: Output, folders: Folders, attempt_id: int) -> str:
    if output.data is not None:
        tail = output.data[-_ERROR_BYTES:]
    else:
        tail = b""
        with suppress(OSError), folders.kept(attempt_id, Stream.STDERR).open("rb") as file:
            file.seek(max(0, output.size - _ERROR_BYTES))
            tail = file.read(_ERROR_BYTES)
    return telling_line(tail.decode(errors="replace"))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
