"""The job screen over outputs of any size and kind, by its keys."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl_tui.saved_output import copied_output
from queuectl_tui.screens.copy_text import CopyText
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.jobs import JobsScreen
from queuectl_tui.screens.save_output import SaveOutput
from queuectl_tui.widgets.log_pane import LogPane
from queuectl_tui.widgets.log_view import LogView
from queuectl_tui.widgets.output_preview import read_preview
from store import AttemptState, Outcome, Output, Stream
from tests.tui.stage import HOSTILE, HOSTILE_AS_TEXT, Backstage, Stage, opened
from tests.tui.test_terminal import Terminal

GIB = 1 << 30


def _scratch(backstage: Backstage, stream: Stream = Stream.STDOUT) -> Path:
    path = backstage.queue.folders.scratch(backstage.worker, stream)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    return path


def _kept(backstage: Backstage, name: str, parts: list[tuple[int, bytes]]) -> Path:
    """A job that has ended; its output has ``parts`` at their offsets, and nothing between."""
    lease = backstage.running(name)
    path = backstage.queue.folders.kept(lease.attempt_id, Stream.STDOUT)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with path.open("wb") as file:
        for offset, data in parts:
            file.seek(offset)
            file.write(data)
    stdout = Output(path.stat().st_size, None)
    backstage.queue.finish(lease, Outcome(AttemptState.COMPLETED, exit_code=0, stdout=stdout))
    return path


async def _open(stage: Stage) -> LogView:
    await stage.press("enter")
    await stage.until_screen(JobScreen)
    return stage.screen.query_one(LogView)


def _pane(stage: Stage, stream: Stream = Stream.STDOUT) -> LogPane:
    return stage.screen.query_one(f"#{stream.value}", LogPane)


def _top(stage: Stage) -> str:
    return stage.shown().splitlines()[1].rstrip("│┃ ")


def _numbered(count: int, word: str = "line") -> bytes:
    return "".join(f"{word} {number}\n" for number in range(count)).encode()


# -- any size


async def test_a_log_of_five_gigabytes_opens_at_once_and_is_searched_from_both_ends(
    backstage: Backstage,
) -> None:
    head = _numbered(8191, "head") + b"x" * 5 + b"\n"
    head = head[: len(head) // 4096 * 4096]
    tail = b"of it\n" + _numbered(5000, "tail")
    _kept(backstage, "big", [(0, head), (5 * GIB, tail)])
    async with opened(backstage) as stage:
        log = await _open(stage)
        await stage.until_shown("tail 4999", "5.0 GB", "lines · end")
        await stage.press("g")
        await stage.until_shown("head 0 ", "line 1 of")
        await stage.press("slash")
        await stage.write("tail 4321")
        await stage.until_shown("tail 4321", "1 of 1 line")
        await stage.press("escape", "G", "slash")
        await stage.write("HEAD")
        await stage.until_shown("not found")
        await stage.press("escape", "slash")
        await stage.write("it")
        await stage.until_shown("… 5.0 GB dropped (output_limit) …", "of it", "1 of 1 line")
        assert len(log.page.lines) < 500


async def test_an_endless_line_and_a_progress_bar_are_shown(backstage: Backstage) -> None:
    bar = b"".join(b"\r%d%%|####| %d/90000" % (at // 900, at) for at in range(90_001))
    _kept(backstage, "big", [(0, b"x" * 30_000_000 + b"\n" + bar + b"\nend\n")])
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("100%|####| 90000/90000", "end", "3 lines")
        assert "89999" not in stage.shown()
        await stage.press("z", "g")
        await stage.until(lambda: _top(stage).startswith("x" * 79), "the first row")
        await stage.press(*["space"] * 30)
        await stage.until_shown("line 1 of 3")
        assert _top(stage).startswith("x" * 70)


async def test_the_preview_says_what_was_dropped(backstage: Backstage) -> None:
    _kept(backstage, "big", [(0, b"h" * 4095 + b"\n"), (GIB, b"tail\n")])
    preview = read_preview(backstage.queue, "big", 5, first=Stream.STDOUT)
    assert preview is not None
    assert preview.lines[-2:] == ("… 1.0 GB dropped (output_limit) …", "tail")


async def test_what_is_dropped_while_it_runs_is_one_line(backstage: Backstage) -> None:
    backstage.running("run1")
    scratch = _scratch(backstage)
    with scratch.open("wb") as file:
        file.write(b"h" * 4095 + b"\n")
        file.seek(4096 * 100)
        file.write(b"tail 1\n")
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("… 396.0 KB dropped (output_limit) …", "tail 1")
        scratch.write_bytes(b"")
        with scratch.open("wb") as file:
            file.write(b"h" * 4095 + b"\n")
            file.seek(4096 * 200)
            file.write(b"tail 2\n")
        await stage.until_shown("… 796.0 KB dropped (output_limit) …", "tail 2")
        assert "396.0 KB" not in stage.shown()


# -- following


async def test_a_new_line_is_shown_at_once(backstage: Backstage) -> None:
    backstage.running("run1")
    scratch = _scratch(backstage)
    scratch.write_bytes(_numbered(100))
    async with opened(backstage) as stage:
        stage.app.session.interval = 1.0
        await _open(stage)
        await stage.until_shown("line 99")
        waits = []
        for number in range(5):
            with scratch.open("ab") as file:
                file.write(b"fresh %d\n" % number)
            written = time.monotonic()
            await stage.until_shown(f"fresh {number}")
            waits.append(time.monotonic() - written)
        assert sorted(waits)[2] < 0.4, waits


async def test_a_reader_is_not_yanked_by_what_comes_goes_or_begins_anew(
    backstage: Backstage,
) -> None:
    backstage.running("run1")
    scratch = _scratch(backstage)
    scratch.write_bytes(_numbered(100))
    async with opened(backstage) as stage:
        log = await _open(stage)
        await stage.until_shown("line 99", "following")
        await stage.press("ctrl+u")
        seen = _top(stage)
        with scratch.open("ab") as file:
            file.write(b"more\n" * 3000)
        await stage.until_shown("3,000 new lines – G")
        assert _top(stage) == seen
        scratch.write_bytes(_numbered(60))
        await stage.until(lambda: log.page.size == len(_numbered(60)))
        assert _top(stage) != ""
        scratch.write_bytes(b"it began anew\n")
        await stage.until_shown("it began anew", "1 line")


async def test_keys_pressed_faster_than_lines_are_read_are_not_lost(backstage: Backstage) -> None:
    _kept(backstage, "big", [(0, _numbered(20_000))])
    async with opened(backstage) as stage:
        log = await _open(stage)
        await stage.until_shown("line 19999")
        await stage.press("g")
        await stage.until_shown("line 0 ")
        for _ in range(50):
            log.action_page(1)
        await stage.until(lambda: _top(stage) == f"line {50 * log.size.height}")
        for _ in range(60):
            log.action_page(-1)
        await stage.until(lambda: _top(stage) == "line 0")


# -- looking


async def test_search_marks_counts_and_goes_on_both_ways(backstage: Backstage) -> None:
    lines = [f"line {number}{' Error' * (number % 100 == 7)}\n" for number in range(1000)]
    backstage.ended("job1", stdout="".join(lines).encode())
    async with opened(backstage) as stage:
        log = await _open(stage)
        await stage.until_shown("line 999")
        await stage.press("slash")
        await stage.write("error")
        await stage.until_shown("line 907 Error", "10 of 10 lines")
        await stage.press("enter", "N")
        await stage.until_shown("line 807 Error", "9 of 10 lines")
        await stage.press("n")
        await stage.until_shown("10 of 10 lines")
        await stage.press("n")
        await stage.until_shown("line 7 Error", "1 of 10 lines", "once around")
        await stage.press("N")
        await stage.until_shown("10 of 10 lines", "once around")
        assert log.hit == "".join(lines).index("line 907")
        await stage.press("escape")
        await stage.until(lambda: not _pane(stage).searching)
        assert "of 10 lines" not in stage.shown()
        await stage.press("escape")
        await stage.until_screen(JobsScreen)


async def test_capitals_count_where_there_are_some(backstage: Backstage) -> None:
    backstage.ended("job1", stdout=b"error\nError\nERROR\n")
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("3 lines")
        await stage.press("slash")
        await stage.write("error")
        await stage.until_shown("of 3 lines")
        await stage.press("escape", "slash")
        await stage.write("Err")
        await stage.until_shown("1 of 1 line")
        await stage.write("x")
        await stage.until_shown("not found")


async def test_long_lines_are_shifted_or_wrapped(backstage: Backstage) -> None:
    text = "".join(f"{number:04d} 日本" for number in range(40))
    backstage.ended("job1", stdout=text.encode())
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("0000 日本0001")
        assert "0039" not in stage.shown()
        assert _top(stage).endswith("…")
        await stage.press(*["l"] * 37)
        await stage.until_shown("0038 日本0039")
        assert _top(stage).startswith("…")
        await stage.press("z")
        await stage.until_shown("0000 日本0001", "0038 日本0039", "wrapped")
        assert "…" not in _top(stage)


async def test_streams_are_shown_alone_or_both(backstage: Backstage) -> None:
    backstage.ended("job1", stdout=_numbered(200, "out"), stderr=_numbered(300, "err"))
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("out 199")
        await stage.press("g", "t")
        await stage.until_shown("err 299", "300 lines")
        assert "out" not in _top(stage)
        await stage.press("t")
        await stage.until_shown("out 0 ", "err 299", "line 1 of 200 lines", "300 lines")
        await stage.press("tab", "G")
        await stage.until_shown("out 199")
        await stage.press("t")
        await stage.until(lambda: "err 299" not in stage.shown())


# -- taking along


async def test_what_is_in_sight_or_all_is_copied_as_text(backstage: Backstage) -> None:
    backstage.ended("job1", stdout=f"{HOSTILE}\n".encode() + _numbered(60))
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("line 59")
        await stage.press("c")
        await stage.until_screen(CopyText)
        await stage.until_shown("the lines in sight", "its command", "all its fields")
        await stage.press("y")
        await stage.until(lambda: stage.app.clipboard.endswith("line 58\nline 59\n"))
        assert "line 0\n" not in stage.app.clipboard
        await stage.press("escape")
        await stage.until_screen(JobScreen)
        await stage.press("C")
        await stage.until(lambda: stage.app.clipboard.startswith(HOSTILE_AS_TEXT))
        assert stage.app.clipboard.endswith("line 59\n")


async def test_too_much_is_not_copied(backstage: Backstage) -> None:
    _kept(backstage, "big", [(0, b"x" * 2_000_000)])
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("1.9 MB")
        await stage.press("C")
        await stage.until(lambda: "too much to copy" in stage.toasts())


def test_a_copy_says_what_was_dropped(backstage: Backstage) -> None:
    _kept(backstage, "big", [(0, b"h" * 4095 + b"\n"), (GIB, b"tail\n")])
    text = copied_output(backstage.queue.output("big", 1, Stream.STDOUT))
    assert text == "h" * 4095 + "\n\n… 1.0 GB dropped (output_limit) …\ntail\n"


async def test_the_whole_output_is_saved_for_its_owner_and_overwrites_nothing(
    backstage: Backstage, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 5000
    _kept(backstage, "big", [(0, data)])
    target = tmp_path / "saved.log"
    taken = tmp_path / "taken.log"
    taken.write_bytes(b"mine")
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("1.2 MB")
        await stage.press("S")
        await stage.until_screen(SaveOutput)
        await stage.press("ctrl+u")
        await stage.write(str(taken))
        await stage.press("enter")
        await stage.until_shown("nothing is overwritten")
        await stage.press("ctrl+u")
        await stage.write(str(target))
        await stage.press("enter")
        await stage.until_screen(JobScreen)
        assert target.read_bytes() == data
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        assert taken.read_bytes() == b"mine"


# -- attempts and fields


async def test_an_attempt_tells_all_about_itself(backstage: Backstage) -> None:
    error = "exit 3: " + "a long story " * 12 + "with an end"
    backstage.dead("job1", stdout=b"first time\n", error=error)
    backstage.queue.retry(["job1"])
    lease = backstage.queue.claim(backstage.worker)
    assert lease is not None
    killed = Outcome(
        AttemptState.FAILED, signal=9, cpu_seconds=1.5, max_rss_bytes=7 << 20, error="killed",
        stdout=Output(12, b"second time\n"),
    )  # fmt: skip
    backstage.queue.finish(lease, killed)
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("second time")
        await stage.press("2")
        await stage.until_shown("✗ failed", "with an end", "stdout 11 B, stderr 0 B", "SIGKILL")
        await stage.press("j")
        await stage.until_shown("1.5s", "7.0 MB", "stdout 12 B", backstage.worker)
        await stage.press("k", "enter")
        await stage.until_shown("first time", "attempt 1")


async def test_dependencies_are_shown_with_their_state(backstage: Backstage) -> None:
    backstage.ended("first")
    backstage.pending("second")
    backstage.pending("third", depends_on=("first", "second"), command="make " + "x" * 200 + "END")
    async with opened(backstage, size=(80, 40)) as stage:
        await _open(stage)
        await stage.press("3")
        await stage.until_shown("first  ✓ DONE", "second  · PENDING", "xEND")


# -- hostile


@pytest.fixture
def hostile(backstage: Backstage) -> Iterator[Terminal]:
    text = f"{HOSTILE}\r{HOSTILE}\x9b2J\x1b]52;c;cHduZWQ=\x07\x1b[5n\n".encode()
    backstage.dead("evil", error=HOSTILE, stdout=text * 30, stderr=text, label=HOSTILE)
    terminal = Terminal(backstage.queue.path)
    yield terminal
    terminal.close()


def test_nothing_hostile_reaches_the_terminal(hostile: Terminal) -> None:
    hostile.until_shown("> evil")
    hostile.press("o")
    hostile.until_shown("30 lines", r"\\x1b\]52;c")
    hostile.press("z/pwned")
    hostile.until_shown("30 of 30 lines")
    hostile.press("\r")
    hostile.until_shown("z wrap")
    hostile.press("tt")
    hostile.until_shown("1 line · end")
    hostile.press("2")
    hostile.until_shown("✗ failed", "most memory|output")
    hostile.press("3")
    hostile.until_shown("last error")
    for sent in (b"\x1b]0;pwned", b"pwned\x07", b"\x1b]52;c;cHduZWQ", b"\x9b2J", b"\x1b[5n"):
        assert sent not in hostile.raw


async def test_keys_are_answered_while_a_search_goes_on(backstage: Backstage) -> None:
    _kept(backstage, "big", [(0, (b"x" * 79 + b"\n") * 2_000_000)])
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("xxx", "2,000,000 lines")
        await stage.press("slash")
        await stage.write("needle")
        started = time.monotonic()
        await stage.press("enter", "k", "k", "k")
        assert time.monotonic() - started < 2
        await stage.until_shown("not found")


async def test_a_log_that_is_still_read_is_left_and_opened_again(backstage: Backstage) -> None:
    _kept(backstage, "big", [(0, b"x" * 4095 + b"\n"), (GIB, (b"x" * 79 + b"\n") * 1_000_000)])
    async with opened(backstage) as stage:
        for _ in range(8):
            stage.app.simulate_key("enter")
            await stage.until_screen(JobScreen)
            stage.app.simulate_key("escape")
            await stage.until_screen(JobsScreen)
        await _open(stage)
        await stage.until_shown("lines · end")
