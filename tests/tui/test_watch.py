"""Watching jobs, following the row, zooming, the mouse, and what has changed meanwhile."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from queuectl_tui.config import Config
from queuectl_tui.notices import Notices, osc_notices
from queuectl_tui.screens.dead import DeadScreen
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.widgets.list_title import ListTitle
from queuectl_tui.widgets.output_preview import OutputPreview
from queuectl_tui.widgets.state_tabs import StateTabs
from queuectl_tui.widgets.worker_table import bar
from store import AttemptState, Outcome
from tests.tui.stage import HOSTILE, Backstage, opened


async def test_it_is_told_when_a_watched_job_ends(backstage: Backstage) -> None:
    lease = backstage.running("run1", max_retries=0)
    async with opened(backstage, config=Config(notify=("bell", "osc"))) as stage:
        sent: list[str] = []
        stage.app._send = sent.append  # type: ignore[method-assign]
        await stage.press("b")
        await stage.until_shown(">♪run1")
        backstage.queue.finish(lease, Outcome(AttemptState.FAILED, exit_code=3, error=HOSTILE))
        await stage.until(lambda: "run1 is DEAD: [/red]" in stage.toasts())
        assert sent[0] == "\x07"
        assert sent[1].startswith("\x1b]9;run1 is DEAD: [/red] \\x1b]0;pwned\\x07")
        await stage.until(lambda: "♪" not in stage.shown())


async def test_watching_is_turned_off_by_the_same_key(backstage: Backstage) -> None:
    backstage.pending("wait1", "wait2")
    async with opened(backstage) as stage:
        await stage.press("asterisk")
        await stage.until(lambda: len(stage.table.marks) == 2)
        await stage.press("b")
        await stage.until(lambda: stage.app.session.watched == {"wait1", "wait2"})
        assert "Watching 2 jobs" in stage.toasts()
        await stage.press("b")
        await stage.until(lambda: not stage.app.session.watched)
        backstage.queue.cancel(["wait1"])
        backstage.queue.delete(["wait1"])
        await stage.press("backslash", "b")
        await stage.until(lambda: stage.app.session.watched == {"wait2"})
        backstage.queue.cancel(["wait2"])
        backstage.queue.delete(["wait2"])
        await stage.until(lambda: "wait2 is gone" in stage.toasts())


async def test_it_is_told_when_the_dead_letter_queue_grows(backstage: Backstage) -> None:
    backstage.dead("dead1")
    async with opened(backstage, config=Config(watch_dead=True)) as stage:
        # it has to have looked once
        await stage.until(lambda: stage.app.session.interval < 1)
        await stage.pilot.pause(0.5)
        backstage.dead("dead2", "dead3")
        await stage.until(lambda: "more in the dead letter queue: 3 now" in stage.toasts())


def test_notices_are_text_and_go_through_tmux(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert osc_notices("a;b") == ("\x1b]9;a;b\x07", "\x1b]777;notify;queuectl;a,b\x07")
    sent: list[str] = []
    Notices(("osc",), write=sent.append, tmux=True).tell("job\x1b[2J")
    assert sent[0] == "\x1bPtmux;\x1b\x1b]9;job\\x1b[2J\x07\x1b\\"
    told = tmp_path / "told"
    program = tmp_path / "notify-send"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}.new && mv {told}.new {told}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    Notices(("desktop",), write=sent.append, tmux=False).tell("--help; job")
    _until_there(told)
    assert told.read_text().splitlines() == ["--app-name=queuectl", "--", "queuectl", "--help; job"]
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    Notices(("desktop", "bell"), write=sent.append, tmux=False).tell("x")
    assert sent[-1] == "\x07"


def _until_there(path: Path) -> None:
    deadline = time.monotonic() + 5
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_the_row_is_kept_in_sight(backstage: Backstage) -> None:
    backstage.pending(*(f"wait{number:02}" for number in range(60)))
    async with opened(backstage) as stage:
        await stage.press("F")
        await stage.until(lambda: "following" in stage.line(ListTitle))
        await stage.until_at("wait59")
        await stage.press("s")
        await stage.pilot.pause()
        await stage.press("escape", "I")
        await stage.until_ordered()
        await stage.until(lambda: "wait59" in stage.rows())
        assert stage.table.cursor_key == "wait59"
        assert stage.table.cursor == 59
        await stage.press("F")
        await stage.until(lambda: "following" not in stage.line(ListTitle))


async def test_zoom_shows_and_hides_what_is_below(backstage: Backstage) -> None:
    backstage.ended("done1", stdout=b"all went well\n")
    async with opened(backstage, size=(120, 36)) as stage:
        await stage.until_shown("all went well")
        await stage.press("z")
        await stage.until(lambda: "all went well" not in stage.shown())
        await stage.press("z")
        await stage.until_shown("all went well")
        await stage.pilot.resize_terminal(80, 24)
        await stage.until(lambda: not stage.screen.query_one(OutputPreview).region)
        await stage.press("z")
        await stage.until_shown("all went well")


async def test_the_mouse_selects_scrolls_and_opens(backstage: Backstage) -> None:
    backstage.pending(*(f"wait{number:02}" for number in range(60)))
    async with opened(backstage) as stage:
        await stage.until_shown("Jobs wait and no worker is up")
        await stage.pilot.click(stage.table, offset=(5, 4))
        await stage.until_at("wait56")
        await stage.pilot._post_mouse_events([_wheel()], stage.table, offset=(5, 4))
        await stage.until(lambda: stage.table.visible_range[0] > 1)
        assert stage.table.cursor_key == "wait56"
        await stage.pilot.click(stage.table, offset=(5, 4))
        at = stage.table.cursor_key
        await stage.pilot.click(stage.table, offset=(5, 4), times=2)
        await stage.until_screen(JobScreen)
        assert stage.screen.job_id == at  # type: ignore[attr-defined]


def _wheel() -> type:
    from textual.events import MouseScrollDown

    return MouseScrollDown


async def test_what_died_since_is_marked_until_it_is_looked_at(backstage: Backstage) -> None:
    backstage.dead("dead1")
    async with opened(backstage) as stage:
        await stage.until(lambda: "DEAD 1 " in stage.line(StateTabs))
        backstage.dead("dead2", "dead3")
        await stage.until(lambda: "DEAD 3 (+2)" in stage.line(StateTabs))
        await stage.press("D")
        await stage.until_screen(DeadScreen)
        await stage.until(lambda: len(stage.rows()) == 3)
        await stage.press("J")
        await stage.until(lambda: "DEAD 3 " in stage.line(StateTabs))
        assert "(+2)" not in stage.line(StateTabs)


@pytest.mark.parametrize(
    ("fraction", "text"), [(0, ""), (0.5, "██"), (1, "████"), (3, "████"), (0.3, "█▎"), (-1, "")]
)
def test_bars(fraction: float, text: str) -> None:
    assert bar(fraction, 4) == text
