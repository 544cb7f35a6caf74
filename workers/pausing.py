"""An attempt's processes stopped where they are, and told to go on."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

from store import Pause
from workers import processes

_SCANS = 2  # in a row without a process that runs: one may have been forked during the first
_SOON, _SELDOM = 0.003, 0.5  # seconds between scans


class Pausing:
    """Begun, it sends SIGSTOP until scans find none running; then it ``is_done``.

    ``record`` is what the store should hold, and doesn't yet while ``unsaved``.
    """

    def __init__(
        self,
        family: Callable[[], list[int]],
        signal_tree: Callable[[Sequence[int], signal.Signals], None],
    ) -> None:
        """``family`` lists the attempt's live processes; ``signal_tree`` signals some of them."""
        self._family = family
        self._signal_tree = signal_tree
        self.wanted = False
        self._look_at: float | None = None
        self.record = Pause(asked=True)
        self.unsaved = False
        self._quiet_scans = 0
        self._every = _SOON
        self._done_at = 0.0

    @property
    def is_done(self) -> bool:
        return self.record.since is not None

    @property
    def event(self) -> str:
        """What the record says, in a few words."""
        if self.record.problem is not None:
            return f"is not paused: {self.record.problem}"
        return "is paused" if self.is_done else "goes on"

    def deadline(self, timeout_at: float | None) -> float | None:
        """When the next scan is due, or the timeout, which stands still while all is stopped."""
        if self.is_done:
            return None
        if self._look_at is None or timeout_at is None:
            return self._look_at if timeout_at is None else timeout_at
        return min(self._look_at, timeout_at)

    def take_over(self, pause: Pause, now: float) -> None:
        """Go on from what another process recorded; ``now`` is monotonic seconds."""
        self.record = Pause(True, pause.since, pause.seconds)
        self.wanted = self.is_done
        if pause.since is not None:
            self._done_at = now - processes.seconds_since(pause.since)
        elif not pause.asked:  # it may have died before it could say what it had begun
            self._signal_tree(self._family(), signal.SIGCONT)

    def begin(self, now: float) -> None:
        self.wanted = True
        self._look_at, self._every, self._quiet_scans = now, _SOON, 0

    def end(self, now: float) -> float:
        """Let all go on; how many seconds they stood."""
        stood = self._leave(now)
        self._change(Pause(asked=True, seconds=self.record.seconds + stood))
        self._signal_tree(self._family(), signal.SIGCONT)
        return stood

    def withdraw(self, now: float) -> None:
        """It is being stopped for good instead, by signals that reach stopped processes too."""
        if self.wanted:
            self._change(Pause(asked=False, seconds=self.record.seconds + self._leave(now)))

    def advance(self, now: float) -> None:
        """Scan, if it is time."""
        if self._look_at is None or now < self._look_at:
            return
        tree = self._family()
        running = processes.unstopped(tree)
        self._quiet_scans = self._quiet_scans + 1 if tree and not running else 0
        denied = [pid for pid in running if not processes.may_signal(pid)]
        if denied:
            self._refuse(denied, tree)
        elif self._quiet_scans == _SCANS:
            self._done_at, self._look_at = now, None
            self._change(Pause(True, processes.start_clock(), self.record.seconds))
        else:
            self._signal_tree(running, signal.SIGSTOP)
            self._look_at, self._every = now + self._every, min(2 * self._every, _SELDOM)

    def _refuse(self, denied: Sequence[int], tree: Sequence[int]) -> None:
        self.wanted, self._look_at = False, None
        self._signal_tree(tree, signal.SIGCONT)
        pids = ", ".join(map(str, denied))
        problem = f"another user's process can't be stopped: {pids}"
        self._change(Pause(asked=False, seconds=self.record.seconds, problem=problem))

    def _leave(self, now: float) -> float:
        stood = now - self._done_at if self.is_done else 0.0
        self.wanted, self._look_at = False, None
        return stood

    def _change(self, record: Pause) -> None:
        self.record, self.unsaved = record, True
