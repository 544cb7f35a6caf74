"""The workers screen: who is up, and orders to supervisors."""

from __future__ import annotations

import socket
import subprocess
import time
from typing import Any

import pytest

from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.jobs import JobsScreen
from queuectl_tui.screens.live import LiveScreen
from queuectl_tui.screens.start_workers import StartWorkers
from queuectl_tui.screens.workers import WorkersScreen
from store import AttemptState, JobState, Orders, Outcome, Stream, WorkerKind
from tests.tui.stage import PATIENCE, Backstage, Stage, opened
from workers import living, stop
from workers.processes import identify


async def _go_to_workers(stage: Stage) -> None:
    await stage.press("W")
    await stage.until_screen(WorkersScreen)


def _live(stage: Stage) -> LiveScreen[Any]:
    assert isinstance(stage.screen, LiveScreen)
    return stage.screen


def _orders(backstage: Backstage) -> Orders:
    supervisor = next(
        each for each in backstage.queue.workers() if each.kind is WorkerKind.SUPERVISOR
    )
    return backstage.queue.registry.orders(supervisor.id)


async def test_no_workers_teach_the_key_that_starts_them(backstage: Backstage) -> None:
    async with opened(backstage) as stage:
        await _go_to_workers(stage)
        await stage.until_shown("No workers are up.", "s  starts some")


async def test_a_worker_shows_what_it_runs(backstage: Backstage) -> None:
    backstage.running("run1")
    backstage.pending("wait1")
    backstage.queue.registry.report({backstage.worker: (88.0, 120 * 1024 * 1024)}, silence={})
    async with opened(backstage) as stage:
        await _go_to_workers(stage)
        await stage.until_shown("● BUSY", "run1", "88", "120.0 MB", "1 up · 1 busy", "1 job waits")
        await stage.press("j", "enter")
        await stage.until_screen(JobScreen)
        await stage.press("escape")
        await stage.until_screen(WorkersScreen)


@pytest.mark.parametrize("key", ["J", "W"])
async def test_a_worker_that_was_killed_here_is_stale_at_once(
    backstage: Backstage, key: str
) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        worker = backstage.queue.registry.register(
            WorkerKind.WORKER,
            pool="default",
            host=socket.gethostname(),
            identity=identify(process.pid),
        )
        backstage.queue.registry.heartbeat(worker)
        async with opened(backstage) as stage:
            await stage.press(key)
            await stage.until_shown("0/1 busy", *(["1 up"] if key == "W" else []))
            assert not _live(stage).restless
            process.kill()
            process.wait()
            assert _live(stage).restless  # it looks again, though nothing changed
            await stage.until_shown("no workers", "1 STALE", *(["0 up"] if key == "W" else []))
            assert not _live(stage).restless


async def test_the_job_of_the_worker_at_the_cursor_shows_its_output_as_it_comes(
    backstage: Backstage,
) -> None:
    lease = backstage.running("run1", command="make report")
    scratch = backstage.queue.folders.scratch(backstage.worker, Stream.STDOUT)
    scratch.parent.mkdir(exist_ok=True)
    scratch.write_text("page 1\n")
    async with opened(backstage) as stage:
        await _go_to_workers(stage)
        await stage.until_shown("Jobs of default (s1)", "w2  run1  make report")
        await stage.press("j")
        await stage.until_shown("stdout of run1", "page 1")
        with scratch.open("a") as file:
            file.write("page 2\n")
        await stage.until_shown("page 2")
        backstage.queue.finish(lease, Outcome(AttemptState.COMPLETED, exit_code=0))
        await stage.until_shown("Output of w2", "It runs no job: it waits for one")
        await stage.press("k")
        await stage.until_shown("None of its workers runs a job.")


async def test_orders_reach_the_supervisor(backstage: Backstage) -> None:
    backstage.running("run1", command="sleep 77")
    async with opened(backstage) as stage:
        await _go_to_workers(stage)
        await stage.until_shown("● BUSY")
        await stage.press("plus", "plus", "minus")
        await stage.until(lambda: _orders(backstage).count == 2)
        await stage.press("p")
        await stage.until(lambda: _orders(backstage).paused)
        await stage.press("d")
        await stage.until_screen(Confirm)
        await stage.press("escape")
        await stage.until_screen(WorkersScreen)
        assert _orders(backstage).stop is None
        await stage.press("d")
        await stage.until_screen(Confirm)
        await stage.press("y")
        await stage.until(lambda: _orders(backstage).stop == "drain")


async def test_stopping_now_names_what_it_interrupts(backstage: Backstage) -> None:
    backstage.running("run1", command="sleep 77")
    async with opened(backstage) as stage:
        await _go_to_workers(stage)
        await stage.until_shown("● BUSY")
        await stage.press("x")
        await stage.until_screen(Confirm)
        await stage.until_shown("run1  running", "sleep 77", "Stop, interrupt 1", "Keep running")
        await stage.press("enter")
        await stage.until_screen(WorkersScreen)
        assert _orders(backstage).stop is None
        await stage.press("x")
        await stage.until_screen(Confirm)
        await stage.press("y")
        await stage.until(lambda: _orders(backstage).stop == "now")


async def test_started_workers_run_a_job_and_outlive_the_app(backstage: Backstage) -> None:
    backstage.pending("job1", command="echo it ran")
    try:
        async with opened(backstage) as stage:
            await stage.press("w")
            await stage.until_screen(StartWorkers)
            await stage.press("enter")
            await stage.until(lambda: backstage.state("job1") is JobState.COMPLETED, "it ran")
            await stage.until_screen(JobsScreen)
            await _go_to_workers(stage)
            await stage.until_shown("2 up")
        up = [each for each in backstage.queue.workers() if each.kind is WorkerKind.WORKER]
        assert len(up) == 2
    finally:
        _stop_all(backstage)


def _stop_all(backstage: Backstage) -> None:
    """No process outlives the test: neither what the app started nor what a failure left."""
    stop(backstage.queue, living(backstage.queue), now=True)
    deadline = time.monotonic() + PATIENCE
    while living(backstage.queue):
        assert time.monotonic() < deadline, "workers are still up"
        time.sleep(0.02)
