"""What one job, or one question, costs as the store grows from a thousand jobs to a million."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from measure import DONE, MILLION, Filling, Row, in_turns, seconds, store

from queuectl_tui.screens.listing import ListRequest, read_list
from queuectl_tui.widgets.viewport import Viewport
from store import JobFilter, JobState, Lease, NewJob, Order, Rate
from store.jobspec import read_jobs
from store.queue import Queue

_SIZES = (1_000, 10_000, 100_000, MILLION)
_NEWEST_FIRST = Order(reverse=True)
_ALL = JobFilter()
_PENDING = JobFilter(states=frozenset({JobState.PENDING}))
_ROWS_ON_SCREEN = 40
_ASKED = 9
_CLAIMED = 400
_TURNS, _IN_A_ROW = 30, 50


def growth(rounds: int) -> Iterator[Row]:
    """One job or question, 1,000 to 1,000,000 jobs pending, in turns; the ratio is to 1,000 jobs"""
    batches: dict[int, Callable[[], float]] = {size: partial(_enqueued, size) for size in _SIZES}
    most = {MILLION: batches.pop(MILLION)}
    yield from _curve("enqueue, a job of one batch", in_turns(batches, rounds) | in_turns(most, 1))
    with ExitStack() as stack:
        stores = {
            size: stack.enter_context(store(Filling(ready=size), durable=False)) for size in _SIZES
        }
        for what, prepared in _QUESTIONS.items():
            asked = {size: partial(seconds, prepared(queue)) for size, queue in stores.items()}
            yield from _curve(what, in_turns(asked, _ASKED))
        leases: dict[int, list[Lease | None]] = {size: [] for size in _SIZES}
        claims = {size: partial(_claim, queue, leases[size]) for size, queue in stores.items()}
        yield from _curve("claim", in_turns(claims, _CLAIMED))
        finishes = {size: partial(_finish, queue, leases[size]) for size, queue in stores.items()}
        yield from _curve("finish", in_turns(finishes, _CLAIMED))


def _curve(what: str, costs: dict[int, float]) -> Iterator[Row]:
    base = costs[_SIZES[0]] * 1e3
    for size, cost in costs.items():
        yield Row(f"{what}, {size:,} jobs", "ms", cost * 1e3, base, at=size)


def _claim(queue: Queue, leases: list[Lease | None]) -> float:
    return seconds(lambda: leases.append(queue.claim("w1")))


def _finish(queue: Queue, leases: list[Lease | None]) -> float:
    lease = leases.pop()
    assert lease is not None
    return seconds(lambda: queue.finish(lease, DONE))


def _enqueued(size: int) -> float:
    """Seconds a job, for JSON Lines that are read, validated, and committed in one batch."""
    lines = io.BytesIO(b'{"command":"true"}\n' * size)
    with store() as queue:
        jobs = read_jobs(lines, now=queue.now(), cwd="/")
        return seconds(lambda: queue.enqueue(jobs)) / size


def _screen(queue: Queue, *, part: float = 0.0, wanted: JobFilter = _ALL) -> Callable[[], object]:
    """What the app reads while its cursor is on a job that far down the list."""
    total = queue.count(wanted)
    row = int((total - 1) * part)
    from_the_end = Order(reverse=row <= total // 2)
    skipped = min(row, total - 1 - row)
    (followed,) = queue.jobs(wanted, from_the_end, limit=1, offset=skipped)
    top = max(0, min(row, total - _ROWS_ON_SCREEN))
    view = Viewport(top=top, height=_ROWS_ON_SCREEN, cursor=row)
    request = ListRequest(wanted, _NEWEST_FIRST, view, followed.id)
    return lambda: read_list(queue, request)


_QUESTIONS: dict[str, Callable[[Queue], Callable[[], object]]] = {
    "counts (status)": lambda queue: queue.status,
    "list, the 20 newest": lambda queue: lambda: queue.jobs(limit=20),
    "list, the 20 oldest pending": lambda queue: lambda: queue.jobs(_PENDING, Order(), limit=20),
    "app's refresh, at the top": _screen,
    "app's refresh, half way down": lambda queue: _screen(queue, part=0.5),
    "app's refresh, on the last row": lambda queue: _screen(queue, part=1.0),
    "app's refresh, by state": lambda queue: _screen(queue, wanted=_PENDING),
    "app's refresh, by text": lambda queue: _screen(queue, wanted=JobFilter(search="tru")),
}


# Claims beside much else -------------------------------------------------------------------------


def claims(rounds: int) -> Iterator[Row]:
    """Finish a job and claim the next, beside much else; the ratio is to nothing else"""
    with ExitStack() as stack:
        stores = {}
        for name, (filling, arrange) in _BESIDE.items():
            stores[name] = stack.enter_context(store(filling, durable=False))
            arrange(stores[name])
        costs = _in_turns(stores, _TURNS * rounds)
    base = statistics.median(costs["nothing else"]) * 1e3
    for name, times in costs.items():
        value = statistics.median(times) * 1e3
        yield Row(name, "ms", value, base, at_most=None if value is base else 1.3 * base)


def _in_turns(stores: dict[str, Queue], turns: int) -> dict[str, list[float]]:
    """Seconds that each finish and claim took; whatever the machine does slows all stores."""
    leases = {name: queue.claim("w1") for name, queue in stores.items()}
    costs: dict[str, list[float]] = {name: [] for name in stores}
    for _ in range(turns):
        for name, queue in stores.items():
            for _ in range(_IN_A_ROW):
                lease = leases[name]
                assert lease is not None, f"{name}: too few jobs"
                begun = time.perf_counter()
                leases[name] = queue.finish(lease, DONE, claim_for="w1")
                costs[name].append(time.perf_counter() - begun)
    return costs


def _as_it_is(queue: Queue) -> None:
    """Nothing more is in it."""


def _many_queues(queue: Queue) -> None:
    """Jobs in 50 queues of their own, half of which are paused."""
    queue.enqueue(NewJob(command="true", queue=f"q{at % 50}") for at in range(20_000))
    queue.queues.set_paused([f"q{at}" for at in range(25)], True)


def _a_full_label(queue: Queue) -> None:
    """What is first in the queue may not start: another job with its label runs."""
    queue.queues.set_max_per_label("default", 1)
    queue.enqueue(NewJob(command="true", label="full", priority=9) for _ in range(100_000))
    assert queue.claim("w0")


def _at_its_rate(queue: Queue) -> None:
    """Jobs that would be first, in a queue that has begun what it may."""
    queue.queues.set_rate("slow", Rate(1, 86_400))
    queue.enqueue(NewJob(command="true", queue="slow", priority=9) for _ in range(100_000))
    assert queue.claim("w0")


_BESIDE: dict[str, tuple[Filling, Callable[[Queue], None]]] = {
    "nothing else": (Filling(ready=10_000), _as_it_is),
    "1,000,000 pending": (Filling(ready=MILLION), _as_it_is),
    "10,000 pending, 1,000,000 ended": (Filling(10_000, MILLION), _as_it_is),
    "10,000 pending, 100,000 due tomorrow": (Filling(10_000, 0, 100_000), _as_it_is),
    "20,000 pending in 50 queues, 25 of them paused": (Filling(), _many_queues),
    "10,000 pending, 100,000 whose label is full": (Filling(ready=10_000), _a_full_label),
    "10,000 pending, 100,000 in a queue at its rate": (Filling(ready=10_000), _at_its_rate),
    "all of that at once": (Filling(MILLION, MILLION, 100_000), _many_queues),
}
