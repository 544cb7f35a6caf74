"""The config file: what it can say, and what it is told when it makes no sense."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from rich.color_triplet import ColorTriplet
from rich.style import Style

from queuectl_tui.app import known
from queuectl_tui.config import Config, ListConfig, parse_order, read_config
from queuectl_tui.config_lines import line_of
from queuectl_tui.known import normal_key
from queuectl_tui.memory import Memory
from queuectl_tui.screens.help import Help
from queuectl_tui.widgets.key_hints import KeyHints
from store import InvalidInput, JobState, Order
from tests.tui.stage import Backstage, opened

GOOD = """
theme = "light"
rate = 2
notify = ["bell", "desktop"]
watch_dead = true

[jobs]
sort = "-state"
columns = ["id", "state", "next", "command"]

[keys]
"jobs.retry" = "t"
app.add = ["A", "ctrl+n"]
jobs.filter = "space"
jobs.mark = "m"
"""


def _read(folder: Path, text: str) -> Config:
    path = folder / "config.toml"
    path.write_text(text)
    return read_config(path, known())


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    config = _read(tmp_path, GOOD)
    assert (config.theme, config.rate, config.watch_dead) == ("light", 2.0, True)
    assert config.notify == ("bell", "desktop")
    assert config.lists["jobs"] == ListConfig(
        Order("state", reverse=True), ("id", "state", "next", "command")
    )
    assert config.keys == {
        "jobs.retry": "t", "app.add": "A,ctrl+n", "jobs.filter": "space", "jobs.mark": "m",
    }  # fmt: skip


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert read_config(tmp_path / "none.toml", known()) == Config()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\nthme = 1", "2: thme: unknown key; did you mean theme?"),
        ('theme = "drak"', '1: theme: no such theme: "drak"; did you mean dark?'),
        ("theme = 3", "1: theme: no such theme: 3; there are dark, light"),
        ("rate = 0", "1: rate: must be seconds, 0.1 to 3600, not 0"),
        ("rate = true", "1: rate: must be seconds"),
        ("notify = 'bell'", '1: notify: must be an array, not "bell"'),
        ("notify = [\n 'bel']", '1: notify: unknown: "bel"; did you mean bell?'),
        ("watch_dead = 1", "1: watch_dead: must be true or false, not 1"),
        ("jobs = 1", "1: jobs: must be a table"),
        ("# x\n[jobs]\nsort = 'stat'", '3: jobs.sort: no such column: "stat"; did you mean state?'),
        ("[jobs]\nwidth = 3", "2: jobs.width: unknown key"),
        ("[dead]\ncolumns = ['id', 'nme']", '2: dead.columns: unknown: "nme"'),
        ("[keys]\n\n'jobs.retyr' = 'x'", "3: keys.jobs.retyr: no such action; did you mean jobs."),
        ("[keys]\njobs.retry = 'hyper+x'", "2: keys.jobs.retry: no such key: 'hyper+x'"),
        ("[keys]\njobs.retry = []", "2: keys.jobs.retry: must be a key, or an array of keys"),
        ("[keys]\njobs.retry = [3]", "2: keys.jobs.retry: must be a key, not 3"),
        ("[keys.jobs]\nretry = 'x'", "2: keys.jobs.retry: x is the key of jobs.cancel already"),
        ("[keys]\napp.add = 'j'", "2: keys.app.add: j is the key of "),
        ("[keys]\nworkers.drain = 'a'", "2: keys.workers.drain: a is the key of app.add already"),
        ("[keys]\nqueues.edit = 'T'", "2: keys.queues.edit: T is the key of app.schedules already"),
        ("[keys]\nschedules.ad = 'b'", "2: keys.schedules.ad: no such action; did you mean"),
        ("keys = 1", "1: keys: must be a table"),
        ("x = [", "(at end of document)"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_line(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        _read(tmp_path, text)
    assert f"{tmp_path / 'config.toml'}:" in str(caught.value)
    assert problem in str(caught.value)


def test_keys_may_change_places_and_share_what_they_shared(tmp_path: Path) -> None:
    swapped = _read(
        tmp_path, "[keys]\njobs.retry = 'x'\njobs.cancel = 'r'\njob.cancel = 'r'\njob.retry = 'x'"
    )
    assert swapped.keys["jobs.retry"] == "x"
    moved = {"queues.pause": "H", "schedules.remove": "Z", "job.chain": "K", "marks.mark": "m"}
    lines = "\n".join(f"{name} = '{key}'" for name, key in moved.items())
    assert _read(tmp_path, f"[keys]\n{lines}").keys == moved
    assert _read(tmp_path, "[keys]\nworkers.start = 's'").keys == {"workers.start": "s"}


@pytest.mark.parametrize(
    ("key", "name"),
    [("/", "slash"), ("Z", "Z"), ("ctrl+x", "ctrl+x"), ("space", "space"), ("shift+tab",) * 2,
     ("question_mark",) * 2],
)  # fmt: skip
def test_keys_have_one_name(key: str, name: str) -> None:
    assert normal_key(key) == name


@pytest.mark.parametrize("key", [" ", "", "\x1b", "ctrl+", "nope", "alt+x"])
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(InvalidInput):
        normal_key(key)


def test_a_quoted_name_with_a_sign_in_it_is_found() -> None:
    text = "[a]\nb = 1\n[keys]\n'x=y' = 2\n[[list]]\nc = 3\n"
    assert line_of(text, ("keys", "x=y")) == 4
    assert line_of(text, ("list", "c")) == 6
    assert line_of(text, ("keys",)) == 3
    assert line_of(text, ("nowhere",)) is None


async def test_moved_keys_work_and_are_what_help_and_hints_say(
    backstage: Backstage, tmp_path: Path
) -> None:
    backstage.dead("dead1")
    config = _read(tmp_path, GOOD)
    async with opened(backstage, config=config) as stage:
        assert stage.app.theme == "light"
        assert stage.listing.order == Order("state", reverse=True)
        assert [placed.column.name for placed in stage.table._placed] == [
            "id", "state", "next", "command",
        ]  # fmt: skip
        await stage.until(lambda: "A add  t retry" in stage.line(KeyHints))
        await stage.press("r")
        await stage.pilot.pause()
        assert backstage.state("dead1") is JobState.DEAD
        await stage.press("t")
        await stage.until(lambda: backstage.state("dead1") is JobState.PENDING)
        await stage.press("question_mark")
        await stage.until_screen(Help)
        await stage.until_shown("A ^n")


async def test_what_was_chosen_is_there_next_time(backstage: Backstage, tmp_path: Path) -> None:
    backstage.pending("wait1")
    path = tmp_path / "app.json"
    async with opened(backstage, memory=Memory(path)) as stage:
        listing = stage.listing
        listing.set_order(Order("queue", reverse=True))
        listing.choose_columns(["id", "exit"])
        stage.app.use_theme("colour-blind")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with opened(backstage, memory=Memory(path)) as stage:
        assert stage.listing.order == Order("queue", reverse=True)
        assert [placed.column.name for placed in stage.table._placed] == ["id", "exit"]
        assert stage.app.theme == "colour-blind"


@pytest.mark.parametrize("theme", ["dark", "light", "ansi-16", "colour-blind"])
async def test_a_state_is_a_word_and_a_glyph_in_every_theme(
    backstage: Backstage, theme: str
) -> None:
    backstage.dead("dead1")
    async with opened(backstage, theme=theme) as stage:
        await stage.until_shown("> dead1", "✗ DEAD")
        strips = stage.screen._compositor.render_strips()
        for segment in (segment for strip in strips for segment in strip):
            if segment.text.strip():
                assert _contrast(segment.style) >= 3, segment
        await stage.press("D", "W", "question_mark")
        await stage.until_screen(Help)


def _contrast(style: Style | None) -> float:
    """By WCAG; the terminal's own colours are its own affair, as long as they differ."""
    assert style is not None
    front, back = style.color, style.bgcolor
    if front is None or back is None or front.triplet is None or back.triplet is None:
        return 0 if front is not None and front == back and not front.is_default else 21
    dark, light = sorted((_luminance(front.triplet), _luminance(back.triplet)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: ColorTriplet) -> float:
    parts = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in colour.normalized
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


async def test_no_colour_is_no_colour(
    backstage: Backstage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    backstage.dead("dead1")
    async with opened(backstage) as stage:
        await stage.until_shown("> dead1", "✗ DEAD")
        assert stage.app.theme == "ansi-16"
        filtered = [type(each).__name__ for each in stage.app._filters]
        assert "NoColor" in filtered
        assert "Monochrome" not in filtered


def test_orders_are_read_and_refused() -> None:
    assert parse_order("-id") == Order("id", reverse=True)
    assert parse_order("--id") is parse_order("") is None


def test_a_bad_config_file_ends_the_app_before_it_opens(
    backstage: Backstage, tmp_path: Path
) -> None:
    folder = tmp_path / "config" / "queuectl-tui"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[keys]\napp.nothing = 'x'\n")
    ours, theirs = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "queuectl_tui", "--db", str(backstage.queue.path)],
        stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, timeout=30, check=False,
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "TERM": "xterm"},
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 2
    assert f"{folder / 'config.toml'}:2: keys.app.nothing: no such action" in done.stderr.decode()
