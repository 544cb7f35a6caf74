"""Pausing a running job from the app, and how a paused one is shown."""

from __future__ import annotations

from queuectl_tui.screens.confirm import Confirm
from store import Lease, Pause
from tests.tui.stage import Backstage, Stage, opened

PAUSED = Pause(asked=True, since=1)


def paused(backstage: Backstage, name: str) -> Lease:
    lease = backstage.running(name)
    backstage.queue.pause([name])
    backstage.queue.note_pause(lease, PAUSED)
    return lease


def asked(backstage: Backstage, lease: Lease) -> bool:
    return backstage.queue.asked(lease).pause.asked


async def command(stage: Stage, line: str) -> None:
    await stage.press("colon")
    await stage.write(line)
    await stage.press("enter")


async def test_a_paused_job_is_shown_as_such(backstage: Backstage) -> None:
    paused(backstage, "run1")
    async with opened(backstage, size=(120, 30)) as stage:
        await stage.until_shown("‖ PAUSED", "‖ run1")
        await stage.press("enter")
        await stage.until_shown("run1   ‖ PAUSED")
        await stage.press("i")
        await stage.until_shown("state", "PAUSED")


async def test_the_key_pauses_and_resumes(backstage: Backstage) -> None:
    lease = backstage.running("run1")
    async with opened(backstage) as stage:
        await stage.press("Z")
        await stage.until(lambda: asked(backstage, lease))
        backstage.queue.note_pause(lease, PAUSED)
        await stage.until_shown("‖ PAUSED")
        await stage.press("Z")
        await stage.until(lambda: not asked(backstage, lease))
        assert "Resuming run1" in stage.toasts()
        backstage.queue.note_pause(lease, Pause(asked=True))

        await stage.press("enter", "Z")
        await stage.until(lambda: asked(backstage, lease))


async def test_what_waits_is_not_paused(backstage: Backstage) -> None:
    backstage.pending("wait1")
    async with opened(backstage) as stage:
        await stage.press("Z")
        await stage.until(lambda: "Can't pause wait1: it is PENDING" in stage.toasts())


async def test_ids_are_typed_and_a_refusal_is_told(backstage: Backstage) -> None:
    lease = backstage.running("run1")
    async with opened(backstage) as stage:
        await command(stage, "pause run1")
        await stage.until(lambda: asked(backstage, lease))
        backstage.queue.note_pause(lease, Pause(asked=False, problem="process 42 is not yours"))
        await stage.until(lambda: "run1 runs on: process 42 is not yours" in stage.toasts())
        backstage.queue.pause(["run1"])
        await command(stage, "resume run1")
        await stage.until(lambda: not asked(backstage, lease))


async def test_a_marked_one_out_of_sight_is_asked_about(backstage: Backstage) -> None:
    lease = backstage.running("run1")
    backstage.pending("wait1")
    async with opened(backstage) as stage:
        await stage.until_at("wait1")
        await stage.press("j", "space")
        await command(stage, "filter wait1")
        await stage.until(lambda: stage.rows() == ["wait1"])
        await stage.press("Z")
        await stage.until_screen(Confirm)
        await stage.until_shown("Pause run1?", "Leave it as it is")
        assert not asked(backstage, lease)


async def test_read_only_pauses_nothing(backstage: Backstage) -> None:
    lease = backstage.running("run1")
    async with opened(backstage, read_only=True) as stage:
        await stage.press("Z")
        await command(stage, "pause run1")
        await stage.until_shown("pause takes no arguments")
        assert not asked(backstage, lease)
