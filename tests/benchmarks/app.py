"""The app in a pseudo-terminal: ``python tests/benchmarks/app.py [frames] [keys]``.

``frames`` tells how many bytes it sends, ``keys`` how long one waits, over a million jobs.
"""

from __future__ import annotations

import os
import re
import select
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import psutil
import pyte
from measure import Filling, Row, percentile, store, wait_until

from queuectl_tui.widgets.job_columns import job_columns, sort_titles
from store import JobFilter, JobState, NewJob
from store.queue import Queue
from workers import start_detached

_COLUMNS, _LINES = 120, 36
_KEY, _FIRST_ROWS, _FILTERED, _MEMORY = 25, 700, 500, 100  # ms, ms, ms, MB
_TIMES = 15
_PATIENCE, _MOMENT = 60.0, 0.03  # seconds
_PAINTED = 0.6  # seconds without a byte after which a key has been answered
_READ = 2.5  # seconds within which a change in the store is shown
_IDLE, _BUSY = 60.0, 15.0  # seconds
_AGED = 65.0  # seconds after which ages change by the minute
Holds = Callable[[str], object]


class Terminal:
    """The app as it is painted; ``press`` tells after how many ms something was to be seen."""

    def __init__(self, db: Path) -> None:
        self._screen = pyte.Screen(_COLUMNS, _LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._unread: list[tuple[float, bytes]] = []
        self._begun = self._shown_at = time.perf_counter()
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "queuectl_tui", "--db", str(db)],
            dimensions=(_LINES, _COLUMNS),
            encoding=None,
            env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"},
        )
        self.child.delaybeforesend = None

    @property
    def picture(self) -> str:
        lines = (self._screen.buffer[row] for row in range(_LINES))
        return "\n".join("".join(line[x].data for x in range(_COLUMNS)) for line in lines)

    def press(self, keys: str, *wanted: Holds) -> list[float]:
        """For each of ``wanted``, in order, the ms until it held."""
        self.settle()
        self._begun = time.perf_counter()
        self.child.send(keys.encode())
        return [self.until(holds) for holds in wanted]

    def settle(self) -> None:
        """Wait until nothing comes any more."""
        for _, data in self._came():
            self._stream.feed(data)
        self._unread.clear()

    def sent(self, keys: str = "", *, seconds: float = 0.0, quiet: float = _PAINTED) -> int:
        """How many bytes come after ``keys``: for ``seconds``, then until it is ``quiet``."""
        self.settle()
        self.child.send(keys.encode())
        count, begun = 0, time.perf_counter()
        while True:
            left = begun + seconds - time.perf_counter()
            if not select.select([self.child.child_fd], [], [], max(left, quiet))[0]:
                return count
            data = os.read(self.child.child_fd, 65_536)
            self._stream.feed(data)
            count += len(data)

    def until(self, holds: Holds) -> float:
        """The ms since the keys were pressed; what it takes to read the picture isn't counted."""
        at = self._shown_at
        while not holds(self.picture):
            while not self._unread:
                if time.perf_counter() > self._begun + _PATIENCE:
                    raise TimeoutError(self.picture)
                self._unread = self._came()
            at, data = self._unread.pop(0)
            self._stream.feed(data)
        self._shown_at = at
        return max(0.0, at - self._begun) * 1000

    def _came(self) -> list[tuple[float, bytes]]:
        """What comes until nothing comes for a moment, and when."""
        came = self._unread
        while select.select([self.child.child_fd], [], [], _MOMENT)[0]:
            came.append((time.perf_counter(), os.read(self.child.child_fd, 65_536)))
        return came


def frames(rounds: int) -> Iterator[Row]:
    """Bytes sent for what changes on the screen, 120×36, 256 colours, jobs in every state"""
    with store(Filling(ready=1000, ended=4000)) as queue:
        _run_some(queue)
        terminal = Terminal(queue.path)
        try:
            terminal.until(_cursor)
            terminal.sent(seconds=_AGED)
            yield from _answers(terminal, rounds)
            queue.cancel(queue.ids(JobFilter(states=frozenset({JobState.PROCESSING}))))
            yield from _changes(terminal, queue, rounds)
        finally:
            terminal.child.close(force=True)


def _run_some(queue: Queue) -> None:
    """Jobs of today: done, dead, retrying, running, and waiting."""
    queue.enqueue(
        NewJob(command=command, queue="now", max_retries=retries)
        for command, retries in (("true", 0), ("echo no such table >&2; exit 3", 0)) * 8
    )
    queue.enqueue(NewJob(command=f"sleep {600 + at}", queue="now") for at in range(2))
    queue.enqueue(NewJob(command=f"./later.sh {at}", delay=86_400) for at in range(5))
    start_detached(queue, count=3, queues=["now"])
    running = JobFilter(states=frozenset({JobState.PROCESSING}))
    waiting = JobFilter(states=frozenset({JobState.PENDING}), queue="now")
    wait_until(lambda: queue.count(running) == 2 and not queue.count(waiting))


def _answers(terminal: Terminal, rounds: int) -> Iterator[Row]:
    terminal.sent("z")
    yield _bytes("j, preview closed", [terminal.sent("j") for _ in range(4 * rounds)], 500)
    terminal.sent("z")
    yield _bytes("j", [terminal.sent("j") for _ in range(4 * rounds)], None)
    for keys, back, goal, returned in (
        (":", "\x1b", 2_500, None),
        ("W", "q", 6_000, 6_000),
        ("D", "q", 6_000, 6_000),
        ("?", "\x1b", 8_000, None),
        ("\r", "q", None, 6_000),
    ):
        there, again = [], []
        for _ in range(rounds):
            there.append(terminal.sent(keys))
            again.append(terminal.sent(back))
        name = "Enter, a job" if keys == "\r" else keys
        yield _bytes(name, there, goal)
        yield _bytes("  and back", again, returned)


def _changes(terminal: Terminal, queue: Queue, rounds: int) -> Iterator[Row]:
    terminal.sent("g")
    waiting = queue.ids(JobFilter(queue="default", states=frozenset({JobState.PENDING})))
    waiting = [each for each in sorted(waiting) if each not in terminal.picture]
    in_sight = list(queue.enqueue(NewJob(command="true") for _ in range(rounds)))
    terminal.sent(seconds=_READ)
    terminal.sent("g")
    assert all(each in terminal.picture for each in in_sight), terminal.picture
    seen, unseen = [], []
    for at in range(rounds):
        queue.cancel([in_sight[at]])
        seen.append(terminal.sent(seconds=_READ))
        queue.cancel([waiting[at]])
        unseen.append(terminal.sent(seconds=_READ))
    yield _bytes("one changed job in sight", seen, 400)
    yield _bytes("one changed job out of sight", unseen, 150)
    count, until = 0, time.perf_counter() + _BUSY
    while time.perf_counter() < until:
        queue.enqueue([NewJob(command="true", queue="now")])
        count += terminal.sent(seconds=1.0, quiet=0.0)
    yield Row("1 job/s, run", "bytes/s", count / _BUSY, at_most=3000)
    terminal.sent(seconds=_AGED)
    yield _bytes(f"idle, {_IDLE:.0f} s", [terminal.sent(seconds=_IDLE)], 1000)


def _bytes(what: str, counts: list[int], goal: float | None) -> Row:
    """The most that it took."""
    return Row(what, "bytes", max(counts), at_most=goal)


def app(rounds: int) -> Iterator[Row]:
    """From a key to its picture over 1,000,000 jobs, two workers busy"""
    with store(Filling(ready=100_000, ended=900_000)) as queue:
        queue.enqueue(NewJob(command="sleep 0.2", priority=9) for _ in range(10_000))
        start_detached(queue, count=2)
        starts = []
        for _ in range(rounds):
            terminal = Terminal(queue.path)
            starts.append(terminal.until(_cursor))
            terminal.press("q")
            terminal.child.wait()
        yield Row("first rows", "ms", statistics.median(starts), at_most=_FIRST_ROWS)
        terminal = Terminal(queue.path)
        terminal.until(_cursor)
        try:
            yield from _keys(terminal)
            used = psutil.Process(terminal.child.pid).memory_info().rss / 1e6
            yield Row("memory, resident", "MB", used, at_most=_MEMORY)
        finally:
            terminal.child.close(force=True)


def _keys(terminal: Terminal) -> Iterator[Row]:
    yield from _figures("move", [_moved(terminal, "j") for _ in range(_TIMES)], _KEY)
    yield from _figures("page", [_moved(terminal, "\x06") for _ in range(_TIMES)], _KEY)
    ends = [_moved(terminal, key) for _ in range(_TIMES) for key in "Gg"]
    yield from _figures("end", ends, _KEY)
    states = [
        terminal.press(key, lambda text, word=word: re.search(rf"Jobs +{word}\b", text))[0]
        for _ in range(_TIMES)
        for key, word in (("1", "PENDING"), ("3", "RUNNING"), ("7", "CANCELLED"))
    ]
    yield from _figures("filter by state", states, _KEY)
    terminal.press("0", lambda text: re.search(r"Jobs {9}", text))
    for column in ("id", "state", "queue", "priority", "attempts", "run_at", "exit", "command"):
        sorts = [_sorted(terminal, column) for _ in range(4)]
        yield from _figures(f"sort by {column}", [sort[0] for sort in sorts], _KEY)
        yield Row("  its rows, median", "ms", statistics.median(sort[1] for sort in sorts))
    _sorted(terminal, "created")
    finds = []
    for _ in range(5):
        _, found = terminal.press(
            "/ru", lambda text: re.search(r"/ *ru", text), lambda text: "“ru”" in text
        )
        finds.append(found)
        terminal.press("\x1b", lambda text: "“" not in text)
    found = statistics.median(finds)
    yield Row("text filter, first matches, median", "ms", found, at_most=_FILTERED)


def _figures(what: str, times: list[float], goal: float) -> Iterator[Row]:
    yield Row(f"{what}, median", "ms", statistics.median(times))
    yield Row(f"{what}, 95 of 100", "ms", percentile(times, 95), at_most=goal)


def _moved(terminal: Terminal, key: str) -> float:
    terminal.settle()
    before = _cursor(terminal.picture)
    return terminal.press(key, lambda text: _cursor(text) not in (None, before))[0]


def _cursor(text: str) -> str | None:
    """The row at the cursor, once it is there to be read."""
    found = re.search(r"^> +(\S+ .*?)\s*$", text, re.MULTILINE)
    return found.group(1) if found else None


def _sorted(terminal: Terminal, column: str) -> list[float]:
    """Until the key is answered, and until the rows are there."""
    title = sort_titles(job_columns(8))[column]
    terminal.press(":", lambda text: re.search(r"^ *:", text, re.MULTILINE))
    terminal.press(f"sort {column}", lambda text: f"sort {column}" in text)
    return terminal.press(
        "\r",
        lambda text: f"sort {column}" not in text,
        lambda text: f"· {title}" in text and not re.search(r"[A-Z]…", text),
    )


if __name__ == "__main__":
    parts = {"frames": frames, "keys": app}
    for part in sys.argv[1:] or parts:
        print(parts[part].__doc__, flush=True)
        for row in parts[part](3):
            print(f"  {row.what:<54} {row.shown:>16}  {row.goal}".rstrip(), flush=True)
