"""Holding and releasing jobs from the app, and how a held one is shown."""

from __future__ import annotations

from queuectl_tui.screens.confirm import Confirm
from tests.tui.stage import Backstage, Stage, opened


def held(backstage: Backstage, *names: str) -> list[bool]:
    return [backstage.queue.job(name).held for name in names]


async def command(stage: Stage, line: str) -> None:
    await stage.press("colon")
    await stage.write(line)
    await stage.press("enter")


async def test_the_key_holds_releases_and_is_undone(backstage: Backstage) -> None:
    backstage.pending("wait1")
    async with opened(backstage) as stage:
        await stage.press("H")
        await stage.until_shown("‖ HELD")
        assert "Held wait1" in stage.toasts()
        await stage.press("H")
        await stage.until_shown("· PENDING")
        assert "Released wait1" in stage.toasts()
        await stage.press("u")
        await stage.until_shown("‖ HELD")
        assert "Undone: release of wait1" in stage.toasts()

        await stage.press("enter")
        await stage.until_shown("wait1 ‖ HELD", "It is held: H releases it.")
        await stage.press("i")
        await stage.until_shown("HELD (PENDING)")
        await stage.press("H")
        await stage.until(lambda: held(backstage, "wait1") == [False])


async def test_marked_jobs_are_held_together_and_what_runs_is_left_out(
    backstage: Backstage,
) -> None:
    backstage.running("run1")
    backstage.pending("a", "b", "c")
    backstage.queue.hold(["b"])
    async with opened(backstage) as stage:
        await stage.press("asterisk", "H")
        await stage.until(lambda: held(backstage, "a", "b", "c") == [True, True, True])
        assert "1 of 4 can't be held as they stand; left out" in stage.toasts()
        assert "Held 2 jobs" in stage.toasts()


async def test_what_runs_is_not_held(backstage: Backstage) -> None:
    backstage.running("run1")
    async with opened(backstage) as stage:
        await stage.press("H")
        await stage.until(lambda: "Can't hold run1: it is RUNNING" in stage.toasts())


async def test_ids_are_typed_and_held_jobs_filtered(backstage: Backstage) -> None:
    backstage.pending("a", "b")
    async with opened(backstage) as stage:
        await command(stage, "hold a")
        await stage.until(lambda: held(backstage, "a", "b") == [True, False])
        await command(stage, "filter state:held")
        await stage.until_shown("state: held is none; give held:yes")
        await command(stage, "filter held:yes")
        await stage.until(lambda: stage.rows() == ["a"])
        await command(stage, "release b")
        await stage.until(lambda: "b: not held" in stage.toasts())
        await command(stage, "release a")
        await stage.until(lambda: stage.rows() == [])


async def test_a_marked_one_out_of_sight_is_asked_about(backstage: Backstage) -> None:
    backstage.pending("a", "b")
    async with opened(backstage) as stage:
        await stage.until_at("b")
        await stage.press("space")
        await command(stage, "filter a")
        await stage.until(lambda: stage.rows() == ["a"])
        await stage.press("H")
        await stage.until_screen(Confirm)
        await stage.until_shown("Hold b?", "Leave it as it is")
        assert held(backstage, "b") == [False]


async def test_read_only_holds_nothing(backstage: Backstage) -> None:
    backstage.pending("a")
    async with opened(backstage, read_only=True) as stage:
        await stage.press("H")
        await command(stage, "hold a")
        await stage.until_shown("no such command: hold")
        assert held(backstage, "a") == [False]
