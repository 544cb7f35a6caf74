"""The queues screen: what waits and runs in each, and orders to them."""

from __future__ import annotations

import pytest

from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.jobs import JobsScreen
from queuectl_tui.screens.queue_form import QueueForm
from queuectl_tui.screens.queues import QueuesScreen
from store import QueueInfo, Rate
from tests.tui.stage import HOSTILE, HOSTILE_AS_TEXT, Backstage, Stage, opened

SIZES = [(60, 20), (80, 24), (120, 36), (200, 60)]


async def _go(stage: Stage, text: str = "▷ OPEN") -> QueuesScreen:
    await stage.press("Q")
    await stage.until_screen(QueuesScreen)
    await stage.until_shown(text)
    screen = stage.screen
    assert isinstance(screen, QueuesScreen)
    return screen


def _infos(backstage: Backstage) -> dict[str, QueueInfo]:
    return {depth.info.name: depth.info for depth in backstage.queue.queues.all()}


def _paused(backstage: Backstage) -> set[str]:
    return {name for name, info in _infos(backstage).items() if info.paused}


def _fill(backstage: Backstage) -> None:
    backstage.dead("dead1", queue="mail")
    backstage.running("run1", queue="gpu")
    backstage.pending("job1", "job2", queue="mail")
    backstage.pending("job3", queue="gpu", depends_on=("job1",))
    backstage.pending("job4", queue="net")


async def test_no_queues_teach(backstage: Backstage) -> None:
    async with opened(backstage) as stage:
        await _go(stage, "No queues yet.")
        await stage.until_shown("a  adds one with limits")


@pytest.mark.parametrize("size", SIZES)
async def test_each_queue_says_how_it_stands(backstage: Backstage, size: tuple[int, int]) -> None:
    _fill(backstage)
    backstage.queue.queues.set_max_running("gpu", 1)
    backstage.queue.queues.set_paused(["net"], True)
    async with opened(backstage, size=size) as stage:
        await _go(stage)
        await stage.until_shown("Queues   3 · 1 paused", "‖ PAUSED", "1/1", "PENDING", "OLDEST")
        lines = stage.shown().splitlines()
        assert all(len(line) == size[0] for line in lines)
        backstage.pending("job5", "job6", queue="new1")
        await stage.until_shown("new1", "Queues   4 · 1 paused")


async def test_the_title_counts_the_marked(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage) as stage:
        await _go(stage)
        await stage.press("asterisk")
        await stage.until_shown("Queues   3 · 3 marked")
        await stage.press("space")
        await stage.until_shown("Queues   3 · 2 marked")
        await stage.press("backslash")
        await stage.until(lambda: "marked" not in stage.shown())


async def test_columns_are_as_wide_as_what_they_say(backstage: Backstage) -> None:
    backstage.pending("job1", queue="transcoding-of-films")
    backstage.queue.queues.set_slots("gpu", "CUDA_VISIBLE_DEVICES", ("0", "1"))
    async with opened(backstage, size=(120, 36)) as stage:
        await _go(stage)
        await stage.until_shown("transcoding-of-films ▷ OPEN ", " CUDA_VISIBLE_DEVICES=0,1 ")


async def test_pause_and_resume_the_one_at_the_cursor_and_the_marked(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage) as stage:
        screen = await _go(stage)
        assert screen.table.cursor_key == "gpu"
        await stage.press("p")
        await stage.until_shown("‖ PAUSED", "Paused queue gpu")
        assert _paused(backstage) == {"gpu"}
        await stage.press("p")
        await stage.until(lambda: not _paused(backstage))
        await stage.press("space", "space")
        assert [depth.info.name for depth in screen.table.chosen] == ["gpu", "mail"]
        await stage.press("p")
        await stage.until(lambda: _paused(backstage) == {"gpu", "mail"})
        await stage.until_shown("Paused 2 queues", "2 paused")
        await stage.press("backslash", "asterisk", "p")
        await stage.until(lambda: _paused(backstage) == {"gpu", "mail", "net"})
        await stage.until_shown("3 paused")
        await stage.press("p")
        await stage.until(lambda: not _paused(backstage))


async def test_pausing_all_names_them_and_freezes_them(backstage: Backstage) -> None:
    _fill(backstage)
    backstage.queue.queues.set_paused(["net"], True)
    async with opened(backstage) as stage:
        screen = await _go(stage)
        await stage.press("P")
        await stage.until_screen(Confirm)
        await stage.until_shown(
            "Pause 2 queues?", "gpu  0 pending, 1 running", "mail", "Leave them"
        )
        await stage.press("enter")
        await stage.until_screen(QueuesScreen)
        assert _paused(backstage) == {"net"}
        await stage.press("P")
        await stage.until_screen(Confirm)
        backstage.pending("late1", queue="zeta")
        await stage.until(lambda: screen.table.total == 4)
        await stage.press("y")
        await stage.until(lambda: _paused(backstage) == {"gpu", "mail", "net"})
        await stage.until_shown("3 paused")
        await stage.press("R")
        await stage.until_shown("Resume 3 queues?")
        await stage.press("y")
        await stage.until(lambda: not _paused(backstage))
        await stage.until_shown("Queues   4 ")
        await stage.until(lambda: "paused  " not in stage.shown())
        await stage.press("R")
        await stage.until(lambda: "No queue is paused" in stage.toasts())


async def test_limits_are_set_checked_and_lifted(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage) as stage:
        await _go(stage)
        await stage.press("e")
        await stage.until_screen(QueueForm)
        await stage.until_shown("Limits of queue gpu", "blank: no limit")
        await stage.fill(max_running="0")
        await stage.until_shown("must be from 1 to 1000000", "✗")
        await stage.press("enter")
        await stage.pilot.pause()
        assert isinstance(stage.screen, QueueForm)
        await stage.fill(max_running="2", slots="GPU")
        await stage.until_shown("must be a variable and its values")
        await stage.fill(slots="GPU=0,1")
        await stage.press("enter")
        await stage.until_shown("1/2")
        assert "Queue gpu: at most 2 run, 2 slots in GPU" in stage.toasts()
        info = _infos(backstage)["gpu"]
        assert (info.max_running, info.slot_name, info.slots) == (2, "GPU", ("0", "1"))
        await stage.press("e")
        await stage.until_screen(QueueForm)
        await stage.until_shown("GPU=0,1")
        await stage.fill(max_running="", slots="")
        await stage.press("ctrl+s")
        await stage.until(lambda: _infos(backstage)["gpu"].slot_name is None)
        assert _infos(backstage)["gpu"].max_running is None


async def test_a_rate_and_a_limit_per_label_are_set_and_shown(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage) as stage:
        await _go(stage)
        await stage.press("e")
        await stage.until_screen(QueueForm)
        await stage.fill(rate="10")
        await stage.until_shown("must be attempts in a time, such as 10/1m")
        await stage.fill(rate="10/1m", max_per_label="1")
        await stage.press("enter")
        await stage.until_shown("LIMITS", "1 per label, 10/1m")
        assert "Queue gpu: 1 per label, 10/1m" in stage.toasts()
        info = _infos(backstage)["gpu"]
        assert (info.max_per_label, info.rate) == (1, Rate(10, 60))
        await stage.press("e")
        await stage.until_screen(QueueForm)
        await stage.until_shown("10/1m")
        await stage.fill(rate="", max_per_label="")
        await stage.press("ctrl+s")
        await stage.until(lambda: _infos(backstage)["gpu"].rate is None)
        assert _infos(backstage)["gpu"].max_per_label is None


async def test_a_queue_is_added_unless_it_is_there(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage) as stage:
        await _go(stage)
        await stage.press("a")
        await stage.until_screen(QueueForm)
        await stage.fill(queue="no name")
        await stage.until_shown("'no name' is no name")
        await stage.fill(queue="mail", max_running="3")
        await stage.press("enter")
        await stage.until_shown("There is a queue mail already")
        assert _infos(backstage)["mail"].max_running is None
        await stage.fill(queue="quiet")
        await stage.press("enter")
        await stage.until_screen(QueuesScreen)
        await stage.until_shown("quiet", "0/3")


async def test_enter_lists_the_jobs_of_the_queue_in_any_state(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage) as stage:
        await stage.press("2")
        await stage.until(lambda: stage.rows() == ["job3"])
        await _go(stage)
        await stage.press("j", "enter")
        await stage.until_screen(JobsScreen)
        await stage.until(lambda: sorted(stage.rows()) == ["dead1", "job1", "job2"])
        await stage.press("escape")
        await stage.until(lambda: len(stage.rows()) == 6)


async def test_the_mouse_and_the_command_line_lead_here_too(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage) as stage:
        await stage.press("colon")
        await stage.write("queues")
        await stage.press("enter")
        await stage.until_screen(QueuesScreen)
        screen = stage.screen
        assert isinstance(screen, QueuesScreen)
        await stage.until(lambda: screen.table.total == 3)
        await stage.pilot.click(screen.table, offset=(5, 3))
        await stage.until(lambda: screen.table.cursor_key == "net")
        await stage.pilot.click(screen.table, offset=(5, 3), times=2)
        await stage.until_screen(JobsScreen)
        await stage.until(lambda: stage.rows() == ["job4"])


async def test_read_only_changes_nothing_here(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage, read_only=True) as stage:
        await _go(stage)
        await stage.press("p", "P", "R", "e", "a")
        await stage.pilot.pause()
        assert isinstance(stage.screen, QueuesScreen)
        assert not _paused(backstage)
        await stage.press("enter")
        await stage.until_screen(JobsScreen)


async def test_hostile_slots_and_names_are_text(backstage: Backstage) -> None:
    backstage.queue.queues.set_slots(HOSTILE, HOSTILE, [HOSTILE, "2"])
    async with opened(backstage, size=(200, 50)) as stage:
        await _go(stage)
        await stage.until_shown(HOSTILE_AS_TEXT[:20])
        assert "\x1b" not in stage.shown()
        await stage.press("e")
        await stage.until_screen(QueueForm)
        await stage.until_shown(f"Limits of queue {HOSTILE_AS_TEXT}"[:40])
        assert "\x1b" not in stage.shown()
