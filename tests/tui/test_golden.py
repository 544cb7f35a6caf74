"""The screens as pictures, as they were when last looked at by a person.

``UPDATE_GOLDEN=1 python -m pytest tests/tui/test_golden.py`` paints them anew.
"""

from __future__ import annotations

import difflib
import os
import re
import socket
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from queuectl_tui.screens.dead import DeadScreen
from queuectl_tui.screens.error_groups import ErrorGroupsScreen
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.queues import QueuesScreen
from queuectl_tui.screens.schedules import SchedulesScreen
from queuectl_tui.screens.workers import WorkersScreen
from screenshots.camera import photograph, still
from store import NewJob
from tests.tui.stage import Backstage, Stage, opened

PICTURES = Path(__file__).with_name("golden")
LIVE = "● LIVE 0.1s"
NOW = 1_796_034_600_000
SIZES = [(60, 20), (80, 24), (120, 36), (200, 60)]
LOOKS = ["dark", "light", "ansi-16", "no-color"]


@pytest.fixture
def seeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backstage]:
    monkeypatch.setattr(socket, "gethostname", lambda: "web-1")
    made = Backstage(tmp_path, clock=lambda: NOW)
    made.ended(*(f"done{number:02}" for number in range(40)), stdout=b"all went well\n")
    made.dead("mail1", "mail2", error="exit 75: try later", exit_code=75, stderr=b"busy\n")
    made.dead("video1", error="killed by SIGKILL", command="ffmpeg -i in.mov out.mp4")
    made.running("backup", command="tar czf /srv/backup.tgz /data/www", label="nightly")
    made.pending("wait1", "wait2", command="make test && ./deploy.sh --to production")
    made.pending("later1", command="echo 日本語", delay=90_000.0, queue="mail", priority=7)
    made.pending("after1", command="make report", depends_on=("backup",))
    made.pending("stopped1")
    made.queue.cancel(["stopped1"])
    made.queue.registry.heartbeat(made.worker)
    yield made
    made.close()


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_screens_look_as_they_did(
    seeded: Backstage, size: tuple[int, int], look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The jobs at every size in every look; the rest at every size, and in every look at one."""
    if look == "no-color":
        monkeypatch.setenv("NO_COLOR", "1")
    theme = None if look == "no-color" else look
    async with opened(seeded, size=size, theme=theme) as stage:
        wide, tall = size[0] >= 120, size[1] >= 36
        rates, strip = ("fail 7%",) if wide else (), ("WORKER", "● BUSY") if tall else ()
        await _compare(stage, f"jobs-{look}", LIVE, ">", "after1", *rates, *strip)
        if look != "dark" and size != (80, 24):
            return
        await stage.press("D")
        await stage.until_screen(DeadScreen)
        preview = ("Output of video1",) if size[1] > 20 else ()
        await _compare(stage, f"dead-{look}", LIVE, "> video1", *preview)
        await stage.press("E")
        await stage.until_screen(ErrorGroupsScreen)
        await _compare(stage, f"errors-{look}", LIVE, "2 errors · 3 jobs", "E ungroup")
        await stage.press("W")
        await stage.until_screen(WorkersScreen)
        await _compare(stage, f"workers-{look}", LIVE, "● BUSY", "backup")
        await stage.press("J", "5", "enter")
        await stage.until_screen(JobScreen)
        await _compare(stage, f"job-{look}", "done39", "all went well")


@pytest.mark.parametrize(
    ("size", "look"),
    [*((size, "dark") for size in SIZES), *(((80, 24), look) for look in LOOKS[1:])],
    ids=lambda value: value if isinstance(value, str) else f"{value[0]}x{value[1]}",
)
async def test_queues_and_schedules_look_as_they_did(
    seeded: Backstage, size: tuple[int, int], look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded.queue.queues.set_max_running("mail", 2)
    seeded.queue.queues.set_paused(["mail"], True)
    _schedules(seeded)
    if look == "no-color":
        monkeypatch.setenv("NO_COLOR", "1")
    async with opened(seeded, size=size, theme=None if look == "no-color" else look) as stage:
        await stage.press("Q")
        await stage.until_screen(QueuesScreen)
        await _compare(stage, f"queues-{look}", LIVE, "mail", "default")
        await stage.press("T")
        await stage.until_screen(SchedulesScreen)
        await _compare(stage, f"schedules-{look}", LIVE, "nightly", "beat")


def _schedules(backstage: Backstage) -> None:
    schedules = backstage.queue.schedules
    backup = NewJob(command="./backup.sh --all", cwd="/srv")
    schedules.add("nightly", backup, cron="0 3 * * *", tz="Europe/Berlin")
    schedules.add("beat", NewJob(command="curl ping", cwd="/srv"), every=600.0, tz="UTC")
    schedules.set_paused(["beat"], True)


async def _compare(stage: Stage, name: str, *texts: str) -> None:
    await stage.until_shown(*texts)
    await still(stage.pilot)
    width, height = stage.app.size
    picture = photograph(stage.app).svg()
    path = PICTURES / f"{name}-{width}x{height}.svg"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(picture)
    kept = path.read_text() if path.exists() else ""
    if picture != kept:
        pytest.fail(f"{path.name} is no longer what is shown:\n{_difference(kept, picture)}")


def _difference(kept: str, shown: str) -> str:
    """Rows that differ as text; if none does, as they are drawn."""
    texts = [[_plain(row) for row in picture.splitlines()] for picture in (kept, shown)]
    if texts[0] == texts[1]:
        texts = [[_styled(row) for row in picture.splitlines()] for picture in (kept, shown)]
    return "\n".join(difflib.unified_diff(*texts, "kept", "shown", n=0, lineterm=""))


def _plain(row: str) -> str:
    return unescape(re.sub(r"<[^>]*>", " ", row)).strip()


def _styled(row: str) -> str:
    row = re.sub(r'<path fill="(.*?)" d="M([\d.]+) .*?/>', r"(\1 from \2) ", row)
    return re.sub(r'<tspan .*? fill="(.*?)"(.*?)>(.*?)</tspan>', r"\3[\1\2] ", row)
