"""What somebody waits for who types a command: its own run, and the start of the job."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from measure import (
    CLI,
    MILLION,
    Filling,
    Row,
    in_turns,
    installed,
    percentile,
    run,
    seconds,
    store,
    wait_until,
)

from store import NewJob
from store.queue import Queue
from workers import start_detached

_CALLS = 5  # in a round
_FLOOR = "python -c 'import click, peewee'"


def start_up(rounds: int) -> Iterator[Row]:
    """One call of the command line, in ms; the ratio is to importing click and peewee"""
    python = [sys.executable, "-c"]
    commands = {
        "python -c pass": [*python, "pass"],
        "python -c 'import click'": [*python, "import click"],
        _FLOOR: [*python, "import click, peewee"],
    }
    margins: dict[str, float] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        for size in (1, MILLION):
            queue = stack.enter_context(store(Filling(ready=size)))
            (newest,) = queue.jobs(limit=1)
            for words, margin in _MARGINS.items():
                name = f"queuectl-tui {words}, {size:,} job{'s' * (size > 1)}"
                known = words.replace("ID", newest.id).split()
                commands[name] = [*CLI, "--db", str(queue.path), *known]
                margins[name] = margin
        for words in ("--version", "--help"):
            commands[f"queuectl-tui {words}"] = [*CLI, words]
        variables = {"TS_SOCKET": f"{folder}/socket", "NQDIR": str(folder)}
        peers = {"tsp": ["tsp", "-n", "true"], "nq": ["nq", "true"]}
        calls = {name: partial(run, command) for name, command in commands.items()} | {
            f"{name} true": partial(run, command, folder=folder, **variables)
            for name, command in peers.items()
            if installed(name)
        }
        timed = {name: partial(seconds, call) for name, call in calls.items()}
        medians = in_turns(timed, _CALLS * rounds)
        if installed("tsp"):
            run(["tsp", "-K"], **variables)
    base = medians[_FLOOR] * 1e3
    for name in (*commands, *(f"{peer} true" for peer in peers)):
        value = medians[name] * 1e3 if name in medians else None
        goal = base + margins[name] if name in margins else None
        yield Row(name, "ms", value, base, at_most=goal)


_MARGINS = {"enqueue true": 25.0, "list --limit 20": 20.0, "status": 20.0, "show ID": 20.0}


# From there to the start of the job --------------------------------------------------------------


def latency(rounds: int) -> Iterator[Row]:
    """From there to the command's first own act; less than 0 is before; the ratio is to a spawn"""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        clock = _Clock(Path(name) / "started")
        floor, _ = clock.waits(lambda: run(["/bin/sh", "-c", clock.line]), 50 * rounds)
        base = percentile(floor, 50)
        yield Row("sh -c 'date …' by subprocess", "ms", base, base)
        for count in (1, 16):
            with store() as queue:
                start_detached(queue, count=count)
                _, waits = clock.waits(partial(_put, queue, clock.line), 100 * rounds)
                yield from _spread(f"end of the commit, {count} idle", waits, base)
                call = [*CLI, "--db", str(queue.path), "enqueue", clock.line]
                since_begin, since_end = clock.waits(partial(run, call), 20 * rounds)
                yield from _spread(f"end of the call, {count} idle", since_end, base)
                value = percentile(since_begin, 50)
                yield Row(f"begin of the call, {count} idle, median", "ms", value, base)
        variables = {"TS_SOCKET": f"{name}/socket", "NQDIR": name}
        for peer, command in _PEERS.items():
            if not installed(peer):
                yield Row(f"begin of the call, {peer}, median", "ms", None)
                continue
            call = [*command, "sh", "-c", clock.line]
            waits, _ = clock.waits(partial(run, call, **variables), 50 * rounds)
            yield Row(f"begin of the call, {peer}, median", "ms", percentile(waits, 50), base)
        if installed("tsp"):
            run(["tsp", "-K"], **variables)


_PEERS: Mapping[str, list[str]] = {"tsp": ["tsp", "-n"], "nq": ["nq"]}


def _put(queue: Queue, line: str) -> None:
    queue.enqueue([NewJob(command=line)])


def _spread(what: str, waits: list[float], base: float) -> Iterator[Row]:
    yield Row(f"{what}, median", "ms", percentile(waits, 50), at_most=5.0 + base)
    yield Row(f"{what}, 99 of 100", "ms", percentile(waits, 99), at_most=20.0 + base)


class _Clock:
    """A command that writes down when it started."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.line = f"date +%s%N >{path}"

    def waits(self, call: Callable[[], object], count: int) -> tuple[list[float], list[float]]:
        """Milliseconds from the begin, and from the end, of each of ``count`` calls."""
        pairs = [self._wait(call) for _ in range(count)]
        return [since_begin for since_begin, _ in pairs], [since_end for _, since_end in pairs]

    def _wait(self, call: Callable[[], object]) -> tuple[float, float]:
        self._path.unlink(missing_ok=True)
        time.sleep(0.02)  # so that whoever ran the last one is idle again
        begun = time.time_ns()
        call()
        ended = time.time_ns()
        wait_until(self._written)
        started = int(self._path.read_text())
        return (started - begun) / 1e6, (started - ended) / 1e6

    def _written(self) -> bool:
        return self._path.exists() and self._path.read_text().endswith("\n")
