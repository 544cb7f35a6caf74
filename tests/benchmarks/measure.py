"""What every benchmark stands on: rows of a table, stores filled to measure, and a clock."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from store import AttemptState, JobFilter, NewJob, Outcome, open_store
from store.queue import Queue
from workers import living, stop

DONE = Outcome(AttemptState.COMPLETED, exit_code=0)
CLI = [sys.executable, "-m", "queuectl_tui"]
MILLION = 1_000_000
Name = TypeVar("Name", str, int)


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure. No value means that a peer isn't installed."""

    what: str
    unit: str
    value: float | None
    baseline: float | None = None
    at: int | None = None  # its place on a curve
    at_least: float | None = None
    at_most: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.baseline if self.value is not None and self.baseline else None

    @property
    def held(self) -> bool | None:
        """Whether it is as good as it should be; ``None`` where nothing is asked of it."""
        if self.value is None or self.at_least is self.at_most is None:
            return None
        enough = self.at_least is None or self.value >= self.at_least
        return enough and (self.at_most is None or self.value <= self.at_most)

    @property
    def goal(self) -> str:
        """What is asked of it, and whether it is so."""
        if self.held is None:
            return ""
        bounds = (("≥", self.at_least), ("≤", self.at_most))
        asked = " and ".join(f"{sign} {_figure(bound)}" for sign, bound in bounds if bound)
        return f"{asked} {'✓' if self.held else '✗'}"

    @property
    def shown(self) -> str:
        if self.value is None:
            return "not installed"
        return f"{_figure(self.value)} {self.unit}".rstrip()


def _figure(value: float) -> str:
    """Three digits or so."""
    size = abs(value)
    return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 3}f}"


Benchmark = Callable[[int], Iterator[Row]]
"""Called with the number of rounds whose median counts."""


def machine() -> dict[str, str | int]:
    """What the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(memory / 2**30),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
    }


# Time --------------------------------------------------------------------------------------------


def seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def rate(count: int, action: Callable[[], object]) -> float:
    return count / seconds(action)


def in_turns(contenders: Mapping[Name, Callable[[], float]], rounds: int) -> dict[Name, float]:
    """The median of each, measured in turns: what else the machine does slows all of them."""
    figures: dict[Name, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            figures[name].append(measure())
    return {name: statistics.median(values) for name, values in figures.items()}


def percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def wait_until(condition: Callable[[], object], *, patience: float = 120.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {patience:g} s")
        time.sleep(0.002)


# Processes ---------------------------------------------------------------------------------------


def run(command: list[str], *, folder: Path | None = None, **variables: str) -> None:
    """Run it to its end without a word; raises if it fails.

    Without a timeout, with which ``subprocess`` looks only every 50 ms whether it has ended.
    """
    subprocess.run(
        command,
        check=True,
        cwd=folder,
        env={**_compiled(os.environ), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _compiled(environ: Mapping[str, str]) -> dict[str, str]:
    """Programs are measured as they are installed: Python modules compiled once."""
    return {k: v for k, v in environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def installed(program: str) -> bool:
    return shutil.which(program) is not None


# Stores ------------------------------------------------------------------------------------------


class Filling(NamedTuple):
    """What is in a store: jobs that are ready, that have ended, and that are due tomorrow."""

    ready: int = 0
    ended: int = 0
    later: int = 0


EMPTY = Filling()


@contextmanager
def store(filling: Filling = EMPTY, *, durable: bool = True) -> Iterator[Queue]:
    """A store of its own, whose workers are stopped in the end."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "queue.db"
        if any(filling):
            shutil.copy(_filled(filling), path)
        queue = open_store(str(path), durable=durable)
        try:
            yield queue
        finally:
            stop(queue, living(queue), now=True)
            wait_until(lambda: not living(queue))
            queue.close()


@cache
def _templates() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="bench-templates-")


@cache
def _filled(filling: Filling) -> Path:
    """A store to copy: to fill one with a million jobs takes longer than to measure it."""
    path = Path(_templates().name) / f"{'-'.join(map(str, filling))}.db"
    if filling.ended and (filling.ready or filling.later):
        shutil.copy(_filled(Filling(ended=filling.ended)), path)
    queue = open_store(str(path), durable=False)
    if filling.ended and not queue.count():
        enqueue_many(queue, filling.ended)
        queue.cancel_matching(JobFilter())
    if filling.later:
        queue.enqueue(NewJob(command="true", delay=86_400) for _ in range(filling.later))
    if filling.ready:
        enqueue_many(queue, filling.ready)
    queue.close()
    assert not path.with_name(f"{path.name}-wal").exists(), "the copy would lack what is in it"
    return path


def enqueue_many(queue: Queue, count: int) -> None:
    queue.enqueue(NewJob(command="true") for _ in range(count))
