"""Editing a job, what was typed before, and undoing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from queuectl_tui.memory import Memory, Recall
from queuectl_tui.screens.add_job import AddJob
from queuectl_tui.screens.dead import DeadScreen
from queuectl_tui.screens.edit_job import EditJob
from queuectl_tui.screens.jobs import JobsScreen
from queuectl_tui.widgets.form_field import FormField
from store import Job, JobState, NewJob, OnDependencyFailure
from store.queue import Queue
from tests.tui.stage import PATIENCE, Backstage, Stage, opened

PENDING, DEAD = JobState.PENDING, JobState.DEAD


def _typed(stage: Stage) -> dict[str, str]:
    return {field.name or "": field.text for field in stage.screen.query(FormField)}


async def _edit(stage: Stage) -> None:
    await stage.press("e")
    await stage.until_screen(EditJob)
    await stage.until(lambda: isinstance(stage.screen.focused, Input))


async def test_a_waiting_job_is_edited(backstage: Backstage, tmp_path: Path) -> None:
    backstage.pending(
        "wait1", command="make tset", priority=5, label="nightly", cwd=str(tmp_path),
        env={"SECRET": "x"}, unique_key="one", timeout=90.0, backoff_base=3.0,
    )  # fmt: skip
    async with opened(backstage) as stage:
        await _edit(stage)
        await stage.until_shown("Edit wait1, PENDING")
        assert _typed(stage)["command"] == "make tset"
        assert _typed(stage)["timeout"] == "1m30s"
        await stage.fill(command="make test", max_retries="7", label="")
        await stage.press("enter")
        await stage.until_screen(JobsScreen)
        job = backstage.queue.job("wait1")
        assert (job.command, job.max_retries, job.label) == ("make test", 7, None)
        assert (job.priority, job.timeout, job.cwd) == (5, 90.0, str(tmp_path))
        assert (dict(job.env), job.unique_key, job.backoff_base) == ({"SECRET": "x"}, "one", 3.0)
        assert "Saved wait1" in stage.toasts()


async def test_an_argument_vector_stays_one(backstage: Backstage) -> None:
    backstage.pending("wait1", command=None, argv=("convert", "in file.png", "out.png"))
    async with opened(backstage) as stage:
        await _edit(stage)
        assert _typed(stage)["argv"] == "convert 'in file.png' out.png"
        await stage.fill(argv="convert 'in")
        await stage.until_shown("no closing quotation")
        await stage.fill(argv="convert 'in file.png' 'my out.png'")
        await stage.press("ctrl+s")
        await stage.until_screen(JobsScreen)
        assert backstage.queue.job("wait1").argv == ("convert", "in file.png", "my out.png")


_AWKWARD: dict[str, Any] = {
    "queue": "net",
    "priority": -7,
    "run_at": 32_000_000_000_000,
    "max_retries": 0,
    "timeout": 1_036_800.0,
    "stop_grace": 0.1,
    "backoff_base": 1.25,
    "backoff_delay": 1e-3,
    "backoff_max": 0.0,
    "backoff_jitter": 0.5,
    "fail_on": (3, "64-78", "lost"),
    "success_exit_codes": (0, 2),
    "nice": 19,
    "keep_children": True,
    "cwd": "/a folder/ with blanks ",
    "env": {"A": " 1"},
    "label": " two  words ",
    "unique_key": " key ",
    "held": True,
    "on_dependency_failure": OnDependencyFailure.CANCEL,
    "depends_on": ("first",),
}


@pytest.mark.parametrize(
    "fields",
    [
        {"command": "  one\n\ttwo  ", **_AWKWARD},
        {"argv": ("printf", "a b", "'", ""), "timeout": 0.0},
    ],
    ids=["command", "argv"],
)
async def test_what_is_not_touched_is_not_changed(
    backstage: Backstage, fields: dict[str, Any]
) -> None:
    backstage.queue.settings.set("default_timeout", "5")
    backstage.ended("first")
    backstage.queue.enqueue([NewJob(id="edited", **fields)])
    before = backstage.queue.job("edited")
    async with opened(backstage) as stage:
        stage.listing.seek("edited")
        await stage.until_at("edited")
        await _edit(stage)
        await stage.press("ctrl+s")
        await stage.until(lambda: "Saved edited" in stage.toasts())
    assert backstage.queue.job("edited")._replace(updated_at=before.updated_at) == before


async def test_what_is_dead_is_edited_and_retried_at_once(backstage: Backstage) -> None:
    backstage.dead("dead1", command="./sned.sh")
    async with opened(backstage) as stage:
        await stage.press("D")
        await stage.until_screen(DeadScreen)
        await stage.until_at("dead1")
        await _edit(stage)
        await stage.until_shown("^r save and retry")
        await stage.fill(command="./send.sh")
        await stage.press("ctrl+r")
        await stage.until_screen(DeadScreen)
        job = backstage.queue.job("dead1")
        assert (job.command, job.state) == ("./send.sh", PENDING)


async def test_what_runs_is_not_edited(backstage: Backstage) -> None:
    backstage.running("run1")
    async with opened(backstage) as stage:
        await stage.press("e")
        await stage.until(lambda: "Can't edit run1: it is RUNNING" in stage.toasts())


async def test_a_job_that_starts_meanwhile_keeps_its_command(backstage: Backstage) -> None:
    backstage.pending("wait1", command="true")
    async with opened(backstage) as stage:
        await _edit(stage)
        assert backstage.queue.claim(backstage.worker) is not None
        await stage.fill(command="false")
        await stage.press("enter")
        await stage.until_shown("wait1 is RUNNING and cannot be edited")
        assert backstage.queue.job("wait1").command == "true"


async def test_earlier_values_come_back_with_the_arrows(backstage: Backstage) -> None:
    async with opened(backstage) as stage:
        for command in ("make one", "make two"):
            await stage.press("a")
            await stage.until_screen(AddJob)
            await stage.write(command)
            await stage.press("enter")
            await stage.until_screen(JobsScreen)
        await stage.press("a")
        await stage.until_screen(AddJob)
        await stage.write("half")
        seen = []
        for key in ("up", "up", "down", "down"):
            await stage.press(key)
            seen.append(_typed(stage)["command"])
        assert seen == ["make two", "make one", "make two", "half"]


def test_what_was_typed_outlives_the_app(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    memory = Memory(path)
    for number in range(60):
        memory.add_typed("command", f"make {number}")
    memory.add_typed("command", "make 30")
    memory.note("theme", "light")
    memory.save()
    assert path.stat().st_mode & 0o777 == 0o600
    again = Memory(path)
    assert again.recall("theme") == "light"
    assert again.typed("command")[-2:] == ("make 59", "make 30")
    assert len(again.typed("command")) == 50
    path.write_text('{"typed": [1], "notes": {"theme": 3}}')
    assert (Memory(path).typed("command"), Memory(path).recall("theme")) == ((), None)
    path.write_text("[" * 100_000)
    assert Memory(path).typed("command") == ()


def test_recalling_stops_at_both_ends() -> None:
    recall = Recall(["a", "b"])
    assert [recall.step("now", -1), recall.step("b", -1), recall.step("a", -1)] == ["b", "a", "a"]
    assert [recall.step("a", 9), recall.step("now", 1)] == ["now", "now"]


async def test_a_retry_is_undone(backstage: Backstage) -> None:
    backstage.dead("dead1", "dead2")
    async with opened(backstage) as stage:
        await stage.press("D")
        await stage.until_screen(DeadScreen)
        await stage.until_at("dead2")
        await stage.press("space", "space", "r")
        await stage.until(lambda: backstage.state("dead1") is PENDING)
        assert "Retrying 2 jobs · u undoes it" in stage.toasts()
        await stage.press("u")
        await stage.until(lambda: backstage.state("dead1") is DEAD)
        assert backstage.state("dead2") is DEAD
        await stage.until(lambda: "Undone: retry of 2 jobs" in stage.toasts())
        await stage.press("u")
        await stage.until(lambda: "Nothing to undo" in stage.toasts())


async def test_a_cancel_is_undone_unless_the_job_has_moved_on(backstage: Backstage) -> None:
    backstage.pending("wait1", "wait2")
    async with opened(backstage) as stage:
        await stage.press("space", "space", "x")
        await stage.until(lambda: backstage.state("wait1") is JobState.CANCELLED)
        backstage.queue.retry(["wait1"])
        await stage.press("u")
        await stage.until(lambda: backstage.state("wait2") is PENDING)
        await stage.until(lambda: "but 1 moved on and stay" in stage.toasts())
        await stage.press("backslash", "x")
        await stage.until(lambda: len(stage.app.session.deeds) == 1)
        gone = stage.app.session.deeds[0].after[0].id
        backstage.queue.delete([gone])
        await stage.press("u")
        await stage.until(lambda: f"Can't undo the cancelling of {gone}" in stage.toasts())


async def test_an_undo_waits_for_what_is_being_done(
    backstage: Backstage, monkeypatch: pytest.MonkeyPatch
) -> None:
    backstage.pending("wait1", "wait2")
    cancel, may_go_on = Queue.cancel, threading.Event()

    def slowly(queue: Queue, ids: Sequence[str]) -> list[Job]:
        may_go_on.wait(PATIENCE)
        return cancel(queue, ids)

    async with opened(backstage) as stage:
        await stage.until_at("wait2")
        await stage.press("x")
        await stage.until(lambda: backstage.state("wait2") is JobState.CANCELLED)
        await stage.until(lambda: len(stage.app.session.deeds) == 1)
        monkeypatch.setattr(Queue, "cancel", slowly)
        await stage.press("j", "x", "u")
        await stage.until(lambda: stage.app._keys._held_since is not None)
        assert backstage.state("wait2") is JobState.CANCELLED
        may_go_on.set()
        await stage.until(lambda: "Undone: cancelling of wait1" in stage.toasts())
        assert backstage.state("wait1") is PENDING
        assert backstage.state("wait2") is JobState.CANCELLED
