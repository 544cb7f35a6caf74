"""The real program in a real pseudo-terminal, as a person at 80×24 has it."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import psutil
import pyte
import pytest

from queuectl_tui.app import _hung_up
from store import JobState
from tests.tui.stage import HOSTILE, HOSTILE_AS_TEXT, PATIENCE, Backstage

COLUMNS, ROWS = 80, 24


class Terminal:
    """The program, the bytes that it sent, and the picture that they make."""

    def __init__(self, db: Path, *options: str, **environ: str) -> None:
        self.raw = b""
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "queuectl_tui", "--db", str(db), *options],
            dimensions=(ROWS, COLUMNS),
            encoding=None,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(db.parent),  # without what somebody has chosen there
                "TERM": "xterm-256color",
                "LANG": "C.UTF-8",
                **environ,
            },
        )
        self.child.delaybeforesend = None

    @property
    def picture(self) -> str:
        # Not Screen.display: it trips over a wide character whose first half was painted over.
        lines = (self._screen.buffer[row] for row in range(ROWS))
        return "\n".join("".join(line[x].data for x in range(COLUMNS)) for line in lines)

    def press(self, keys: str) -> None:
        self.child.send(keys.encode())

    def until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"never came true: {what}\n{self.picture}"
            self._read(0.05)

    def until_shown(self, *patterns: str) -> None:
        self.until(
            lambda: all(re.search(pattern, self.picture) for pattern in patterns), str(patterns)
        )

    def until_gone(self) -> int:
        self.until(lambda: not self.child.isalive(), "it ends")
        self._read(0)
        return int(self.child.exitstatus if self.child.exitstatus is not None else -1)

    def close(self) -> None:
        self.child.close(force=True)

    def _read(self, patience: float) -> None:
        if not select.select([self.child.child_fd], [], [], patience)[0]:
            return
        try:
            data = os.read(self.child.child_fd, 65_536)
        except OSError:
            return
        self.raw += data
        self._stream.feed(data)


@pytest.fixture
def terminal(backstage: Backstage) -> Iterator[Terminal]:
    backstage.ended("done1", stdout=f"out {HOSTILE}\n".encode(), command=f"echo {HOSTILE}")
    backstage.dead("dead1", error=HOSTILE, stderr=HOSTILE.encode())
    backstage.pending("wait1", label=HOSTILE)
    opened = Terminal(backstage.queue.path)
    yield opened
    opened.close()


def test_a_round_through_the_app(backstage: Backstage, terminal: Terminal) -> None:
    shown = re.escape(HOSTILE_AS_TEXT[:12])
    terminal.until_shown("> wait1 +· PENDING", "dead1 +✗ DEAD", "done1 +✓ DONE", "a add")
    terminal.press("jj")
    terminal.until_shown(f"> done1 .*echo {shown}")
    terminal.press("/dead")
    terminal.until_shown("1–1 of 1")
    terminal.press("\x1b")
    terminal.until_shown("1–3 of 3")
    terminal.press("g")
    terminal.until_shown("> wait1")
    terminal.press("G")
    terminal.until_shown("> done1")
    terminal.press("o")
    terminal.until_shown("1 Output", f"out {shown}")
    terminal.press("\x1b")
    terminal.until_shown("> done1")
    terminal.press("D")
    terminal.until_shown("Dead letter queue", f"> dead1 .*{shown}")
    terminal.press("r")
    terminal.until(lambda: backstage.state("dead1") is JobState.PENDING, "dead1 is retried")
    terminal.until_shown("Nothing is dead")
    terminal.press("q")
    terminal.until_shown("> done1")
    terminal.press("q")
    assert terminal.until_gone() == 0
    assert b"pwned\x07" not in terminal.raw
    assert b"\x1b]0;pwned" not in terminal.raw
    assert rb"\x1b]0;pwned\x07" in terminal.raw


def _settled(terminal: Terminal) -> str:
    """What is shown once nothing changes any more."""
    terminal.until_shown("> wait1 +· PENDING", "dead1 +✗ DEAD", "done1 +✓ DONE", "a add")
    shown = ""
    while shown != terminal.picture:
        shown = terminal.picture
        for _ in range(4):
            terminal._read(0.05)
    return re.sub(r"<?\d+s", "#s", shown)  # ages go on


def test_what_something_else_wrote_is_painted_over(terminal: Terminal) -> None:
    before = _settled(terminal)
    terminal._stream.feed(b"\x1b[5;5Hwall: \x1b[41mgoing down\x1b[2;2H")
    terminal.press("\x0c")
    terminal.until(lambda: _settled(terminal) == before, "all is painted again")


def test_it_is_painted_whole_after_it_was_put_to_sleep(terminal: Terminal) -> None:
    before = _settled(terminal)
    process = psutil.Process(terminal.child.pid)
    terminal.press("\x1a")
    terminal.until(lambda: process.status() == psutil.STATUS_STOPPED, "it sleeps")
    terminal._read(0.05)
    terminal._stream.feed(b"\x1b[H\x1b[2Jvim, in the foreground\x1b[44m")
    os.kill(process.pid, signal.SIGCONT)
    terminal.until(lambda: "vim" not in terminal.picture, "it is painted again")
    terminal.until(lambda: _settled(terminal) == before, "as it was")


def test_it_is_painted_whole_after_a_resize_to_the_same_size(terminal: Terminal) -> None:
    before = _settled(terminal)
    terminal._stream.feed(b"\x1b[H\x1b[2J")
    os.kill(terminal.child.pid, signal.SIGWINCH)
    terminal.until(lambda: _settled(terminal) == before, "all is painted again")


def test_it_ends_with_its_terminal(terminal: Terminal) -> None:
    terminal.until_shown("> wait1")
    os.kill(terminal.child.pid, signal.SIGHUP)
    terminal.until_gone()


def test_it_leaves_the_terminal_in_order_when_it_is_terminated(terminal: Terminal) -> None:
    terminal.until_shown("> wait1")
    os.kill(terminal.child.pid, signal.SIGTERM)
    terminal.until_gone()
    assert b"\x1b[?1049l" in terminal.raw  # the screen that was there before
    assert b"\x1b[?25h" in terminal.raw  # the cursor
    assert b"\x1b[?1000l" in terminal.raw  # no more reports of the mouse


def test_a_terminal_that_hung_up_is_noticed() -> None:
    ours, theirs = os.openpty()
    assert not _hung_up(theirs)
    os.close(ours)
    assert _hung_up(theirs)
    os.close(theirs)


def test_it_ends_when_nobody_can_press_a_key_any_more(backstage: Backstage) -> None:
    """Even where the hang-up signal is ignored, as under nohup."""
    backstage.pending("wait1")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        terminal = Terminal(backstage.queue.path)
    finally:
        signal.signal(signal.SIGHUP, before)
    terminal.until_shown("> wait1")
    pid = terminal.child.pid
    os.close(terminal.child.child_fd)
    deadline = time.monotonic() + PATIENCE
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        assert time.monotonic() < deadline, "it goes on without a terminal"
        time.sleep(0.02)


def test_a_dumb_terminal_is_told_what_works_there(backstage: Backstage) -> None:
    terminal = Terminal(backstage.queue.path, TERM="dumb")
    try:
        assert terminal.until_gone() == 1
        assert b"shows no full screen; use status --watch" in terminal.raw
        assert b"\x1b" not in terminal.raw
    finally:
        terminal.close()


def test_sixteen_colours_are_the_terminal_s_own(backstage: Backstage) -> None:
    backstage.pending("wait1")
    terminal = Terminal(backstage.queue.path, TERM="xterm-16color")
    try:
        terminal.until_shown("> wait1")
        assert not re.search(rb"\x1b\[[0-9;]*[34]8;[25]", terminal.raw)
    finally:
        terminal.close()


def test_no_frame_is_sent_over_a_slow_line_while_bytes_wait_to_leave(backstage: Backstage) -> None:
    backstage.dead("dead1")
    backstage.pending("wait1")
    terminal = Terminal(backstage.queue.path, "--remote")
    try:
        terminal.until_shown("> wait1", "a add")
        before = len(terminal.raw)
        terminal.press("\x0c" * 200 + "x")  # 200 whole frames are far more than the line holds
        deadline = time.monotonic() + PATIENCE
        while backstage.state("wait1") is not JobState.CANCELLED:
            assert time.monotonic() < deadline, "keys wait for the line"
            time.sleep(0.02)
        terminal.until_shown("wait1 +⊘ CANCELLED")
        assert len(terminal.raw) - before < 150_000
    finally:
        terminal.close()
