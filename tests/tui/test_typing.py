"""Keys act on what they were meant for, however fast they come.

Keys are sent in bursts without a pause, and compared with a model in which each is done with before
the next; what is typed before a question is seen is dropped. ``TYPING_SEED`` and ``TYPING_KEYS``
take another walk.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from textual.events import Key

from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.jobs import JobsScreen
from queuectl_tui.screens.live import ACT
from store import JobState
from tests.tui.stage import Backstage, Stage, opened
from tests.tui.test_terminal import Terminal

SEED = int(os.environ.get("TYPING_SEED", "1"))
KEYS = int(os.environ.get("TYPING_KEYS", "400"))
UNASKED = 20
NAMES = {
    " ": "space", "*": "asterisk", "\\": "backslash", "/": "slash", "\r": "enter", "\x1b": "escape",
}  # fmt: skip
PENDING, CANCELLED = JobState.PENDING, JobState.CANCELLED


@pytest.fixture
def ticking(tmp_path: Path) -> Iterator[Backstage]:
    ticks = itertools.count(1_796_034_600_000, 7)
    made = Backstage(tmp_path, clock=lambda: next(ticks))
    yield made
    made.close()


def send(stage: Stage, keys: str) -> None:
    """All at once, as a slow line delivers them."""
    driver = stage.app._driver
    assert driver is not None
    for key in keys:
        driver.send_message(Key(NAMES.get(key, key), key if key.isprintable() else None))


async def until_quiet(stage: Stage) -> None:
    """Until every key has been done with, and what it has set off."""
    still = 0
    while still < 3:
        still = still + 1 if _is_quiet(stage) else 0
        await stage.pilot._wait_for_screen()
        await asyncio.sleep(0.001)


def _is_quiet(stage: Stage) -> bool:
    app, screen = stage.app, stage.app.screen
    if not app._keys._typed.empty() or app._keys._held_since is not None:
        return False
    if isinstance(screen, Confirm):
        return screen.seen_at is not None
    if not isinstance(screen, JobsScreen) or not screen.is_settled:
        return False
    acting = any(not each.is_finished for each in app.workers if each.group == ACT)
    is_read = not screen.table.total or screen.table.cursor_key is not None
    return is_read and not acting


def _fill(backstage: Backstage, key: str, count: int) -> None:
    ids = [f"{'foo' if number % 2 else 'bar'}{number}" for number in range(count)]
    backstage.pending(*ids)
    if key != "x":
        backstage.queue.cancel(ids)


@pytest.mark.parametrize("count", [200, 5_000])
@pytest.mark.parametrize(
    ("key", "asked"), [("x", "Cancel"), ("r", "Run"), ("X", "Delete")], ids="xrX"
)
@pytest.mark.parametrize("filter_keys", ["", "/foo\r"], ids=["all", "filtered"])
async def test_all_that_match_are_named(
    backstage: Backstage, count: int, key: str, asked: str, filter_keys: str
) -> None:
    _fill(backstage, key, count)
    async with opened(backstage) as stage:
        send(stage, f"{filter_keys}*{key}")
        await stage.until_screen(Confirm)
        amount = count // 2 if filter_keys else count
        await stage.until_shown(f"{asked} {amount:,} jobs")
        assert len(backstage.queue.jobs()) == count


async def test_a_terminal_delivers_them_at_once(backstage: Backstage) -> None:
    _fill(backstage, "x", 60)
    terminal = Terminal(backstage.queue.path)
    try:
        terminal.until_shown("> foo59")
        terminal.press("/foo\r*x")
        terminal.until_shown("Cancel 30 jobs")
        terminal.until(lambda: _answered(terminal, "Cancelled 30 jobs"), "the answer is taken")
    finally:
        terminal.close()
    cancelled = {job.id for job in backstage.queue.jobs() if job.state is CANCELLED}
    assert cancelled == {f"foo{number}" for number in range(1, 60, 2)}


def _answered(terminal: Terminal, told: str) -> bool:
    """Whether that is told; the answer is given again, as it may have come too soon."""
    if told in terminal.picture:
        return True
    terminal.press("y")
    return False


async def test_what_is_typed_before_a_question_is_seen_is_dropped(backstage: Backstage) -> None:
    _fill(backstage, "x", 50)
    async with opened(backstage) as stage:
        send(stage, "*xyyjx")
        await stage.until_screen(Confirm)
        await until_quiet(stage)
        assert isinstance(stage.screen, Confirm)
        assert backstage.state("bar0") is PENDING
        await stage.press("y")
        await stage.until(lambda: backstage.state("bar0") is CANCELLED)


@pytest.mark.parametrize(
    ("keys", "ids"),
    [
        ("/foo\rx", {"foo49"}),
        ("1xx", {"foo49", "bar48"}),
        ("Gx", {"bar0"}),
        ("xjxu", {"foo49"}),
        ("V" + "j" * 4 + "Vx", {"foo49", "bar48", "foo47", "bar46", "foo45"}),
        ("/bar\r\x1b/8\rx", {"bar48"}),
        ("jj/foo4\r1\x1bx", {"foo47"}),
    ],
)
async def test_an_action_waits_for_its_job(backstage: Backstage, keys: str, ids: set[str]) -> None:
    _fill(backstage, "x", 50)
    async with opened(backstage) as stage:
        send(stage, keys)
        await until_quiet(stage)
        if isinstance(stage.screen, Confirm):
            await stage.press("y")
            await until_quiet(stage)
        assert {job.id for job in backstage.queue.jobs() if job.state is CANCELLED} == ids


async def test_a_mark_waits_for_a_row_far_away(backstage: Backstage) -> None:
    _fill(backstage, "x", 500)
    async with opened(backstage) as stage:
        send(stage, "G ")
        await until_quiet(stage)
        assert stage.table.marks == ("bar0",)


class Model:
    """What each key ought to do, one after the other."""

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids[::-1]  # as listed
        self.states = dict.fromkeys(ids, PENDING)
        self.tab: JobState | None = None
        self.word = ""
        self.marks: set[str] = set()
        self.at = 0
        self.key: str | None = self.ids[0]
        self.question: tuple[JobState, set[str], set[str]] | None = None
        self._typing = False
        self._anchor: str | None = None
        self._origin: str | None = None
        self._deeds: list[dict[str, tuple[JobState, int, int]]] = []
        self._changes = dict.fromkeys(ids, 0)
        self._change = 0

    def listed(self) -> list[str]:
        return [
            each for each in self.ids if self.word in each and self.tab in (None, self.states[each])
        ]

    def burst(self, keys: str) -> None:
        for key in keys:
            asked = self.question is not None
            self.press(key)
            if self.question is not None and not asked:
                return  # the others come before it is seen

    def press(self, key: str) -> None:
        if self.question is not None:
            self._answer(key)
        elif self._typing:
            self._type(key)
        elif key in "jkgG Vxruy":
            self._origin = None
            self._by_row(key)
        elif key in "017":
            self._relist(tab={"0": None, "1": PENDING, "7": CANCELLED}[key])
        elif key == "/":
            self._typing = True
        elif key == "*":
            self.marks.update(self.listed())
        elif key == "\\":
            self.marks.clear()
            self._anchor = None
        elif key == "\x1b":
            self._escape()

    def _by_row(self, key: str) -> None:
        if key == "u":
            self._undo()
        elif key == "x":
            self._act(CANCELLED)
        elif key == "r":
            self._act(PENDING)
        elif key == "V":
            self._range()
        elif key == " " and self.key is not None:
            self.marks ^= {self.key}
            self._go(self.at + 1)
        elif key in "jkgG":
            self._go({"j": self.at + 1, "k": self.at - 1, "g": 0, "G": 10**6}[key])

    def _go(self, at: int) -> None:
        listed = self.listed()
        self.at = max(0, min(at, len(listed) - 1))
        self.key = listed[self.at] if listed else None

    def _settle(self) -> None:
        listed = self.listed()
        self._go(listed.index(self.key) if self.key in listed else self.at)

    def _relist(self, *, tab: JobState | None, word: str | None = None) -> None:
        wanted = tab, self.word if word is None else word
        if wanted == (self.tab, self.word):
            return
        if self._origin is None:
            self._origin = self.key or ""
        self.tab, self.word = wanted
        listed = self.listed()
        self._go(listed.index(self._origin) if self._origin in listed else 0)

    def _type(self, key: str) -> None:
        if key == "\r":
            self._typing = False
        elif key == "\x1b":
            self._typing = False
            self._relist(tab=self.tab, word="")
        elif key.isalnum():
            self._relist(tab=self.tab, word=self.word + key)

    def _escape(self) -> None:
        if self.word:
            self._relist(tab=self.tab, word="")
        elif self.marks:
            self.marks.clear()
            self._anchor = None
        elif self.tab:
            self._relist(tab=None)

    def _range(self) -> None:
        if self.key is None:
            return
        if self._anchor is None:
            self._anchor = self.key
            return
        listed = self.listed()
        other = listed.index(self._anchor) if self._anchor in listed else self.at
        self.marks.update(listed[min(other, self.at) : max(other, self.at) + 1])
        self._anchor = None

    def _act(self, new: JobState) -> None:
        targets = set(self.marks) or ({self.key} if self.key else set())
        old = PENDING if new is CANCELLED else CANCELLED
        jobs = {each for each in targets if self.states[each] is old}
        if len(jobs) > UNASKED or not jobs <= set(self.listed()):
            self.question = new, jobs, targets
        elif jobs:
            self._do(new, jobs, targets)

    def _answer(self, key: str) -> None:
        assert self.question is not None
        question, self.question = self.question, None
        if key == "y":
            self._do(*question)

    def _do(self, new: JobState, jobs: set[str], targets: set[str]) -> None:
        self._change += 1
        deed = {each: (self.states[each], self._changes[each], self._change) for each in jobs}
        self._deeds = [*self._deeds, deed][-20:]
        for each in jobs:
            self.states[each], self._changes[each] = new, self._change
        self.marks -= targets
        self._settle()

    def _undo(self) -> None:
        for each, (state, before, after) in (self._deeds.pop() if self._deeds else {}).items():
            if self._changes[each] == after:
                self.states[each], self._changes[each] = state, before
        self._settle()


async def test_no_key_hits_another_job_than_was_meant(ticking: Backstage) -> None:
    ids = [f"{'foo' if number % 3 else 'bar'}{number}" for number in range(70)]
    ticking.pending(*ids, command="true")
    chance, model, log = Random(SEED), Model(ids), list[str]()
    async with opened(ticking) as stage:
        while sum(map(len, log)) < KEYS:
            keys = _burst(chance, asked=model.question is not None)
            log.append(keys)
            model.burst(keys)
            send(stage, keys)
            await until_quiet(stage)
            told = f"seed {SEED}, after {log[-12:]!r}"
            assert isinstance(stage.screen, Confirm) == (model.question is not None), told
            assert {job.id: job.state for job in ticking.queue.jobs()} == model.states, told
            table = stage.app.screen_stack[1].query_one("JobTable")
            assert table.cursor_key == model.key, told  # type: ignore[attr-defined]
            assert set(table.marks) == model.marks, told  # type: ignore[attr-defined]


def _burst(chance: Random, *, asked: bool) -> str:
    words = ["/foo\r", "/bar\r", "/1\r", "/o\r", "/\x1b", "*x", "*r", "xx", "rj", "1x", "7r", "0",
             "V", "j", "k", "g", "G", " ", " ", "*", "\\", "\x1b", "x", "r", "u", "1", "7",
             "y"]  # fmt: skip
    keys = "".join(chance.choice(words) for _ in range(chance.choice([1, 3, 8, 20])))
    return chance.choice("yyn") + keys if asked else keys
