"""What it costs to put jobs in, and to take them one by one, beside other stores on SQLite."""

from __future__ import annotations

import importlib.util
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from measure import CLI, DONE, MILLION, Row, in_turns, rate, seconds, store

from store import NewJob

_SINGLE = 2_000


def enqueue(rounds: int) -> Iterator[Row]:
    """JSON Lines by the command line, start taken off; the ratio is to executemany"""
    base = in_turns({"executemany": _executemany}, rounds)["executemany"]
    yield Row("executemany into a bare table with as many indexes", "jobs/s", base, base)
    for count in (10_000, 100_000, MILLION):
        pairs = [_by_command_line(count) for _ in range(1 if count == MILLION else rounds)]
        value = statistics.median(count / took for took, _ in pairs)
        yield Row(f"enqueue --file, {count:,} jobs", "jobs/s", value, base, count, at_least=60_000)
        peak = statistics.median(peak for _, peak in pairs)
        yield Row(f"enqueue --file, {count:,} jobs, peak memory", "MB", peak, at=count)


def peers(rounds: int) -> Iterator[Row]:
    """One job a transaction, one process; the ratio is to the peer that syncs alike"""
    contenders: dict[str, Callable[[], tuple[float, float]]] = {
        "queuectl-tui, FULL": lambda: _ours(durable=True),
        "queuectl-tui, NORMAL": lambda: _ours(durable=False),
        "huey's storage (deletes), FULL": _huey,
        "litequeue, NORMAL": _litequeue,
    }
    missing = {name for name, module in _PEERS.items() if not importlib.util.find_spec(module)}
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            if name not in missing:
                figures[name].append(measure())
    for at, step in enumerate(("enqueue", "claim and finish")):
        medians = {
            name: statistics.median(pair[at] for pair in pairs) if pairs else None
            for name, pairs in figures.items()
        }
        alike = [*medians.values()][2:]
        for (name, value), base in zip(medians.items(), (*alike, *alike), strict=True):
            yield Row(f"{step}: {name}", "jobs/s", value, base)


# By the command line -----------------------------------------------------------------------------


def _by_command_line(count: int) -> tuple[float, float]:
    """Seconds that ``count`` jobs take, less what one takes; megabytes at the peak."""
    with store() as queue:
        one, all_ = (queue.path.with_name(f"{name}.jsonl") for name in ("one", "all"))
        one.write_text('{"command":"true"}\n')
        all_.write_text('{"command":"true"}\n' * count)
        command = [*CLI, "--db", str(queue.path), "enqueue", "--file"]
        start = statistics.median(
            seconds(lambda: _peak_memory([*command, str(one)])) for _ in range(5)
        )
        peaks: list[float] = []
        took = seconds(lambda: peaks.append(_peak_memory([*command, str(all_)])))
        assert queue.count() == count + 5
        return took - start, peaks[0]


def _peak_memory(command: list[str]) -> float:
    """Megabytes, by way of a small process: what a child was forked from counts as its own."""
    told = subprocess.run(
        [sys.executable, "-c", _RUN_AND_TELL, *command], check=True, stdout=subprocess.PIPE
    )
    return int(told.stdout) / 1000


_RUN_AND_TELL = """
import resource, subprocess, sys
quiet = subprocess.DEVNULL
subprocess.run(sys.argv[1:], check=True, stdin=quiet, stdout=quiet, stderr=quiet)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _executemany() -> float:
    columns = ", ".join(f"c{number} TEXT" for number in range(20))
    rows = [(f"job{number:09}", *["x"] * 20) for number in range(100_000)]
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        closing(sqlite3.connect(f"{folder}/raw.db", isolation_level=None)) as raw,
    ):
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute(f"CREATE TABLE job (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, {columns})")
        raw.execute("CREATE INDEX a ON job (c1, c2, seq)")
        raw.execute("CREATE INDEX b ON job (c3, seq)")

        def insert() -> None:
            raw.execute("BEGIN IMMEDIATE")
            raw.executemany(f"INSERT INTO job VALUES (NULL, ?{', ?' * 20})", rows)
            raw.execute("COMMIT")

        return rate(len(rows), insert)


# One by one: jobs a second, in and out -----------------------------------------------------------


def _ours(*, durable: bool) -> tuple[float, float]:
    with store(durable=durable) as queue:

        def take_all() -> None:
            lease = queue.claim("w1")
            while lease is not None:
                lease = queue.finish(lease, DONE, claim_for="w1")

        job = NewJob(command="true")
        return _in_and_out(lambda: queue.enqueue([job]), take_all)


def _huey() -> tuple[float, float]:
    from huey.storage import SqliteStorage

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        storage = SqliteStorage(filename=f"{folder}/huey.db", fsync=True)

        def take_all() -> None:
            while storage.dequeue() is not None:
                pass

        figures = _in_and_out(lambda: storage.enqueue(b"true"), take_all)
        storage.close()
        return figures


def _litequeue() -> tuple[float, float]:
    from litequeue import LiteQueue

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        queue = LiteQueue(Path(folder) / "lite.db")

        def take_all() -> None:
            while (message := queue.pop()) is not None:
                queue.done(message.message_id)

        figures = _in_and_out(lambda: queue.put("true"), take_all)
        queue.close()
        return figures


def _in_and_out(put: Callable[[], object], take_all: Callable[[], object]) -> tuple[float, float]:
    into = rate(_SINGLE, lambda: [put() for _ in range(_SINGLE)])
    return into, rate(_SINGLE, take_all)


_PEERS = {
    "huey's storage (deletes), FULL": "huey",
    "litequeue, NORMAL": "litequeue",
}
