"""Measure it: ``python tests/benchmarks/run.py [NAME…]``.

Every figure stands beside a baseline taken in the same run, on the same machine: the ratio is what
counts. Peers that aren't installed are told apart from peers that are slower.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from store import AttemptState, JobFilter, JobState, NewJob, Order, Outcome, open_store
from store.queue import Queue
from workers import living, start_detached, stop

ROUNDS = 3
DONE = Outcome(AttemptState.COMPLETED, exit_code=0)
Row = tuple[str, str, float | None, float | None]


def main(names: list[str]) -> None:
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {time.strftime('%Y-%m-%d')}\n")
    for name, benchmark in BENCHMARKS.items():
        if names and name not in names:
            continue
        print(f"{name}: {benchmark.__doc__}")
        for what, unit, value, baseline in benchmark():
            shown = "not installed" if value is None else f"{value:,.{1 if value < 100 else 0}f}"
            ratio = "" if value is None or not baseline else f"{value / baseline:8.2f} ×"
            print(f"  {what:<58} {shown:>13} {unit:<7}{ratio}")
        print()


# Draining ----------------------------------------------------------------------------------------


def drain() -> Iterator[Row]:
    """2,000 × true, two at a time; the ratio is to the spawn limit of two Python processes."""
    limit = _median(_spawn_limit)
    yield "subprocess.Popen and wait, two processes", "jobs/s", limit, limit
    yield "queuectl-tui, two workers", "jobs/s", _median(_drain_ours), limit
    for peer, command in _PEERS.items():
        value = _median(lambda run=command: _rate(2_000, run)) if shutil.which(peer) else None
        yield peer, "jobs/s", value, limit


_SPAWN = (
    "import subprocess\nfor _ in range(1000): subprocess.Popen(['/bin/sh', '-c', 'true']).wait()"
)


def _spawn_limit() -> float:
    def both() -> None:
        processes = [subprocess.Popen([sys.executable, "-c", _SPAWN]) for _ in range(2)]
        for process in processes:
            process.wait()

    return _rate(2_000, both)


def _drain_ours() -> float:
    with _store() as queue:
        queue.queues.set_max_running("default", 1)
        queue.queues.set_paused(None, True)
        queue.queues.set_max_running("default", None)
        queue.enqueue(NewJob(command="true") for _ in range(2_000))
        start_detached(queue, count=2)
        return _rate(2_000, lambda: (queue.queues.set_paused(None, False), _until_done(queue)))


_PEERS: dict[str, Callable[[], object]] = {
    "xargs": lambda: _pipe("seq 2000 | xargs -P 2 -I{} sh -c true"),
    "parallel": lambda: _pipe("seq 2000 | parallel -j 2 --joblog /dev/null 'true #'"),
    "tsp": lambda: _pipe("tsp -S 2; for i in $(seq 2000); do tsp -n true >/dev/null; done; tsp -w"),
}


def _pipe(line: str) -> None:
    subprocess.run(["/bin/sh", "-c", line], check=False, stdout=subprocess.DEVNULL)


def _until_done(queue: Queue) -> None:
    while queue.status().counts[JobState.COMPLETED] < 2_000:
        time.sleep(0.01)


# The store ---------------------------------------------------------------------------------------


def enqueue() -> Iterator[Row]:
    """JSON Lines in, validated and committed; the ratio is to executemany of the same columns."""
    base = _median(_executemany)
    yield "executemany into a bare table with the same indexes", "jobs/s", base, base
    for count in (10_000, 100_000, 1_000_000):
        with _store() as queue:
            path = queue.path.with_name("jobs.jsonl")
            path.write_text('{"command":"true"}\n' * count)
            command = [*_CLI, "--db", str(queue.path), "enqueue", "--file", str(path)]
            rate = _rate(count, lambda run=command: subprocess.run(run, **_QUIET, check=True))
            yield f"enqueue --file, {count:,} jobs", "jobs/s", rate, base


def _executemany() -> float:
    import sqlite3

    with tempfile.TemporaryDirectory() as folder:
        raw = sqlite3.connect(f"{folder}/raw.db", isolation_level=None)
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute(f"CREATE TABLE job (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, {_TWENTY})")
        raw.execute("CREATE INDEX a ON job (c1, c2, seq)")
        raw.execute("CREATE INDEX b ON job (c3, seq)")
        rows = [(f"job{n:09}", *["x"] * 20) for n in range(100_000)]

        def insert() -> None:
            raw.execute("BEGIN IMMEDIATE")
            raw.executemany(f"INSERT INTO job VALUES (NULL, ?{', ?' * 20})", rows)
            raw.execute("COMMIT")

        rate = _rate(len(rows), insert)
        raw.close()
        return rate


_TWENTY = ", ".join(f"c{n} TEXT" for n in range(20))


def claim() -> Iterator[Row]:
    """Claim and finish, one process; the ratio is to a nearly empty store."""
    empty = _claim_rate(pending=2_000, finished=0, later=0)
    yield "2,000 pending, nothing else", "jobs/s", empty, empty
    for pending, finished, later in ((100_000, 0, 0), (1_000_000, 0, 0), (2_000, 200_000, 100_000)):
        what = f"{pending:,} pending, {finished:,} finished, {later:,} due tomorrow"
        yield what, "jobs/s", _claim_rate(pending=pending, finished=finished, later=later), empty
    with _store(durable=False) as queue:
        _fill_queues(queue)
        yield "2,000 pending in 50 queues, 25 of them paused", "jobs/s", _claims(queue), empty


def _claim_rate(*, pending: int, finished: int, later: int) -> float:
    with _store(durable=False) as queue:
        if finished:
            queue.enqueue(NewJob(command="true") for _ in range(finished))
            queue.cancel_matching(JobFilter())
        if later:
            queue.enqueue(NewJob(command="true", delay=86_400) for _ in range(later))
        queue.enqueue(NewJob(command="true") for _ in range(pending))
        return _claims(queue)


def _fill_queues(queue: Queue) -> None:
    queue.enqueue(NewJob(command="true", queue=f"q{n % 50}") for n in range(4_000))
    queue.queues.set_paused([f"q{n}" for n in range(25)], True)


def _claims(queue: Queue) -> float:
    def run() -> None:
        lease = queue.claim("w1")
        for _ in range(1_500):
            assert lease is not None
            lease = queue.finish(lease, DONE, claim_for="w1")

    return _rate(1_500, run)


def reads() -> Iterator[Row]:
    """Questions to a store of 200,000 jobs, in ms; the ratio is to a store of 1,000."""
    figures = []
    for count in (1_000, 200_000):
        with _store() as queue:
            queue.enqueue(NewJob(command="true") for _ in range(count))
            figures.append({name: _milliseconds(ask, queue) for name, ask in _QUESTIONS.items()})
    small, large = figures
    for name in _QUESTIONS:
        yield name, "ms", large[name], small[name]


_QUESTIONS: dict[str, Callable[[Queue], object]] = {
    "status": lambda queue: queue.status(),
    "20 newest": lambda queue: queue.jobs(limit=20),
    "a screen of the app": lambda queue: queue.snapshot(
        JobFilter(), Order(reverse=True), offset=0, limit=60
    ),
    "a screen, 90% down": lambda queue: queue.snapshot(
        JobFilter(), Order(reverse=True), offset=queue.count() * 9 // 10, limit=60
    ),
}


# Start-up, latency, idleness ---------------------------------------------------------------------


def start_up() -> Iterator[Row]:
    """One call of the command line, in ms; the ratio is to importing click and peewee."""
    base = _call([sys.executable, "-c", "import click, peewee"])
    yield "python -c 'import click, peewee'", "ms", base, base
    yield "python -c pass", "ms", _call([sys.executable, "-c", "pass"]), base
    with _store() as queue:
        queue.enqueue(NewJob(command="true", id="one") for _ in range(1))
        queue.enqueue(NewJob(command="true") for _ in range(100_000))
        for words in (
            "--version",
            "--help",
            "enqueue true",
            "list --limit 20",
            "status",
            "show one",
        ):
            command = [*_CLI, "--db", str(queue.path), *words.split()]
            yield f"queuectl-tui {words}", "ms", _call(command), base


def latency() -> Iterator[Row]:
    """From commit to start with idle workers, in ms; the ratio is to one worker's median."""
    base: float | None = None
    for count in (1, 16):
        with _store() as queue:
            start_detached(queue, count=count)
            waits = sorted(_wait_for_start(queue, number) for number in range(100))
        base = base or waits[50]
        yield f"{count} idle, median", "ms", waits[50], base
        yield f"{count} idle, 99 of 100", "ms", waits[98], base


def _wait_for_start(queue: Queue, number: int) -> float:
    time.sleep(0.02)
    (job_id,) = queue.enqueue([NewJob(command="true", id=f"l{number}")])
    committed = time.time() * 1000
    while not (history := queue.history(job_id)):
        time.sleep(0.0005)
    while queue.job(job_id).state is not JobState.COMPLETED:
        time.sleep(0.001)
    return max(0.0, history[0].started_at - committed)


def idle() -> Iterator[Row]:
    """CPU of a supervisor and its idle workers over 20 s, and their memory."""
    import psutil

    for count in (4, 16):
        with _store() as queue:
            start_detached(queue, count=count)
            processes = [psutil.Process(worker.pid) for worker in living(queue)]
            before = sum(sum(process.cpu_times()[:2]) for process in processes)
            time.sleep(20)
            used = sum(sum(process.cpu_times()[:2]) for process in processes) - before
            memory = [process.memory_full_info() for process in processes[1:]]
        yield f"supervisor and {count} workers, percent of one core", "%", 100 * used / 20, None
        rss = statistics.median(info.rss for info in memory) / 1e6
        pss = statistics.median(info.pss for info in memory) / 1e6
        yield "  memory of a worker, resident", "MB", rss, None
        yield "  memory of a worker, its share (PSS)", "MB", pss, None


def contention() -> Iterator[Row]:
    """Eight threads, each with connections of its own, enqueue one job at a time for 5 s."""
    with _store(durable=False) as queue:
        url = str(queue.path)
        waits: list[list[float]] = [[] for _ in range(8)]
        end = time.monotonic() + 5

        def hammer(mine: list[float]) -> None:
            own = open_store(url, durable=False)
            while time.monotonic() < end:
                begun = time.perf_counter()
                own.enqueue([NewJob(command="true")])
                mine.append((time.perf_counter() - begun) * 1000)
            own.close()

        threads = [threading.Thread(target=hammer, args=(mine,)) for mine in waits]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    mean = sum(map(len, waits)) / len(waits)
    yield "longest wait", "ms", max(map(max, waits)), None
    yield "slowest thread's share of the mean", "", min(map(len, waits)) / mean, None


# Tools -------------------------------------------------------------------------------------------

_CLI = [sys.executable, "-m", "queuectl_tui"]
_QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@contextmanager
def _store(*, durable: bool = True) -> Iterator[Queue]:
    with tempfile.TemporaryDirectory() as folder:
        queue = open_store(str(Path(folder) / "queue.db"), durable=durable)
        try:
            yield queue
        finally:
            stop(queue, living(queue), now=True)
            while living(queue):
                time.sleep(0.02)
            queue.close()


def _rate(count: int, action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return count / (time.perf_counter() - begun)


def _median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(ROUNDS))


def _milliseconds(ask: Callable[[Queue], object], queue: Queue) -> float:
    return statistics.median(1000 / _rate(1, lambda: ask(queue)) for _ in range(9))


def _call(command: list[str]) -> float:
    times = []
    for _ in range(15):
        times.append(1000 / _rate(1, lambda: subprocess.run(command, **_QUIET, check=True)))
    return statistics.median(times)


BENCHMARKS: dict[str, Callable[[], Iterator[Row]]] = {
    benchmark.__name__: benchmark
    for benchmark in (drain, enqueue, claim, reads, start_up, latency, idle, contention)
}

if __name__ == "__main__":
    main(sys.argv[1:])
