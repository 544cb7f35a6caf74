"""The command line: names, arguments, completion, history."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from queuectl_tui.command_words import Command, completions, explain, interpret
from queuectl_tui.screens.command_line import CommandLine
from queuectl_tui.screens.dead import DeadScreen
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.jobs import JobsScreen
from store import InvalidInput, JobState, Order, WorkerKind
from tests.tui.stage import Backstage, Stage, opened

DONE: list[str] = []


def _commands() -> dict[str, Command]:
    def prepare(rest: str) -> object:
        return lambda: DONE.append(rest)

    made = [
        Command("sort", "COLUMN", "Sort by it", prepare, lambda: ["state", "id"]),  # type: ignore[arg-type]
        Command("scale", "N", "Keep N workers", prepare),  # type: ignore[arg-type]
        Command("help", "", "Every key", prepare),  # type: ignore[arg-type]
    ]
    return {command.name: command for command in made}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("", ["help", "scale", "sort"]),
        ("s", ["scale", "sort"]),
        ("sort ", ["sort state", "sort id"]),
        ("sort st", ["sort state"]),
        ("sort a st", ["sort a state"]),
        ("nothing x", []),
        ("scale 3", []),
    ],
)
def test_what_tab_offers(line: str, offered: list[str]) -> None:
    assert completions(line, _commands()) == offered


def test_a_beginning_is_enough_where_only_one_command_has_it() -> None:
    act = interpret("  he ", _commands())
    assert act is not None
    act()
    assert DONE == [""]
    assert interpret("   ", _commands()) is None
    assert explain("sort x", _commands()) == "sort COLUMN: Sort by it"
    with pytest.raises(InvalidInput, match="did you mean sort"):
        interpret("srot id", _commands())
    with pytest.raises(InvalidInput, match="s may be scale, sort"):
        interpret("s", _commands())


async def _type(stage: Stage, line: str, *, enter: bool = True) -> None:
    await stage.press("colon")
    await stage.until_screen(CommandLine)
    await stage.write(line)
    if enter:
        await stage.press("enter")


def _line(stage: Stage) -> str:
    return stage.screen.query_one(Input).value


async def test_filter_sort_and_state(backstage: Backstage) -> None:
    backstage.pending("mail1", "mail2")
    backstage.dead("mail3", "video1")
    async with opened(backstage) as stage:
        await _type(stage, "filter mail")
        await stage.until(lambda: len(stage.rows()) == 3)
        await _type(stage, "sort -id")
        await stage.until(lambda: stage.rows() == ["mail3", "mail2", "mail1"])
        assert stage.listing.order == Order("id", reverse=True)
        await _type(stage, "state dead")
        await stage.until(lambda: stage.rows() == ["video1", "mail3"])
        await _type(stage, "filter")
        await stage.until(lambda: isinstance(stage.screen.focused, Input))
        await stage.press("escape")
        await stage.until(lambda: len(stage.rows()) == 4)


async def test_what_is_misspelt_is_questioned(backstage: Backstage) -> None:
    async with opened(backstage) as stage:
        await _type(stage, "fliter x")
        await stage.until_shown("no such command: fliter; did you mean filter?")
        for line, said in (
            ("sort stat", "did you mean state?"),
            ("state daed", "no such state: daed; did you mean dead?"),
            ("theme drak", "did you mean dark?"),
            ("scale many", "scale takes a number"),
            (f"scale {'9' * 5000}", "scale takes a number"),
            ("rate 0", "rate takes seconds"),
            ("open a b", "open takes one id"),
            ("help me", "help takes no arguments"),
        ):
            stage.screen.query_one(Input).value = ""
            await stage.write(line)
            await stage.press("enter")
            await stage.until_shown(said)
        await stage.press("escape")
        await stage.until_screen(JobsScreen)


async def test_tab_completes_and_the_arrows_recall(backstage: Backstage) -> None:
    backstage.pending("wait1")
    async with opened(backstage) as stage:
        await _type(stage, "so", enter=False)
        await stage.press("tab")
        await stage.until(lambda: _line(stage) == "sort")
        await stage.press("tab")
        await stage.until(lambda: _line(stage) == "sort-left")
        await stage.press("shift+tab", "enter")
        await stage.until(lambda: type(stage.screen).__name__ == "SortPicker")
        await stage.press("escape")
        await _type(stage, "open ", enter=False)
        await stage.press("tab")
        await stage.until(lambda: _line(stage) == "open wait1")
        await stage.press("enter")
        await stage.until_screen(JobScreen)
        await _type(stage, "", enter=False)
        await stage.press("up", "up")
        await stage.until(lambda: _line(stage) == "sort")
        await stage.press("down", "down")
        await stage.until(lambda: _line(stage) == "")


async def test_jobs_are_acted_on_by_id(backstage: Backstage) -> None:
    backstage.pending("wait1", "wait2")
    backstage.dead("dead1")
    async with opened(backstage) as stage:
        await _type(stage, "retry dead1")
        await stage.until(lambda: backstage.state("dead1") is JobState.PENDING)
        await _type(stage, "cancel wait1, wait2")
        await stage.until(lambda: backstage.state("wait2") is JobState.CANCELLED)
        await _type(stage, "undo")
        await stage.until(lambda: backstage.state("wait2") is JobState.PENDING)
        await _type(stage, "open nobody")
        await stage.until(lambda: "no such job: nobody" in stage.toasts())
        await _type(stage, "dead")
        await stage.until_screen(DeadScreen)
        await _type(stage, "q")
        await stage.until(lambda: not stage.app.is_running or stage.app._exit)


async def test_pools_are_scaled(backstage: Backstage) -> None:
    async with opened(backstage) as stage:
        await _type(stage, "scale 3")
        await stage.until(lambda: "No supervisor is up" in stage.toasts())
        assert backstage.worker
        await _type(stage, "scale 3")
        await stage.until(lambda: "Pool default keeps 3 workers" in stage.toasts())
        (count,) = [
            each.count for each in backstage.queue.workers() if each.kind is WorkerKind.SUPERVISOR
        ]
        assert count == 3


async def test_read_only_has_no_commands_that_change(backstage: Backstage) -> None:
    backstage.dead("dead1")
    async with opened(backstage, read_only=True) as stage:
        await _type(stage, "retry dead1")
        await stage.until_shown("no such command: retry")
        assert backstage.state("dead1") is JobState.DEAD
