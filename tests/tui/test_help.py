"""The help, the hints and the palette are made from the bindings themselves."""

from __future__ import annotations

from itertools import chain

import pytest
from textual.binding import Binding
from textual.widgets import Static

from queuectl_tui.app import QueueApp
from queuectl_tui.screens.command_line import CommandLine
from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.copy_text import CopyText
from queuectl_tui.screens.dead import DeadScreen
from queuectl_tui.screens.edit_job import EditJob
from queuectl_tui.screens.error_groups import ErrorGroupsScreen
from queuectl_tui.screens.form import Form
from queuectl_tui.screens.help import Help
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.jobs import JobsScreen
from queuectl_tui.screens.live import CHANGES
from queuectl_tui.screens.queues import QueuesScreen
from queuectl_tui.screens.schedules import SchedulesScreen
from queuectl_tui.screens.sort_picker import SortPicker
from queuectl_tui.screens.workers import WorkersScreen
from queuectl_tui.widgets.filter_bar import FilterBar
from queuectl_tui.widgets.form_field import FormField
from queuectl_tui.widgets.job_table import JobTable
from queuectl_tui.widgets.key_hints import KeyHints
from queuectl_tui.widgets.log_view import LogView
from queuectl_tui.widgets.named_table import NamedTable
from tests.tui.stage import Backstage, opened

BOUND = (
    QueueApp, JobsScreen, DeadScreen, WorkersScreen, JobScreen, Form, Confirm, SortPicker, Help,
    JobTable, LogView, FilterBar, EditJob, FormField, ErrorGroupsScreen,
    CommandLine, CopyText, QueuesScreen, SchedulesScreen, NamedTable,
)  # fmt: skip


def _bindings() -> list[Binding]:
    ours = (kind for bound in BOUND for kind in bound.__mro__ if "queuectl" in kind.__module__)
    return list(
        chain.from_iterable(
            Binding.make_bindings(vars(kind).get("BINDINGS", ())) for kind in dict.fromkeys(ours)
        )
    )


def test_every_binding_has_an_id_and_says_what_it_does() -> None:
    for binding in _bindings():
        assert binding.id, binding
        assert binding.tooltip, binding
        assert binding.description, binding


def test_no_binding_needs_a_key_that_breaks_over_ssh() -> None:
    for binding in _bindings():
        assert "alt+" not in binding.key
        assert not (binding.key[0] == "f" and binding.key[1:].isdigit())


def test_read_only_takes_away_actions_that_exist() -> None:
    actions = {binding.action.split("(")[0].removeprefix("app.") for binding in _bindings()}
    assert actions >= CHANGES


@pytest.mark.parametrize("section", ["jobs", "dead", "workers", "queues", "schedules"])
async def test_the_help_lists_every_binding_in_reach(backstage: Backstage, section: str) -> None:
    async with opened(backstage) as stage:
        await stage.press({"queues": "Q", "schedules": "T"}.get(section, section[0].upper()))
        await stage.pilot.pause()
        here = stage.app.bindings_here(stage.screen)
        await stage.press("question_mark")
        await stage.until_screen(Help)
        text = str(stage.screen.query_one("#help-keys", Static).content)
        for binding in here:
            assert binding.tooltip in text, binding
        assert "Every key" in text
        await stage.press("escape")
        await stage.until(lambda: not isinstance(stage.screen, Help))


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
async def test_a_newcomer_finds_the_first_keys(backstage: Backstage, size: tuple[int, int]) -> None:
    async with opened(backstage, size=size) as stage:
        await stage.until(lambda: "a add" in stage.line(KeyHints))
        hints = stage.line(KeyHints)
        for hint in ("a add", "r retry", "x cancel", "o log", "q quit", "? help"):
            assert hint in hints
        assert len(hints) <= size[0]


async def test_the_palette_runs_what_keys_run(backstage: Backstage) -> None:
    async with opened(backstage) as stage:
        await stage.press("ctrl+p")
        await stage.until(lambda: stage.app.screen.focused is not None)
        await stage.write("dead letter queue")
        await stage.until_shown("Dead letter queue")
        await stage.pilot.pause(0.3)
        await stage.press("enter")
        await stage.until_screen(DeadScreen)


async def test_q_leads_back_and_out(backstage: Backstage) -> None:
    backstage.pending("job1")
    async with opened(backstage) as stage:
        await stage.press("D")
        await stage.until_screen(DeadScreen)
        await stage.press("W")
        await stage.until_screen(WorkersScreen)
        await stage.press("q")
        await stage.until_screen(JobsScreen)
        await stage.press("enter")
        await stage.until_screen(JobScreen)
        await stage.press("q")
        await stage.until_screen(JobsScreen)
        await stage.press("q")
        await stage.until(lambda: not stage.app.is_running or stage.app._exit)
