"""Each screen as text, at four sizes, as it was when last looked at by a person.

``UPDATE_GOLDEN=1 python -m pytest tests/tui/test_golden.py`` paints the pictures anew.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl_tui.screens.dead import DeadScreen
from queuectl_tui.screens.error_groups import ErrorGroupsScreen
from queuectl_tui.screens.workers import WorkersScreen
from tests.tui.stage import Backstage, Stage, opened

PICTURES = Path(__file__).with_name("golden")
LIVE = "● LIVE 0.1s"
NOW = 1_796_034_600_000
SIZES = [(60, 20), (80, 24), (120, 36), (200, 60)]


@pytest.fixture
def seeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backstage]:
    monkeypatch.setattr(socket, "gethostname", lambda: "web-1")
    ticks = iter(range(10**6))
    made = Backstage(tmp_path, clock=lambda: NOW + next(ticks) // 1000)
    made.ended(*(f"done{number:02}" for number in range(40)), stdout=b"all went well\n")
    made.dead("mail1", "mail2", error="exit 75: try later", exit_code=75, stderr=b"busy\n")
    made.dead("video1", error="killed by SIGKILL", command="ffmpeg -i in.mov out.mp4")
    made.running("backup", command="tar czf /srv/backup.tgz /data/www", label="nightly")
    made.pending("wait1", "wait2", command="make test && ./deploy.sh --to production")
    made.pending("later1", command="echo 日本語", delay=90_000.0, queue="mail", priority=7)
    made.queue.registry.heartbeat(made.worker)
    yield made
    made.close()


async def _picture(stage: Stage, name: str, *texts: str) -> None:
    await stage.until_shown(*texts)
    await stage.pilot.pause()
    width, height = stage.app.size
    lines = [line.rstrip() for line in stage.shown().splitlines()]
    path = PICTURES / f"{name}-{width}x{height}.txt"
    text = "\n".join(lines) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"{path.name} is no longer what is shown"


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_screens_look_as_they_did(seeded: Backstage, size: tuple[int, int]) -> None:
    async with opened(seeded, size=size) as stage:
        wide, tall = size[0] >= 120, size[1] >= 36
        rates, strip = ("fail 7%",) if wide else (), ("WORKER", "● BUSY") if tall else ()
        await _picture(stage, "jobs", LIVE, "> later1", *rates, *strip)
        await stage.press("D")
        await stage.until_screen(DeadScreen)
        preview = ("Output of video1",) if size[1] > 20 else ()
        await _picture(stage, "dead", LIVE, "> video1", *preview)
        await stage.press("E")
        await stage.until_screen(ErrorGroupsScreen)
        await _picture(stage, "errors", LIVE, "2 errors · 3 jobs", "E ungroup")
        await stage.press("W")
        await stage.until_screen(WorkersScreen)
        await _picture(stage, "workers", LIVE, "● BUSY", "backup")
