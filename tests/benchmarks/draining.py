"""How fast queued commands are run to their end, beside programs that do as much or less."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import CLI, Row, in_turns, installed, rate, run, store, wait_until

from store import JobFilter, JobState, NewJob
from store.queue import Queue
from workers import start_detached

JOBS = 2_000
_BEFOREHAND = 900  # task-spooler serves a thousand waiting clients, no more
_COMPLETED = JobFilter(states=frozenset({JobState.COMPLETED}))


def drain(rounds: int) -> Iterator[Row]:
    """2,000 × `sh -c true`, two at a time; the ratio is to the spawn limit of Python"""
    contenders = {_LIMIT: _spawn_limit, **_OURS}
    for peer, programs in _PEERS.items():
        if installed(peer):
            contenders |= programs
    medians = in_turns(contenders, rounds)
    limit = medians[_LIMIT]
    peers = [name for programs in _PEERS.values() for name in programs]
    ahead_of = max((medians.get(name, 0.0) for name in peers if name != _XARGS), default=0.0)
    yield Row(_LIMIT, "jobs/s", limit, limit)
    for name in _OURS:
        goal = max(0.6 * limit, ahead_of) if name == _DRAINED else None
        yield Row(name, "jobs/s", medians[name], limit, at_least=goal)
    for name in peers:
        yield Row(name, "jobs/s", medians.get(name), limit)


def workers(rounds: int) -> Iterator[Row]:
    """1 to 32 workers: 1,000 × `true`, then 20 × `sleep 0.1` for each; the ratio is to one"""
    first: dict[str, float] = {}
    for count in (1, 2, 4, 8, 16, 32):
        with _paused_store() as queue:
            start_detached(queue, count=count)
            tasks = {
                "true": lambda queue=queue: _drained(queue, 1_000, "true"),
                "sleep 0.1": lambda queue=queue, n=count: _drained(queue, 20 * n, "sleep 0.1"),
            }
            for command, value in in_turns(tasks, rounds).items():
                base = first.setdefault(command, value)
                yield Row(
                    f"{command}, {count} worker{'s' * (count > 1)}", "jobs/s", value, base, at=count
                )


# Ours --------------------------------------------------------------------------------------------


@contextmanager
def _paused_store() -> Iterator[Queue]:
    with store() as queue:
        queue.queues.set_max_running("default", None)  # now there is a queue of this name to pause
        queue.queues.set_paused(None, True)
        yield queue


def _drained(queue: Queue, count: int, command: str) -> float:
    """Jobs a second, from the moment that the paused queue is resumed until all are completed."""
    queue.enqueue(NewJob(command=command) for _ in range(count))
    target = queue.count(_COMPLETED) + count

    def resume_and_wait() -> None:
        queue.queues.set_paused(None, False)
        _until_completed(queue, target)

    per_second = rate(count, resume_and_wait)
    queue.queues.set_paused(None, True)
    return per_second


def _until_completed(queue: Queue, target: int) -> None:
    while queue.count(_COMPLETED) < target:
        time.sleep(0.01)  # asking more often would take its time from the workers


def _enqueued_beforehand() -> float:
    with _paused_store() as queue:
        start_detached(queue, count=2)
        return _drained(queue, JOBS, "true")


def _enqueued_and_drained() -> float:
    with store() as queue:
        path = queue.path.with_name("jobs.jsonl")
        path.write_text('{"command":"true"}\n' * JOBS)
        start_detached(queue, count=2)

        def enqueue_and_wait() -> None:
            run([*CLI, "--db", str(queue.path), "enqueue", "--file", str(path)])
            _until_completed(queue, JOBS)

        return rate(JOBS, enqueue_and_wait)


# The limit ---------------------------------------------------------------------------------------

_SPAWNING = """
import subprocess, sys
print(flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    subprocess.Popen(["/bin/sh", "-c", "true"], stdin=subprocess.DEVNULL).wait()
"""


def _spawn_limit() -> float:
    """Two processes do nothing but spawn and wait; their own start isn't counted."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", _SPAWNING, str(JOBS // 2)]
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in processes:
        process.stdout.readline()

    def spawn() -> None:
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            process.communicate()

    return rate(JOBS, spawn)


# Peers -------------------------------------------------------------------------------------------


def _script(lines: str, *, count: int = JOBS, before: str = "") -> Callable[[], float]:
    """Measures a shell script that ends when all of its jobs have; ``before`` isn't counted."""

    def measure() -> float:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            own = {
                "TS_SOCKET": f"{folder}/socket",
                "TS_MAXFINISHED": str(2 * JOBS),
                "TMPDIR": str(folder),
                "PARALLEL_SHELL": "/bin/sh",
            }
            try:
                if before:
                    run(["/bin/sh", "-ec", before], folder=folder, **own)
                return rate(count, lambda: run(["/bin/sh", "-ec", lines], folder=folder, **own))
            finally:
                if (folder / "socket").exists():
                    run(["tsp", "-K"], folder=folder, **own)
                    wait_until(lambda: not (folder / "socket").exists())

    return measure


# Two slots can end in any order, so that waiting for the last job isn't enough.
_ALL_SPOOLED = """
tsp -w
until [ "$(tsp -l | awk '$2 == "finished" && $4 == 0' | wc -l)" = {} ]; do :; done
"""
_SPOOL = "for job in $(seq {}); do tsp -n sh -c true >/dev/null; done\n"
_HOLD_BOTH_SLOTS = "mkfifo gate\ntsp -S 2\ntsp -n cat gate\ntsp -n cat gate\n"
_FILL_TWO_FOLDERS = """
one() {
    mkdir "$1"
    export NQDIR="$PWD/$1"
    for job in $(seq 1000); do nq -c sh -c true >/dev/null; done
    nq -w
}
one first & one second & wait
"""

_LIMIT = "Python's subprocess, two processes"
_DRAINED = "queuectl-tui, two workers"
_XARGS = "xargs -P 2 (keeps nothing)"
_OURS: dict[str, Callable[[], float]] = {
    _DRAINED: _enqueued_beforehand,
    "queuectl-tui, enqueue included": _enqueued_and_drained,
}
_PEERS: dict[str, dict[str, Callable[[], float]]] = {
    "xargs": {_XARGS: _script(f"seq {JOBS} | xargs -P 2 -I{{}} sh -c true")},
    "parallel": {
        "GNU parallel -j 2 --joblog": _script(
            f"seq {JOBS} | parallel -j 2 --joblog log 'true #'\n[ \"$(wc -l <log)\" = {JOBS + 1} ]"
        )
    },
    "tsp": {
        f"task-spooler, two slots, {_BEFOREHAND} ready": _script(
            ": >gate" + _ALL_SPOOLED.format(_BEFOREHAND + 2),
            before=_HOLD_BOTH_SLOTS + _SPOOL.format(_BEFOREHAND),
            count=_BEFOREHAND,
        ),
        "task-spooler, enqueue included": _script(
            "tsp -S 2\n" + _SPOOL.format(JOBS) + _ALL_SPOOLED.format(JOBS)
        ),
    },
    "nq": {"nq, two folders, enqueue included": _script(_FILL_TWO_FOLDERS)},
}
