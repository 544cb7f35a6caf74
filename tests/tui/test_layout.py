"""What matters is there at every size, and nothing is painted that didn't change."""

from __future__ import annotations

import re

import pytest

from queuectl_tui.screens.dead import DeadScreen
from queuectl_tui.screens.workers import WorkersScreen
from queuectl_tui.widgets.key_hints import KeyHints
from queuectl_tui.widgets.output_preview import OutputPreview
from queuectl_tui.widgets.row_table import RowTable
from queuectl_tui.widgets.worker_table import WorkerTable
from store import NewJob
from tests.tui.stage import Backstage, Stage, opened


def _columns(stage: Stage) -> set[str]:
    return {placed.column.title for placed in stage.table._placed}


def _fill(backstage: Backstage) -> None:
    backstage.dead(*(f"dead{number}" for number in range(4)), stderr=b"boom\n")
    backstage.ended(*(f"done{number}" for number in range(40)), stdout=b"all went well\n")


@pytest.mark.parametrize(
    ("size", "columns"),
    [
        ((60, 20), {"ID", "STATE", "TRY", "NEXT/DUR", "COMMAND"}),
        ((80, 24), {"ID", "STATE", "QUEUE", "TRY", "NEXT/DUR", "EXIT", "COMMAND"}),
        (
            (120, 36),
            {"ID", "STATE", "QUEUE", "PRI", "TRY", "AGE", "NEXT/DUR", "EXIT", "COMMAND"},
        ),
        (
            (200, 60),
            {"ID", "STATE", "QUEUE", "PRI", "TRY", "AGE", "NEXT/DUR", "EXIT", "COMMAND"}
            | {"STARTED", "WORKER", "LAST ERROR"},
        ),
    ],
)
async def test_columns_give_way_by_importance(
    backstage: Backstage, size: tuple[int, int], columns: set[str]
) -> None:
    _fill(backstage)
    async with opened(backstage, size=size) as stage:
        assert _columns(stage) == columns
        await stage.until_shown("● LIVE", "✓ DONE", "sleep 60")
        assert all(len(line) == size[0] for line in stage.shown().splitlines())


async def test_a_wide_list_says_where_and_when_a_job_ran_and_what_it_died_of(
    backstage: Backstage,
) -> None:
    backstage.dead("dead1", exit_code=75, error="exit code 75: try later")
    async with opened(backstage, size=(200, 60)) as stage:
        await stage.until_shown("✗ DEAD", "try later")
        row = next(line for line in stage.shown().splitlines() if "dead1" in line)
        assert re.search(r"\d+:\d\d:\d\d .* w2 +75 sleep 60 +try later", row)


async def test_the_dead_letter_queue_does_not_repeat_the_exit(backstage: Backstage) -> None:
    backstage.dead("dead1", exit_code=75, error="exit code 75: the server is too busy now")
    backstage.dead("dead2", exit_code=75, error="exit code 75")
    backstage.dead("dead3", exit_code=3, error="working folder /srv is missing")
    async with opened(backstage, size=(80, 24)) as stage:
        await stage.press("D")
        await stage.until_screen(DeadScreen)
        await stage.until_shown(
            "75 the server is too busy now  ", "75 -  ", "3 working folder /srv is missing  "
        )


async def test_the_preview_of_a_job_that_has_ended_expects_nothing_more(
    backstage: Backstage,
) -> None:
    backstage.dead("dead1")
    backstage.running("run1")
    async with opened(backstage, size=(120, 36)) as stage:
        await stage.until_shown("Output of run1", "It has written nothing yet.")
        await stage.press("j")
        await stage.until_shown("Output of dead1", "It wrote nothing.")


async def test_rows_fill_what_80_by_24_has(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage, size=(80, 24)) as stage:
        assert len(stage.rows()) == 19
        assert not stage.screen.query_one(OutputPreview).region


async def test_a_tall_screen_shows_workers_and_output_below(backstage: Backstage) -> None:
    _fill(backstage)
    async with opened(backstage, size=(120, 36)) as stage:
        await stage.until_shown("all went well", "stdout of done39", "WORKER", "○ IDLE")
        assert stage.screen.query_one(WorkerTable).region
        await stage.pilot.resize_terminal(80, 24)
        await stage.until(lambda: "all went well" not in stage.shown())
        await stage.pilot.resize_terminal(120, 40)
        await stage.until_shown("all went well")


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36), (200, 60)])
async def test_the_other_screens_fit_too(backstage: Backstage, size: tuple[int, int]) -> None:
    _fill(backstage)
    async with opened(backstage, size=size) as stage:
        await stage.press("D")
        await stage.until_screen(DeadScreen)
        await stage.until_shown("Dead letter queue", "exit 3: boom", "stderr of dead3")
        await stage.press("W")
        await stage.until_screen(WorkersScreen)
        await stage.until_shown("Workers", "○ IDLE")


@pytest.mark.parametrize("key", ["D", "W", "Q", "T", "enter"])
async def test_a_narrow_screen_still_says_how_to_leave_and_where_help_is(
    backstage: Backstage, key: str
) -> None:
    _fill(backstage)
    async with opened(backstage, size=(60, 20)) as stage:
        jobs = stage.screen
        await stage.press(key)
        await stage.until(lambda: stage.screen is not jobs)
        await stage.until(lambda: " back" in stage.line(KeyHints), "a way back")
        await stage.until(lambda: "? help" in stage.line(KeyHints), "help")


@pytest.mark.parametrize("key", ["W", "D", "Q", "T"])
async def test_a_screen_that_is_come_back_to_is_painted_anew(
    backstage: Backstage, key: str
) -> None:
    _fill(backstage)
    backstage.pending("job1", queue="mail")
    for name in ("beat", "nightly"):
        backstage.queue.schedules.add(name, NewJob(command="true", cwd="/"), every=60.0)
    async with opened(backstage) as stage:
        jobs = stage.screen
        for _ in range(2):
            await stage.press(key)
            await stage.until(lambda: stage.screen is not jobs)
            for move, row in (("g", 0), ("j", 1)):
                await stage.press(move)
                await stage.until(lambda row=row: _is_cursor_painted(stage, row))  # type: ignore[misc]
            await stage.press("J")
            await stage.until(lambda: stage.screen is jobs)


def _is_cursor_painted(stage: Stage, row: int) -> bool:
    top = stage.screen.query_one(RowTable).region.y + 1
    return stage.shown().splitlines()[top + row].startswith(">")


async def test_an_unchanged_store_is_not_read_again(backstage: Backstage) -> None:
    backstage.ended("done1")
    async with opened(backstage) as stage:
        queue = stage.app.session.queue
        asked, read = queue.change_token, queue.snapshot
        calls: list[str] = []
        queue.change_token = lambda: calls.append("asked") or asked()  # type: ignore[method-assign, func-returns-value]
        queue.snapshot = lambda *a, **k: calls.append("read") or read(*a, **k)  # type: ignore[method-assign, func-returns-value]
        await stage.until(lambda: calls.count("asked") > 4, "it looks")
        assert "read" not in calls
        backstage.pending("job1")
        await stage.until(lambda: "read" in calls, "it reads")


async def test_a_quiet_screen_paints_nothing(backstage: Backstage) -> None:
    backstage.ended("done1")
    async with opened(backstage) as stage:
        await stage.until_shown("✓ DONE")
        age = stage.table.current
        assert age is not None
        painted: list[object] = []
        table = stage.table
        refresh = table.refresh

        def noting(*regions: object, **options: object) -> object:
            painted.extend(regions or ["all"])
            return refresh(*regions, **options)  # type: ignore[arg-type]

        table.refresh = noting  # type: ignore[method-assign, assignment]
        backstage.queue.registry.heartbeat(backstage.worker)
        token = stage.listing._token
        await stage.until(lambda: stage.listing._token != token, "a new picture was read")
        await stage.pilot.pause()
        assert painted == []


@pytest.mark.parametrize(
    ("dead", "done", "shown"), [(1, 0, "fail 100%"), (1, 6, "fail 14%"), (1, 30, "fail 3.2%")]
)
async def test_the_share_of_failures_is_told_in_a_few_digits(
    backstage: Backstage, dead: int, done: int, shown: str
) -> None:
    backstage.dead(*(f"dead{number}" for number in range(dead)))
    backstage.ended(*(f"done{number}" for number in range(done)))
    async with opened(backstage, size=(120, 36)) as stage:
        await stage.until_shown(shown)
