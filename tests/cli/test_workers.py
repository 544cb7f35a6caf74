"""``worker``: how many there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

import workers
from store.queue import Queue
from tests.cli.conftest import Cli, one_error
from workers.cpus import usable_cpus

Ok = Callable[..., str]


@pytest.fixture
def stopped(ok: Ok) -> Iterator[None]:
    """No worker is left after the test."""
    yield
    ok("worker", "stop", "--now", "--yes")


# -- How many


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ((), 1),
        (("2",), 2),
        (("-n", "2"), 2),
        (("2", "--count", "2"), 2),
        (("--count", "auto"), usable_cpus()),
    ],
)
@pytest.mark.usefixtures("stopped")
def test_how_many_workers_start(words: tuple[str, ...], count: int, ok: Ok, queue: Queue) -> None:
    ok("worker", "start", "--detach", *words)

    assert len(workers.up(queue)) == count
    assert ok("worker", "status").split()[:11] == ok("worker", "list").split()[:11]
    assert len(json.loads(ok("worker", "status", "--json"))) == count + 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("2", "--count", "3"), "2 and --count 3: give the number of workers once."),
        (("0",), "0 is not in the range 1<=x<=1000"),
        (("-n", "1001"), "1001 is not in the range"),
        (("automatic",), "'automatic' is not a valid integer range"),
    ],
)
def test_a_number_of_workers_that_can_t_be(words: tuple[str, ...], error: str, cli: Cli) -> None:
    result = cli("worker", "start", *words)

    assert result.exit_code == 2
    assert error in one_error(result)
