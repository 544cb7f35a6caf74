"""The dead letter queue by error."""

from __future__ import annotations

from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.dead import DeadScreen
from queuectl_tui.screens.error_groups import ErrorGroupsScreen
from queuectl_tui.screens.jobs import JobsScreen
from store import AttemptState, JobState
from tests.tui.stage import HOSTILE, HOSTILE_AS_TEXT, Backstage, Stage, opened

PENDING, DEAD = JobState.PENDING, JobState.DEAD


async def _grouped(stage: Stage) -> None:
    await stage.press("D")
    await stage.until_screen(DeadScreen)
    await stage.press("E")
    await stage.until_screen(ErrorGroupsScreen)


async def test_errors_are_counted_and_their_jobs_opened(backstage: Backstage) -> None:
    backstage.dead("mail1", "mail2", error="exit 75: try later")
    backstage.dead("video1", error="killed by SIGKILL")
    async with opened(backstage) as stage:
        await _grouped(stage)
        await stage.until_shown("2 errors · 3 jobs", "2 exit 75: try later", "1 killed by SIGKILL")
        await stage.press("enter")
        await stage.until_screen(DeadScreen)
        await stage.until(lambda: stage.rows() == ["mail2", "mail1"])
        await stage.until_shown("error exit 75: try later")
        await stage.press("escape")
        await stage.until_screen(ErrorGroupsScreen)
        await stage.press("E")
        await stage.until_screen(DeadScreen)
        await stage.until(lambda: len(stage.rows()) == 3)
        await stage.press("escape")
        await stage.until_screen(JobsScreen)


async def test_those_of_which_no_error_was_recorded_are_a_group_too(
    backstage: Backstage,
) -> None:
    backstage.dead("mail1", "mail2", error="exit 75: try later")
    backstage.ended("lost1", state=AttemptState.LOST, max_retries=0)
    async with opened(backstage) as stage:
        await _grouped(stage)
        await stage.until_shown("2 errors · 3 jobs", "1 (none was recorded)")
        await stage.press("j", "enter")
        await stage.until_screen(DeadScreen)
        await stage.until(lambda: stage.rows() == ["lost1"])
        await stage.until_shown("error (none was recorded)")
        await stage.press("escape")
        await stage.until_screen(ErrorGroupsScreen)
        await stage.until_shown("1 (none was recorded)")
        await stage.press("j", "R")
        await stage.until_screen(Confirm)
        await stage.until_shown("lost1")
        await stage.press("y")
        await stage.until(lambda: backstage.state("lost1") is PENDING)
        assert backstage.state("mail1") is DEAD


async def test_a_group_is_retried_after_a_question(backstage: Backstage) -> None:
    backstage.dead("mail1", "mail2", error=HOSTILE)
    backstage.dead("video1", error="killed by SIGKILL")
    async with opened(backstage) as stage:
        await _grouped(stage)
        await stage.until_shown(HOSTILE_AS_TEXT)
        await stage.press("R")
        await stage.until_screen(Confirm)
        await stage.until_shown("Run 2 jobs again?", "mail1", "mail2")
        await stage.press("y")
        await stage.until(lambda: backstage.state("mail1") is PENDING)
        assert backstage.state("mail2") is PENDING
        assert backstage.state("video1") is DEAD
        await stage.until_shown("1 error · 1 job")
        await stage.press("u")
        await stage.until_shown("2 errors · 3 jobs")


async def test_nothing_dead_nothing_to_group(backstage: Backstage) -> None:
    async with opened(backstage) as stage:
        await _grouped(stage)
        await stage.until_shown("Nothing is dead.", "0 errors")
        await stage.press("R", "enter")
        await stage.press("J")
        await stage.until_screen(JobsScreen)
