"""What is done to more jobs than can be named: all that match, up to the last there was."""

from __future__ import annotations

import pytest

from queuectl_tui.screens import job_actions, job_list
from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.working import Progress, Working, working
from store import JobState
from tests.tui.stage import Backstage, opened

PENDING, CANCELLED = JobState.PENDING, JobState.CANCELLED


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_list, "_MOST_MARKED", 10)
    monkeypatch.setattr(job_actions, "_AT_ONCE", 4)


def _count(backstage: Backstage, state: JobState) -> int:
    return sum(job.state is state for job in backstage.queue.jobs())


async def test_all_that_match_are_cancelled_in_steps_and_undone(backstage: Backstage) -> None:
    backstage.pending(*(f"wait{number}" for number in range(30)))
    async with opened(backstage) as stage:
        await stage.press("asterisk")
        await stage.until_shown("30 marked")
        await stage.press("x")
        await stage.until_screen(Confirm)
        await stage.until_shown("Cancel 30 jobs?", "30 PENDING", "Keep them")
        backstage.pending("late1")
        await stage.press("y")
        await stage.until(lambda: _count(backstage, CANCELLED) == 30)
        assert backstage.state("late1") is PENDING
        await stage.until(lambda: "Cancelled 30 jobs · u undoes it" in stage.toasts())
        await stage.until(lambda: not stage.table.everything_marked)
        await stage.press("u")
        await stage.until(lambda: _count(backstage, PENDING) == 31)
        await stage.until(lambda: "Undone: cancelling of 30 jobs" in stage.toasts())


async def test_those_that_match_no_more_are_counted(backstage: Backstage) -> None:
    backstage.pending(*(f"wait{number}" for number in range(12)))
    async with opened(backstage) as stage:
        await stage.press("asterisk", "x")
        await stage.until_screen(Confirm)
        backstage.queue.cancel(["wait3", "wait4"])
        await stage.press("y")
        await stage.until(lambda: "Cancelled 10 jobs" in stage.toasts())
        await stage.until(lambda: "2 were left as they are" in stage.toasts())


async def test_all_that_have_finished_are_deleted(backstage: Backstage) -> None:
    names = [f"wait{number}" for number in range(12)]
    backstage.pending(*names)
    backstage.queue.cancel(names[:11])
    async with opened(backstage) as stage:
        await stage.press("asterisk", "X")
        await stage.until_screen(Confirm)
        await stage.until_shown("Delete 11 jobs, history and output too?")
        await stage.press("y")
        await stage.until(lambda: [job.id for job in backstage.queue.jobs()] == ["wait11"])


async def test_the_marks_of_all_end_with_their_filter(backstage: Backstage) -> None:
    backstage.pending(*(f"wait{number}" for number in range(12)))
    async with opened(backstage) as stage:
        await stage.press("asterisk")
        await stage.until_shown("12 marked")
        await stage.press("space")
        await stage.until(lambda: "All that match are marked" in stage.toasts())
        await stage.press("7")
        await stage.until(lambda: "No longer marked" in stage.toasts())
        assert stage.table.marked == 0


async def test_it_stops_between_two_steps_and_what_was_done_is_undone(
    backstage: Backstage, monkeypatch: pytest.MonkeyPatch
) -> None:
    backstage.pending(*(f"wait{number}" for number in range(12)))
    step, stops = job_actions._CANCEL.step, list[Progress]()

    class Stopped(Progress):
        def __init__(self, title: str, total: int = 0) -> None:
            super().__init__(title, total)
            stops.append(self)

    def then_stop(*args: object, **kwargs: object) -> object:
        done = step(*args, **kwargs)
        stops[-1].stopped = True
        return done

    monkeypatch.setattr(job_actions, "Progress", Stopped)
    mass = job_actions._CANCEL
    monkeypatch.setattr(
        job_actions,
        "_CANCEL",
        job_actions._Mass(
            mass.verb,
            mass.name,
            mass.doing,
            mass.done,
            mass.keep,
            mass.among,
            then_stop,  # type: ignore[arg-type]
        ),
    )
    async with opened(backstage) as stage:
        await stage.press("asterisk", "x")
        await stage.until_screen(Confirm)
        await stage.press("y")
        await stage.until(lambda: "Stopped: cancelled 4 of 12 jobs · u undoes it" in stage.toasts())
        assert _count(backstage, CANCELLED) == 4
        monkeypatch.undo()
        await stage.press("u")
        await stage.until(lambda: _count(backstage, PENDING) == 12)


async def test_what_takes_longer_than_a_moment_is_shown_and_takes_one_key(
    backstage: Backstage,
) -> None:
    backstage.pending("wait1", "wait2")
    async with opened(backstage) as stage:
        progress = Progress("Cancelling 9 jobs", 9, done=3)
        with working(stage.app, progress):
            await stage.until_screen(Working)
            await stage.until_shown("Cancelling 9 jobs", "3 of 9 · esc stops after this step")
            await stage.press("x", "escape")
            await stage.until_shown("3 of 9 · stops after this step")
        await stage.until(lambda: stage.screen is stage.app.screen_stack[1])
        assert progress.stopped
        assert _count(backstage, PENDING) == 2
