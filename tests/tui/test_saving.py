"""Export, copy, and where they are saved."""

from __future__ import annotations

import csv
import json
import os
import stat
from base64 import b64decode
from pathlib import Path

import pytest
from textual.widgets import Input

from queuectl_tui.clipboard import osc52
from queuectl_tui.export import Listed, Stopped, export_jobs
from queuectl_tui.private_file import write_over
from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.copy_text import CopyText
from queuectl_tui.screens.jobs import JobsScreen
from queuectl_tui.screens.save_as import SaveAs
from store import InvalidInput, JobFilter, JobState, Order
from tests.tui.stage import HOSTILE, Backstage, Stage, opened

ALL = Listed(JobFilter(), Order("created"))


def _always() -> bool:
    return True


def _ids(path: Path) -> list[str]:
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [row["id"] for row in csv.DictReader(file)]
    if path.suffix == ".json":
        return [row["id"] for row in json.loads(path.read_text())]
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", ["jobs.csv", "jobs.json", "jobs.jsonl"])
def test_every_format_has_every_job(backstage: Backstage, tmp_path: Path, name: str) -> None:
    backstage.pending("wait1", command=f'a,"b"\n{HOSTILE}', env={"SECRET": "hidden"})
    backstage.dead("dead1", error="exit 3: 日本")
    path = tmp_path / name
    assert export_jobs(backstage.queue, ALL, path, overwrite=False, go_on=_always) == 2
    assert _ids(path) == ["wait1", "dead1"]
    assert "hidden" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        export_jobs(backstage.queue, ALL, path, overwrite=False, go_on=_always)
    dead = Listed(JobFilter(states=frozenset({JobState.DEAD})), Order("id"))
    assert export_jobs(backstage.queue, dead, path, overwrite=True, go_on=_always) == 1
    assert _ids(path) == ["dead1"]
    assert list(tmp_path.glob(".*")) == []


def test_nothing_is_a_list_too(backstage: Backstage, tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    assert export_jobs(backstage.queue, ALL, path, overwrite=False, go_on=_always) == 0
    assert json.loads(path.read_text()) == []


def test_a_stopped_export_leaves_nothing_behind(backstage: Backstage, tmp_path: Path) -> None:
    backstage.pending("wait1")
    path = tmp_path / "jobs.csv"
    with pytest.raises(Stopped):
        export_jobs(backstage.queue, ALL, path, overwrite=False, go_on=lambda: False)
    with pytest.raises(InvalidInput, match="must end in one of"):
        export_jobs(backstage.queue, ALL, tmp_path / "jobs", overwrite=False, go_on=_always)
    assert [each for each in tmp_path.iterdir() if each.name.startswith("jobs")] == []


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def failing() -> object:
        yield b"half"
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_over(path, failing())  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


async def _save_as(stage: Stage, path: Path | str) -> None:
    await stage.until_screen(SaveAs)
    await stage.until(lambda: isinstance(stage.screen.focused, Input))
    stage.screen.query_one(Input).value = str(path)
    await stage.pilot.pause()
    await stage.press("enter")


async def test_what_is_listed_is_saved(backstage: Backstage, tmp_path: Path) -> None:
    backstage.pending("wait1", "wait2")
    backstage.dead("dead1")
    path = tmp_path / "out.csv"
    async with opened(backstage) as stage:
        await stage.press("1", "S")
        await stage.until_screen(SaveAs)
        await _save_as(stage, tmp_path)
        await stage.until_shown("a folder")
        await _save_as(stage, tmp_path / "out.txt")
        await stage.until_shown("must end in one of .csv .json .jsonl")
        await _save_as(stage, tmp_path / "no" / "out.csv")
        await stage.until_shown("there is no folder")
        await _save_as(stage, path)
        await stage.until(lambda: "Wrote 2 jobs to" in stage.toasts())
        assert _ids(path) == ["wait2", "wait1"]


async def test_a_file_is_replaced_only_after_a_question(
    backstage: Backstage, tmp_path: Path
) -> None:
    backstage.pending("wait1")
    path = tmp_path / "out.json"
    path.write_text("precious")
    async with opened(backstage) as stage:
        await stage.press("S")
        await _save_as(stage, path)
        await stage.until_screen(Confirm)
        await stage.until_shown("Replace out.json?", "Keep the file")
        await stage.press("enter")
        await stage.until_screen(SaveAs)
        await stage.until_shown("choose another name")
        assert path.read_text() == "precious"
        await stage.press("enter")
        await stage.until_screen(Confirm)
        await stage.press("y")
        await stage.until(lambda: "Wrote 1 jobs to" in stage.toasts())
        assert _ids(path) == ["wait1"]


def test_the_clipboard_is_reached_through_tmux_too() -> None:
    plain = osc52("héllo", tmux=False)
    code = plain.removeprefix("\x1b]52;c;").removesuffix("\x07")
    assert b64decode(code).decode() == "héllo"
    assert osc52("héllo", tmux=True) == f"{plain}\x1bPtmux;\x1b\x1b]52;c;{code}\x07\x1b\\"


async def test_inside_tmux_its_own_buffer_is_filled(
    backstage: Backstage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "tmux"
    stand_in.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked; cat > {tmp_path}/buffer\n')
    stand_in.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("TMUX", "some-socket,1,0")
    backstage.pending("wait1")
    async with opened(backstage) as stage:
        await stage.until_at("wait1")
        await stage.press("y")
        await stage.until(lambda: "Copied wait1 into tmux's buffer" in stage.toasts())
    assert (tmp_path / "asked").read_text() == "load-buffer -w -\n"
    assert (tmp_path / "buffer").read_text() == "wait1"


async def test_without_tmux_it_is_said_that_it_may_not_arrive(
    backstage: Backstage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMUX", str(tmp_path / "no-such-socket,1,0"))
    monkeypatch.setenv("PATH", str(tmp_path))
    backstage.pending("wait1")
    async with opened(backstage) as stage:
        await stage.until_at("wait1")
        await stage.press("y")
        await stage.until(lambda: "Sent wait1 to your terminal to copy" in stage.toasts())
        assert stage.app.clipboard == "wait1"


async def test_texts_are_copied_shown_and_saved(backstage: Backstage, tmp_path: Path) -> None:
    backstage.dead("dead1", command=f"echo {HOSTILE}")
    path = tmp_path / "command.txt"
    async with opened(backstage, size=(100, 40)) as stage:
        await stage.press("y")
        await stage.until(lambda: stage.app.clipboard == "dead1")
        await stage.press("c")
        await stage.until_screen(CopyText)
        await stage.until_shown("its id", "its last error", "dead1")
        await stage.press("j")
        await stage.until_shown(r"echo [/red] \x1b]0;pwned")
        await stage.press("y")
        await stage.until(lambda: stage.app.clipboard == f"echo {HOSTILE}")
        await stage.press("s")
        await _save_as(stage, path)
        await stage.until(lambda: path.exists() and path.read_text() == f"echo {HOSTILE}")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await stage.until_screen(CopyText)
        await stage.press("escape")
        await stage.until_screen(JobsScreen)
