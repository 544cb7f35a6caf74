"""What workers cost that have nothing to do, and what they cost each other."""

from __future__ import annotations

import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import psutil
from measure import DONE, Filling, Row, enqueue_many, percentile, store, wait_until

from store import NewJob, WorkerKind, open_store
from workers import living, start_detached

_WATCHED = 20.0  # seconds
_FIGHTERS, _FIGHT = 8, 5.0
_BATCH = 10_000


def idle(rounds: int) -> Iterator[Row]:  # one long look, however many rounds
    """CPU of a supervisor and its idle workers over 20 s, in percent of one core"""
    for count in (1, 16):
        with store() as queue:
            start_detached(queue, count=count)
            pids = [worker.pid for worker in living(queue)]
            time.sleep(2)  # what they do once, after the start
            before = _cpu_seconds(pids)
            time.sleep(_WATCHED)
            used = (_cpu_seconds(pids) - before) / _WATCHED * 100
        goal = 0.5 if count == 16 else None
        yield Row(f"supervisor and {count} idle workers", "%", used, at_most=goal)


def memory(rounds: int) -> Iterator[Row]:
    """Memory of a worker in MB; the ratio is to Python that does nothing"""
    bare = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with store() as queue:
        start_detached(queue, count=4)
        time.sleep(1)
        base = _megabytes([bare.pid])
        crew = [worker.pid for worker in living(queue) if worker.kind is WorkerKind.WORKER]
        fresh = _megabytes(crew)
        target = 400 * rounds
        enqueue_many(queue, target)
        wait_until(lambda: sum(worker.done for worker in queue.workers()) >= target)
        used = _megabytes(crew)
    bare.communicate(b"\n")
    goals = {"resident": 28.0, "its share (PSS)": 20.0}
    for when, figures in (("idle", fresh), (f"after {target // 4} jobs", used)):
        for kind, value in figures.items():
            yield Row(f"{when}, {kind}", "MB", value, base[kind], at_most=goals[kind])
    for kind, value in base.items():
        yield Row(f"python -c 'input()', {kind}", "MB", value, value)


def _cpu_seconds(pids: list[int]) -> float:
    """Exact where the kernel tells: clock ticks are too coarse for processes that sleep."""
    return sum(map(_cpu_of, pids))


def _cpu_of(pid: int) -> float:
    threads = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
    if threads:
        return sum(int(path.read_text().split()[0]) for path in threads) / 1e9
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _megabytes(pids: list[int]) -> dict[str, float]:
    infos = [psutil.Process(pid).memory_full_info() for pid in pids]
    return {
        "resident": statistics.median(info.rss for info in infos) / 1e6,
        "its share (PSS)": statistics.median(info.pss for info in infos) / 1e6,
    }


# Contention --------------------------------------------------------------------------------------


def contention(rounds: int) -> Iterator[Row]:
    """Eight processes finish and claim for 5 s, alone and beside batches of 10,000"""
    for beside in ("alone", f"beside batches of {_BATCH:,}"):
        fights = [_fight(batches=beside != "alone") for _ in range(rounds)]
        waits = [wait * 1e3 for fight in fights for worker in fight for wait in worker]
        shares = [min(map(len, fight)) / statistics.mean(map(len, fight)) for fight in fights]
        yield Row(f"{beside}: finish and claim, median", "ms", percentile(waits, 50))
        yield Row(f"{beside}: finish and claim, 99 of 100", "ms", percentile(waits, 99))
        yield Row(f"{beside}: longest wait", "ms", max(waits), at_most=300.0)
        yield Row(f"{beside}: slowest one's share of the mean", "", min(shares), at_least=1 / 3)
        per_second = statistics.median(sum(map(len, fight)) / _FIGHT for fight in fights)
        yield Row(f"{beside}: all of them together", "jobs/s", per_second)


def _fight(*, batches: bool) -> list[list[float]]:
    """How long each finish and claim of each worker took, in seconds."""
    spawn = multiprocessing.get_context("spawn")
    with store(Filling(ready=100_000)) as queue, spawn.Manager() as manager:
        told = manager.list()
        ready, over = spawn.Barrier(_FIGHTERS + 1), spawn.Event()
        url = str(queue.path)
        crew = [
            spawn.Process(target=_worker, args=(url, f"w{number + 1}", ready, told))
            for number in range(_FIGHTERS)
        ]
        batcher = spawn.Process(target=_batcher, args=(url, over))
        for process in crew:
            process.start()
        ready.wait()
        if batches:
            batcher.start()
        for process in crew:
            process.join()
        over.set()
        if batches:
            batcher.join()
        assert len(told) == _FIGHTERS
        return [list(waits) for waits in told]


def _worker(url: str, name: str, ready: Barrier, told: list[list[float]]) -> None:
    queue = open_store(url, durable=False)
    lease = queue.claim(name)
    ready.wait()
    waits: list[float] = []
    end = time.monotonic() + _FIGHT
    while time.monotonic() < end:
        assert lease is not None
        begun = time.perf_counter()
        lease = queue.finish(lease, DONE, claim_for=name)
        waits.append(time.perf_counter() - begun)
    queue.close()
    told.append(waits)


def _batcher(url: str, over: Event) -> None:
    queue = open_store(url)
    while not over.is_set():
        queue.enqueue(NewJob(command="true") for _ in range(_BATCH))
    queue.close()
