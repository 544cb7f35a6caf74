"""Retry, cancel, delete, add: what the keys do to jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Button

from queuectl_tui.screens.add_job import AddJob
from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.dead import DeadScreen
from queuectl_tui.screens.jobs import JobsScreen
from store import JobState
from tests.tui.stage import Backstage, Stage, opened

PENDING, DEAD = JobState.PENDING, JobState.DEAD


async def _go_to_dead(stage: Stage, *ids: str) -> None:
    await stage.press("D")
    await stage.until_screen(DeadScreen)
    await stage.until(lambda: stage.rows() == list(ids), f"dead: {ids}")


async def test_the_dead_one_under_the_cursor_is_retried(backstage: Backstage) -> None:
    backstage.dead("dead1", "dead2", "dead3")
    async with opened(backstage) as stage:
        await _go_to_dead(stage, "dead3", "dead2", "dead1")
        await stage.until_shown("exit 3: boom")
        await stage.press("j", "r")
        await stage.until(lambda: backstage.state("dead2") is PENDING)
        assert backstage.state("dead1") is backstage.state("dead3") is DEAD
        assert backstage.queue.job("dead2").attempts == 0
        assert len(backstage.queue.history("dead2")) == 1
        await stage.until(lambda: stage.rows() == ["dead3", "dead1"])
        assert "Retrying dead2" in stage.toasts()


async def test_the_marked_dead_are_retried_together(backstage: Backstage) -> None:
    backstage.dead("dead1", "dead2", "dead3")
    async with opened(backstage) as stage:
        await _go_to_dead(stage, "dead3", "dead2", "dead1")
        await stage.press("space", "j", "space", "r")
        await stage.until(lambda: backstage.state("dead1") is PENDING)
        assert backstage.state("dead3") is PENDING
        assert backstage.state("dead2") is DEAD
        assert "Retrying 2 jobs" in stage.toasts()
        await stage.until(lambda: stage.table.marks == ())


@pytest.mark.parametrize(
    ("key", "asked", "answer"),
    [
        ("x", "Cancel 2 jobs?", "Keep all 2"),
        ("r", "Run 2 jobs again?", "Leave all 2 as they are"),
    ],
)
async def test_marked_jobs_that_are_not_listed_are_asked_about(
    backstage: Backstage, key: str, asked: str, answer: str
) -> None:
    backstage.pending("a", "b", "c")
    backstage.queue.cancel(["c"])
    if key == "r":
        backstage.queue.cancel(["a", "b"])
    number = "7" if key == "r" else "1"
    async with opened(backstage, size=(100, 30)) as stage:
        await stage.press(number, "g")
        await stage.until(lambda: stage.rows()[-2:] == ["b", "a"])
        await stage.press("G", "space", "k", "k", "space")
        await stage.until(lambda: set(stage.table.marks) >= {"a"})
        marked = stage.table.marks
        await stage.press("5")
        await stage.until_shown("none", f"{len(marked)} marked, {len(marked)} not listed")
        before = {name: backstage.state(name) for name in "abc"}
        await stage.press(key)
        await stage.until_screen(Confirm)
        await stage.until_shown(asked, "marked, but not in this list", answer)
        await stage.press("escape")
        await stage.until_screen(JobsScreen)
        assert {name: backstage.state(name) for name in "abc"} == before
        assert stage.table.marks == marked
        await stage.press(key)
        await stage.until_screen(Confirm)
        await stage.press("y")
        await stage.until(lambda: stage.table.marks == ())
        wanted = JobState.CANCELLED if key == "x" else PENDING
        assert {backstage.state(name) for name in marked} == {wanted}


async def test_all_dead_that_match_are_retried_after_a_question(backstage: Backstage) -> None:
    backstage.dead("mail1", "mail2", "video1")
    async with opened(backstage) as stage:
        await _go_to_dead(stage, "video1", "mail2", "mail1")
        await stage.press("slash")
        await stage.write("mail")
        await stage.press("enter")
        await stage.until(lambda: stage.rows() == ["mail2", "mail1"])
        await stage.press("R")
        await stage.until_screen(Confirm)
        await stage.until_shown("Run 2 jobs again?", "mail1", "mail2")
        await stage.press("y")
        await stage.until(lambda: backstage.state("mail1") is PENDING)
        assert backstage.state("mail2") is PENDING
        assert backstage.state("video1") is DEAD


async def test_those_are_retried_whose_unique_keys_are_free(backstage: Backstage) -> None:
    backstage.dead("old1", unique_key="k")
    backstage.dead("new1", unique_key="k")
    async with opened(backstage) as stage:
        await _go_to_dead(stage, "new1", "old1")
        await stage.press("R")
        await stage.until_screen(Confirm)
        await stage.press("y")
        await stage.until(lambda: backstage.state("new1") is PENDING)
        await stage.until(lambda: "old1 stays as it is: new1 has its unique key" in stage.toasts())
        assert backstage.state("old1") is DEAD


async def test_what_is_asked_about_is_what_is_retried(backstage: Backstage) -> None:
    backstage.dead("dead1")
    async with opened(backstage) as stage:
        await _go_to_dead(stage, "dead1")
        await stage.press("R")
        await stage.until_screen(Confirm)
        backstage.dead("dead2")
        await stage.press("y")
        await stage.until(lambda: backstage.state("dead1") is PENDING)
        assert backstage.state("dead2") is DEAD


async def test_cancelling_what_runs_asks_and_keeps_it_by_default(backstage: Backstage) -> None:
    backstage.running("run1", command="tar czf /srv/backup.tgz /data")
    async with opened(backstage) as stage:
        await stage.press("x")
        await stage.until_screen(Confirm)
        await stage.until_shown("Cancel run1?", "RUNNING", "tar czf /srv/backup.tgz /data")
        focused = stage.screen.focused
        assert isinstance(focused, Button)
        assert str(focused.label) == "Keep running"
        await stage.press("enter")
        await stage.until_screen(JobsScreen)
        assert not backstage.queue.job("run1").cancel_requested
        await stage.press("x")
        await stage.until_screen(Confirm)
        await stage.press("tab", "enter")
        await stage.until(lambda: backstage.queue.job("run1").cancel_requested)


async def test_the_question_is_about_the_jobs_it_was_asked_for(backstage: Backstage) -> None:
    backstage.running("run1")
    async with opened(backstage) as stage:
        await stage.press("x")
        await stage.until_screen(Confirm)
        # the list moves on behind the dialog, and with it the row at the cursor's place
        backstage.running("run2")
        await stage.until(lambda: stage.app.screen_stack[1].table.total == 2)  # type: ignore[attr-defined]
        await stage.press("y")
        await stage.until(lambda: backstage.queue.job("run1").cancel_requested)
        assert not backstage.queue.job("run2").cancel_requested


async def test_waiting_jobs_are_cancelled_at_once_and_the_rest_left_out(
    backstage: Backstage,
) -> None:
    backstage.ended("done1")
    backstage.pending("wait1", "wait2")
    async with opened(backstage) as stage:
        await stage.press("space", "space", "space", "x")
        await stage.until(lambda: backstage.state("wait1") is JobState.CANCELLED)
        assert backstage.state("wait2") is JobState.CANCELLED
        assert backstage.state("done1") is JobState.COMPLETED
        assert "1 of 3 can't be cancelled" in stage.toasts()


async def test_a_key_that_can_do_nothing_says_why(backstage: Backstage) -> None:
    backstage.ended("done1")
    async with opened(backstage) as stage:
        await stage.press("x")
        await stage.until(lambda: "Can't cancel done1: it is DONE" in stage.toasts())


async def test_deleting_asks_and_names(backstage: Backstage) -> None:
    backstage.ended("done1")
    backstage.dead("dead1")
    async with opened(backstage) as stage:
        await stage.press("asterisk")
        await stage.until(lambda: len(stage.table.marks) == 2)
        await stage.press("X")
        await stage.until_screen(Confirm)
        await stage.until_shown("Delete 2 jobs", "Keep 2 jobs", "done1", "dead1")
        await stage.press("escape")
        await stage.until_screen(JobsScreen)
        assert backstage.queue.count() == 2
        await stage.press("X")
        await stage.until_screen(Confirm)
        await stage.press("y")
        await stage.until(lambda: backstage.queue.count() == 0)
        await stage.until_shown("No jobs yet.")


async def test_a_job_is_added_by_its_form(backstage: Backstage, tmp_path: Path) -> None:
    async with opened(backstage) as stage:
        await stage.press("a")
        await stage.until_screen(AddJob)
        await stage.write("make test && ./deploy.sh")
        await stage.fill(id="deploy-1", queue="build", priority="7", delay="1h", max_retries="5")
        await stage.fill(timeout="10m", cwd=str(tmp_path), label="nightly")
        await stage.press("ctrl+s")
        await stage.until_screen(JobsScreen)
        await stage.until_at("deploy-1")
        job = backstage.queue.job("deploy-1")
        assert job.command == "make test && ./deploy.sh"
        assert (job.queue, job.priority, job.max_retries) == ("build", 7, 5)
        assert (job.timeout, job.cwd, job.label) == (600.0, str(tmp_path), "nightly")
        assert job.run_at > backstage.queue.now() + 3_000_000
        assert "Added deploy-1" in stage.toasts()


async def test_the_form_says_what_is_wrong_as_it_is_typed(backstage: Backstage) -> None:
    backstage.pending("taken")
    async with opened(backstage) as stage:
        await stage.press("a")
        await stage.until_screen(AddJob)
        await stage.press("enter")
        await stage.until_shown("command: a job needs one")
        await stage.write("true")
        await stage.fill(priority="high")
        await stage.until_shown("✗", "must be an integer")
        await stage.press("enter")
        await stage.until_screen(AddJob)
        await stage.fill(priority="", id="taken")
        await stage.press("enter")
        await stage.until_shown("id in use: taken")
        assert backstage.queue.count() == 1
        await stage.press("escape")
        await stage.until_screen(JobsScreen)
        assert backstage.queue.count() == 1


async def test_the_add_form_takes_the_environment_along(backstage: Backstage) -> None:
    async with opened(backstage) as stage:
        await stage.press("a")
        await stage.until_screen(AddJob)
        await stage.write("true")
        await stage.press("enter")
        await stage.until(lambda: backstage.queue.count() == 1)
    lease = backstage.queue.claim(backstage.worker)
    assert lease is not None
    assert "PATH" in lease.env


async def test_a_gone_job_is_no_trap(backstage: Backstage) -> None:
    backstage.pending("job1")
    async with opened(backstage) as stage:
        await stage.press("p")
        await stage.until_shown("PAUSED")
        backstage.queue.cancel(["job1"])
        backstage.queue.delete(["job1"])
        await stage.press("x")
        await stage.until(lambda: "no job is chosen, or it is gone" in stage.toasts())


async def test_read_only_changes_nothing(backstage: Backstage) -> None:
    backstage.dead("dead1")
    backstage.pending("wait1")
    async with opened(backstage, read_only=True) as stage:
        await stage.until_shown("READ-ONLY")
        await stage.press("x", "r", "R", "X", "a", "w")
        await stage.pilot.pause()
        await stage.press("D")
        await stage.until_screen(DeadScreen)
        await stage.until(lambda: stage.rows() == ["dead1"])
        await stage.press("r", "R", "X")
        await stage.press("W", "s", "plus", "d", "x", "p")
        await stage.until_shown("Workers")
        assert stage.toasts() == ""
        assert backstage.state("dead1") is DEAD
        assert backstage.state("wait1") is PENDING
        assert len(stage.app.screen_stack) == 3
