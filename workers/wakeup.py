"""One wait for everything: signals, doorbells and pipes end the same sleep."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Protocol


class HasFileno(Protocol):
    def fileno(self) -> int: ...


class Wakeup:
    """Sleeps until a watched descriptor is readable or a signal arrived (main thread only)."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self._pending: list[signal.Signals] = []
        self._poll = select.poll()
        read_end, write_end = (
            os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else _pipe()
        )
        self._wakeup = read_end
        self._poll.register(read_end, select.POLLIN)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in signals:
            signal.signal(number, self._note)

    def watch(self, source: HasFileno | int) -> None:
        self._poll.register(source, select.POLLIN)

    def unwatch(self, source: HasFileno | int) -> None:
        self._poll.unregister(source)

    def wait(self, seconds: float) -> set[int]:
        """Sleep at most ``seconds``; the descriptors that are readable or closed."""
        ready = {fd for fd, _ in self._poll.poll(max(0, int(seconds * 1000 + 0.999)))}
        if self._wakeup in ready:
            ready.discard(self._wakeup)
            with suppress(BlockingIOError):
                os.read(self._wakeup, 4096)
        return ready

    def signals(self) -> list[signal.Signals]:
        """Signals that came since the last call."""
        arrived, self._pending = self._pending, []
        return arrived

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._pending.append(signal.Signals(number))


def _pipe() -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends
