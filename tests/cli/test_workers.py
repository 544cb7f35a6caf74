"""``worker``: how many, paused pools, and what else needs no job to be run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

import workers
from store import JobState, WorkerKind, WorkerState
from store.queue import Queue
from tests.cli.conftest import Cli, Program, one_error
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
        (("automatic",), "'automatic' is not a valid number of workers"),
    ],
)
def test_a_number_of_workers_that_can_t_be(words: tuple[str, ...], error: str, cli: Cli) -> None:
    result = cli("worker", "start", *words)

    assert result.exit_code == 2
    assert error in one_error(result)


# -- Paused pools


def test_a_pool_can_be_paused_while_it_does_not_run(cli: Cli, queue: Queue) -> None:
    result = cli("worker", "pause", "--pool", "night")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Pool night is paused; no supervisor of it is running\n"
    assert queue.registry.paused_pools() == ["night"]

    result = cli("worker", "resume")
    assert result.exit_code == 0
    assert result.stderr == "Pool night is resumed; no supervisor of it is running\n"
    assert queue.registry.paused_pools() == []


@pytest.mark.parametrize("word", ["pause", "resume"])
def test_without_a_name_some_pool_has_to_run(word: str, cli: Cli) -> None:
    result = cli("worker", word)

    assert result.exit_code == 1
    assert "no supervisor runs; start one with: queuectl-tui worker start" in one_error(result)


@pytest.mark.usefixtures("stopped")
def test_a_paused_pool_is_still_paused_when_it_starts_again(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("worker", "start", "--detach")
    assert cli("worker", "pause").stderr == "Pool default is paused\n"
    ok("worker", "stop")

    result = cli("worker", "start", "--detach")

    assert result.exit_code == 0
    assert "pool default is paused" in result.stderr
    assert result.stderr.endswith("resume: queuectl-tui worker resume\n")
    assert {worker.state for worker in workers.crew(queue)} == {WorkerState.PAUSED}
    assert {worker.kind for worker in workers.crew(queue)} == set(WorkerKind)
    ok("worker", "resume")
    assert {worker.state for worker in workers.crew(queue)} == {WorkerState.IDLE}


# -- Until nothing is left


def test_workers_may_leave_when_nothing_is_left(program: Program, ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "true")
    foreground = program.run("worker", "start", "--until-empty")
    assert foreground.returncode == 0
    assert queue.job("a").state is JobState.COMPLETED

    detached = program.run("worker", "start", "--until-empty", "--detach")
    assert detached.returncode == 0
    assert detached.stderr == b"The workers have left already: no job is left to run\n"
