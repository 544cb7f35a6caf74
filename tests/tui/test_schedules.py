"""The schedules screen: next ticks, last results, and orders to schedules."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.schedule_form import ScheduleForm
from queuectl_tui.screens.schedules import SchedulesScreen
from store import AttemptState, NewJob, Outcome, Overlap
from tests.tui.stage import HOSTILE, HOSTILE_AS_TEXT, Backstage, Stage, opened

SIZES = [(60, 20), (80, 24), (120, 36), (200, 60)]


async def _go(stage: Stage, text: str = "▷ ACTIVE") -> SchedulesScreen:
    await stage.press("T")
    await stage.until_screen(SchedulesScreen)
    await stage.until_shown(text)
    screen = stage.screen
    assert isinstance(screen, SchedulesScreen)
    return screen


def _job(command: str = "./backup.sh", **fields: object) -> NewJob:
    return NewJob(command=command, cwd="/srv", **fields)  # type: ignore[arg-type]


def _fill(backstage: Backstage) -> None:
    schedules = backstage.queue.schedules
    schedules.add("nightly", _job(), cron="0 3 * * *", tz="Europe/Berlin")
    schedules.add("beat", _job("curl ping"), every=600.0, overlap=Overlap.ALLOW, catch_up=True)
    schedules.add("weekly", _job("./rotate"), cron="@weekly", tz="UTC")


def _paused(backstage: Backstage) -> set[str]:
    return {one.name for one in backstage.queue.schedules.all() if one.paused}


def _names(backstage: Backstage) -> list[str]:
    return [one.name for one in backstage.queue.schedules.all()]


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_796_034_600_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def ticking(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], tuple[Backstage, Clock]]:
    def made() -> tuple[Backstage, Clock]:
        clock = Clock()
        return Backstage(tmp_path_factory.mktemp("ticking"), clock=clock), clock

    return made


async def test_no_schedules_teach(backstage: Backstage) -> None:
    async with opened(backstage) as stage:
        await _go(stage, "No schedules yet.")
        await stage.until_shown("a  adds one", "queuectl-tui schedule add beat")


@pytest.mark.parametrize("size", SIZES)
async def test_each_says_when_it_comes(backstage: Backstage, size: tuple[int, int]) -> None:
    _fill(backstage)
    backstage.queue.schedules.set_paused(["weekly"], True)
    async with opened(backstage, size=size) as stage:
        await _go(stage)
        await stage.until_shown(
            "Schedules   3 · 1 paused", "nobody sees to them", "beat", "in ", "‖ PAUSED",
            "next ticks", "curl ping", "/srv",
        )  # fmt: skip
        assert all(len(line) == size[0] for line in stage.shown().splitlines())
        if size[0] >= 120:
            await stage.until_shown("every 10m", "0 3 * * * Europe/B", "allow", "skip")
        await stage.press("G")
        await stage.until_shown("none while it is paused", "./rotate")


async def test_columns_are_as_wide_as_what_they_say(backstage: Backstage) -> None:
    schedules = backstage.queue.schedules
    zone = "America/Argentina/Buenos_Aires"
    schedules.add("n" * 40, _job("./report"), cron="0 3 * * *", tz="Europe/Berlin")
    schedules.add("beat", _job("curl ping"), cron="*/5 * * * *", tz=zone)
    schedules.add("hourly", _job("./rotate"), every=3600.0)
    async with opened(backstage, size=(160, 36)) as stage:
        await _go(stage)
        await stage.until_shown(
            f" */5 * * * * {zone} ", " 0 3 * * * Europe/Berlin ", "every 1h ", "curl ping"
        )
        due = next(line for line in stage.shown().splitlines() if "every 1h" in line)
        assert re.search(r"ACTIVE +in \d+m  +every 1h", due)


async def test_enter_opens_what_the_last_tick_made(
    ticking: Callable[[], tuple[Backstage, Clock]],
) -> None:
    backstage, clock = ticking()
    _fill(backstage)
    clock.now += 601_000
    (made,) = backstage.queue.schedules.fire_due()
    lease = backstage.queue.claim(backstage.worker)
    assert lease is not None
    backstage.queue.finish(lease, Outcome(AttemptState.FAILED, exit_code=7, error="exit 7"))
    async with opened(backstage, size=(120, 36)) as stage:
        await _go(stage)
        await stage.until_shown(f"{made}  ↻ RETRYING  exit 7")
        assert "nobody sees to them" not in stage.shown()
        await stage.press("enter")
        await stage.until_screen(JobScreen)
        await stage.until_shown(made)
        await stage.press("escape")
        await stage.until_screen(SchedulesScreen)
        await stage.press("j", "o")
        await stage.until(lambda: "nightly has made no job yet" in stage.toasts())
    backstage.close()


async def test_pause_and_resume_one_and_the_marked(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage) as stage:
        await _go(stage)
        await stage.press("p")
        await stage.until_shown("‖ PAUSED")
        assert _paused(backstage) == {"beat"}
        await stage.press("asterisk", "p")
        await stage.until(lambda: _paused(backstage) == {"beat", "nightly", "weekly"})
        await stage.until_shown("3 paused")
        await stage.press("p")
        await stage.until(lambda: not _paused(backstage))


async def test_the_title_counts_the_marked_while_they_are_there(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage) as stage:
        await _go(stage)
        await stage.press("space", "space")
        await stage.until_shown("Schedules   3 · 2 marked")
        backstage.queue.schedules.remove(["beat"])
        await stage.until_shown("Schedules   2 · 1 marked")


async def test_removing_names_what_goes_and_keeps_by_default(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage) as stage:
        await _go(stage)
        await stage.press("X")
        await stage.until_screen(Confirm)
        await stage.until_shown("Remove beat?", "every 10m", "curl ping", "Keep it")
        await stage.press("enter")
        await stage.until_screen(SchedulesScreen)
        assert "beat" in _names(backstage)
        await stage.press("space", "space", "X")
        await stage.until_screen(Confirm)
        await stage.until_shown("Remove 2 schedules?", "nightly", "Keep them")
        await stage.press("y")
        await stage.until(lambda: _names(backstage) == ["weekly"])
        await stage.until_shown("Schedules   1 ")


async def test_ticks_show_while_one_types_and_mistakes_are_told(backstage: Backstage) -> None:
    async with opened(backstage, size=(80, 30)) as stage:
        await _go(stage, "No schedules yet.")
        await stage.press("a")
        await stage.until_screen(ScheduleForm)
        await stage.press("enter")
        await stage.until_shown("Name: one is needed")
        await stage.fill(name="nightly")
        await stage.press("enter")
        await stage.until_shown("Cron or every: one of them is needed")
        await stage.fill(cron="0 3 * *")
        await stage.until_shown("cron: '0 3 * *'", "✗")
        await stage.fill(cron="0 3 * * *")
        await stage.until_shown("Next: ", ":00")
        await stage.fill(tz="Europe/Berlim")
        await stage.until_shown("no such time zone")
        await stage.fill(tz="Europe/Berlin", every="10m")
        await stage.until_shown("Give a cron expression or an interval, not both")
        await stage.press("enter")
        await stage.pilot.pause()
        assert _names(backstage) == []
        await stage.fill(every="0.5")
        await stage.until_shown("at least 1 s")
        await stage.fill(every="", overlap="sometimes")
        await stage.until_shown("must be skip, queue or allow")
        await stage.fill(overlap="queue", catch_up="perhaps")
        await stage.until_shown("must be yes or no")
        await stage.fill(catch_up="yes")
        await stage.press("enter")
        await stage.until_shown("command: a job needs one")
        await stage.fill(command="./backup.sh", env="A=1", unique_key="k", stop_grace="5")
        await stage.press("enter")
        await stage.until_screen(SchedulesScreen)
        await stage.until_shown("nightly", "▷ ACTIVE")
    made = backstage.queue.schedules.get("nightly")
    assert (made.cron, made.tz, made.overlap, made.catch_up) == (
        "0 3 * * *", "Europe/Berlin", Overlap.QUEUE, True,
    )  # fmt: skip
    job = made.job
    assert (job.command, dict(job.env), job.unique_key, job.stop_grace) == (
        "./backup.sh", {"A": "1"}, "k", 5.0,
    )  # fmt: skip


async def test_editing_keeps_what_the_form_does_not_show(backstage: Backstage) -> None:
    job = _job(env={"TOKEN": "s3cret"}, timeout=90.0, priority=3)
    backstage.queue.schedules.add("beat", job, every=600.0)
    backstage.queue.schedules.set_paused(["beat"], True)
    before = backstage.queue.schedules.get("beat")
    async with opened(backstage, size=(80, 30)) as stage:
        await _go(stage, "‖ PAUSED")
        await stage.press("e")
        await stage.until_screen(ScheduleForm)
        await stage.until_shown("Edit schedule beat", "10m")
        assert "s3cret" not in stage.shown()
        await stage.fill(command="./other")
        await stage.press("enter")
        await stage.until_screen(SchedulesScreen)
        await stage.until_shown("./other")
        after = backstage.queue.schedules.get("beat")
        assert after.job == before.job._replace(command="./other")
        assert (after.every, after.next_at, after.paused) == (600.0, before.next_at, True)
        await stage.press("e")
        await stage.until_screen(ScheduleForm)
        await stage.fill(every="", cron="*/5 * * * *", tz="UTC")
        await stage.press("enter")
        await stage.until_screen(SchedulesScreen)
        await stage.until_shown("*/5")
        after = backstage.queue.schedules.get("beat")
        assert (after.every, after.cron, after.tz) == (None, "*/5 * * * *", "UTC")
        assert after.next_at % 300_000 == 0


async def test_read_only_changes_nothing_here(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage, read_only=True) as stage:
        await _go(stage)
        await stage.press("p", "a", "e", "X")
        await stage.pilot.pause()
        assert isinstance(stage.screen, SchedulesScreen)
        assert not _paused(backstage)


async def test_hostile_commands_are_text(backstage: Backstage) -> None:
    job = _job(HOSTILE, label=HOSTILE, env={f"X_{HOSTILE}": HOSTILE})
    backstage.queue.schedules.add(HOSTILE, job, every=60.0)
    async with opened(backstage, size=(200, 50)) as stage:
        await _go(stage)
        await stage.until_shown(f"X_{HOSTILE_AS_TEXT}=***", f"label           {HOSTILE_AS_TEXT}")
        assert "\x1b" not in stage.shown()
        await stage.press("X")
        await stage.until_screen(Confirm)
        await stage.until_shown(HOSTILE_AS_TEXT[:20])
        assert "\x1b" not in stage.shown()
